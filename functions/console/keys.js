// The keyboard: digits lead to the views, arrows from row to row, / to the first filter.

import {h} from "./dom.js";
import {VIEWS} from "./rail.js";
import {go} from "./router.js";

const HINTS = [
  ["1 – 6", "the six views, from the top"],
  ["/", "the first field of the filter"],
  ["↓ ↑", "the next and the previous row of a list"],
  ["Esc", "closes a question without doing anything"],
  ["?", "these hints"],
];

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea")) return;
    const view = VIEWS[Number(event.key) - 1];
    if (view) go([view.path]);
    else if (event.key === "/") focusFilter(event);
    else if (event.key === "?") showHints();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") moveRow(event);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys]")) showHints();
  });
}

function focusFilter(event) {
  const input = document.querySelector("main form.filter input, main form.filter select");
  if (!input) return;
  event.preventDefault();
  input.focus();
}

function moveRow(event) {
  const rows = [...document.querySelectorAll("main tbody a.row")];
  const at = rows.indexOf(event.target);
  if (!rows.length || (at < 0 && event.target !== document.body && event.target.id !== "main")) return;
  event.preventDefault();
  const next = at < 0 ? 0 : Math.min(Math.max(at + (event.key === "ArrowDown" ? 1 : -1), 0), rows.length - 1);
  rows[next].focus();
}

function showHints() {
  const close = () => dialog.close();
  const dialog = h("dialog", {"aria-labelledby": "hints", onclose: () => dialog.remove()},
    h("h2", {id: "hints"}, "Keys"),
    h("dl", {class: "keys"}, HINTS.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))),
    h("div", {class: "actions"}, h("button", {type: "button", autofocus: true, onclick: close}, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}
