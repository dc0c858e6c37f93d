// Questions before something is done, and forms: what the API refuses is shown beside its field.

import {newKey} from "./api.js";
import {h} from "./dom.js";
import {say} from "./parts.js";

/** A field of a form: `{name, label, type, hint, ...}`, what else there is being attributes of it. */
export function field({name, label, hint, type = "text", options, value, ...more}) {
  const id = `f-${name}`;
  const described = {id, name, "aria-describedby": `${id}-told ${id}-wrong`, ...more};
  const input = options
    ? h("select", described, options.map(([key, word]) => h("option", {value: key, selected: key === (value ?? "")}, word)))
    : h("input", {type, value, autocomplete: "off", ...described});
  return h("div", {class: "field"}, h("label", {for: id}, label), input,
    h("p", {id: `${id}-told`, class: "hint"}, hint ?? ""),
    h("p", {id: `${id}-wrong`, class: "wrong", role: "alert"}));
}

/** What was given, without what was left empty; numbers as such. */
export function valuesOf(form) {
  const values = {};
  for (const input of form.elements) {
    if (!input.name || input.value.trim() === "") continue;
    values[input.name] = input.type === "number" ? Number(input.value) : input.value.trim();
  }
  return values;
}

/** Shows what an answer says about the fields; what has no field goes below all. */
export function showProblem(form, problem) {
  for (const node of form.querySelectorAll(".wrong")) node.replaceChildren();
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  if (!problem) return;
  const left = problem.errors.filter(({field: name, message}) => {
    const input = form.elements.namedItem(name);
    if (!input) return true;
    input.setAttribute("aria-invalid", "true");
    form.querySelector(`#f-${CSS.escape(name)}-wrong`).textContent = message;
    return false;
  });
  form.querySelector("[aria-invalid]")?.focus();
  if (left.length || !problem.errors.length) {
    const told = left.map(({field: name, message}) => `${name}: ${message}`).join("; ");
    form.querySelector(".overall").textContent = told || problem.sentence;
  }
}

/** Has a form do something when it is sent: once at a time, and what is refused is shown in it. */
export function onSend(form, run) {
  let key = newKey(); // the same for each try, until one has succeeded
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter ?? form.querySelector("[type=submit]");
    button.disabled = true;
    showProblem(form, null);
    try {
      await run(valuesOf(form), key, button.value);
      key = newKey();
    } catch (problem) {
      if (!("status" in problem)) throw problem;
      if (problem.status > 0 && problem.status < 500) key = newKey();
      showProblem(form, problem);
    } finally {
      button.disabled = false;
    }
  });
  return form;
}

/** Asks before something is done. `run(values, key)` does it; its sentence is said afterwards. */
export function ask({title, text, fields = [], action, keep = "Not now", danger = false, run}) {
  const close = () => dialog.close();
  const form = h("form", {novalidate: true},
    h("h2", {id: "asked"}, title), [text].flat().map((part) => (part instanceof Node ? part : h("p", {}, part))),
    fields, h("p", {class: "wrong overall", role: "alert"}),
    h("div", {class: "actions"},
      h("button", {type: "button", onclick: close, autofocus: danger && !fields.length}, keep),
      h("button", {type: "submit", class: danger ? "danger" : "primary"}, action)));
  const dialog = h("dialog", {"aria-labelledby": "asked", onclose: () => dialog.remove()}, form);
  onSend(form, async (values, key) => {
    const sentence = await run(values, key);
    close();
    say(sentence);
  });
  document.body.append(dialog);
  dialog.showModal();
}
