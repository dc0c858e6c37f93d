// Parts that several views are made of.

import {h} from "./dom.js";
import {number} from "./format.js";
import {icon} from "./icons.js";

/** A status: its icon and its word, so that colour alone says nothing. */
export function badge(status, word = status, kind = status) {
  return h("span", {class: `badge ${kind}`}, icon(status), word);
}

export function skeleton(rows = 6) {
  return h("div", {class: "skeleton", role: "status"}, h("span", {class: "unseen"}, "Loading …"),
    Array.from({length: rows}, () => h("i", {"aria-hidden": "true"})));
}

/** What is shown where there is nothing: it says why, and what to do. */
export function empty(title, text, ...actions) {
  return h("div", {class: "empty"}, icon("good"), h("p", {class: "title"}, title), h("p", {}, text), ...actions);
}

/** The head of a view; `crumbs` are links to where it belongs. */
export function heading(title, {crumb, beside = [], text} = {}) {
  return h("div", {class: "heading"},
    crumb && h("a", {class: "crumb", href: crumb[1]}, icon("back"), crumb[0]),
    h("div", {class: "line"}, h("h1", {}, title), h("div", {class: "beside"}, beside)),
    text && h("p", {class: "muted"}, text));
}

export function section(title, beside, ...children) {
  const id = `s-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return h("section", {class: "card", "aria-labelledby": id},
    h("div", {class: "line"}, h("h2", {id}, title), h("div", {class: "beside"}, beside)), ...children);
}

/** A table; columns are `{title, cell}`, `numeric`, `wide` or `act`. On a phone each row becomes a card. */
export function table(caption, columns, rows, {keyOf} = {}) {
  const kindOf = (column) => ["numeric", "wide", "act"].filter((kind) => column[kind]).join(" ") || null;
  const head = columns.map((column) => h("th", {scope: "col", role: "columnheader", class: kindOf(column)}, column.title));
  const lines = rows.map((row) => h("tr", {role: "row", "data-row": keyOf?.(row)}, columns.map((column) =>
    h("td", {role: "cell", class: kindOf(column), "data-label": column.title}, h("div", {}, column.cell(row))))));
  return h("div", {class: "table"}, h("table", {role: "table"}, h("caption", {class: "unseen"}, caption),
    h("thead", {role: "rowgroup"}, h("tr", {role: "row"}, head)), h("tbody", {role: "rowgroup"}, lines)));
}

/** A figure with its name; as a link where it leads somewhere. */
export function figure(name, value, {href, note, kind = ""} = {}) {
  const inside = [h("dt", {}, name), h("dd", {}, h("b", {}, value), note && h("small", {}, note))];
  return h("div", {class: `figure ${kind}`}, href ? h("a", {href, "data-key": name}, h("dl", {}, inside)) : h("dl", {}, inside));
}

/** Pairs of a word and what it is, as a list of terms. */
export function facts(pairs) {
  return h("dl", {class: "facts"}, pairs.filter(Boolean).map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** Links to the first and to the next page of a list. */
export function pager(first, next, count) {
  if (!count && !first) return null;
  return h("nav", {class: "pager", "aria-label": "Pages"},
    h("span", {class: "muted"}, `${number(count)} shown`),
    first && h("a", {class: "button", href: first, "data-key": "first"}, icon("back"), "First page"),
    next && h("a", {class: "button", href: next, "data-key": "next"}, "Next page", icon("next")));
}

/** A command, with a button that copies it. */
export function command(text) {
  const copy = async (event) => {
    await navigator.clipboard.writeText(text);
    event.target.closest("button").lastChild.data = "Copied";
  };
  return h("div", {class: "command"}, h("code", {tabindex: "0"}, text),
    navigator.clipboard && h("button", {type: "button", class: "small", onclick: copy}, icon("copy"), "Copy"));
}

let clearing = 0;

/** Says a sentence at the foot of the page, and to who listens. */
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => said.replaceChildren(), 6_000);
}
