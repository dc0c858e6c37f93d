// Makes nodes. Text is always text: nothing in this page parses HTML, so no name can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: `on…` are listeners, `false` and `null` leave an attribute or a child out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Puts other children into a node; by `data-key` what had the focus keeps it, and what was open is. */
export function redraw(node, ...children) {
  const open = [...node.querySelectorAll("details[open][data-key]")].map((details) => details.dataset.key);
  const active = node.contains(document.activeElement) ? document.activeElement : null;
  const key = active?.closest("[data-key]")?.dataset.key;
  node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const details of node.querySelectorAll("details[data-key]")) details.open ||= open.includes(details.dataset.key);
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({preventScroll: true});
}
