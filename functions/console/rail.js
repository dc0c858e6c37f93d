// The six views, what waits in each, and whether all of it is heard from.

import {isOpen, signInNeeded, whoIsSignedIn} from "./auth.js";
import {deadLetters} from "./dead_letters.js";
import {h} from "./dom.js";
import {number, time} from "./format.js";
import {icon} from "./icons.js";
import {needsYou} from "./needs_you.js";
import {nowView} from "./now.js";
import {orders} from "./orders.js";
import {needing, onOverview} from "./overview.js";
import {proof} from "./proof.js";
import {stock} from "./stock.js";

export const VIEWS = [
  {path: "now", name: "Now", icon: "now", show: nowView},
  {path: "needs-you", name: "Needs you", icon: "needs", show: needsYou, count: needing},
  {path: "orders", name: "Orders", icon: "orders", show: orders},
  {path: "stock", name: "Stock", icon: "stock", show: stock},
  {path: "dead-letters", name: "Dead letters", icon: "letters", show: deadLetters, count: (figures) => figures?.dead_letters.kept ?? 0},
  {path: "proof", name: "Proof", icon: "proof", show: proof},
];

/** Draws it, and keeps its counts. */
export function drawRail(signal) {
  const counts = new Map();
  const links = VIEWS.map(({path, name, icon: drawing, count}, index) => {
    if (count) counts.set(count, h("span", {class: "count", hidden: true}));
    return h("li", {}, h("a", {href: `#/${path}`, "data-path": path, title: `${name} (key ${index + 1})`},
      icon(drawing), h("span", {class: "name"}, name), count && counts.get(count)));
  });
  const heard = h("p", {class: "heard"});
  document.getElementById("rail").replaceChildren(
    h("a", {class: "brand", href: "#/now"}, h("img", {src: "/console/icon.svg", alt: "", width: 28, height: 28}), h("span", {}, "OrderFlow")),
    h("nav", {"aria-label": "Views"}, h("ul", {}, links)),
    h("div", {class: "foot"}, heard, who(),
      h("p", {}, h("a", {href: "/docs"}, "The API"), " · ", h("button", {type: "button", class: "link", "data-keys": true}, "Keys"))),
  );
  onOverview(({figures, problem, at}) => {
    for (const [count, node] of counts) {
      const found = count(figures);
      node.hidden = !found;
      node.replaceChildren(number(found), h("span", {class: "unseen"}, " waiting"));
    }
    tellHeard(heard, problem, at);
  }, signal);
}

function tellHeard(node, problem, at) {
  const kind = problem ? (problem.isFinal ? "partly" : "lost") : at ? "live" : "waiting";
  if (node.dataset.kind === kind) return;
  node.dataset.kind = kind;
  const words = {live: ["Live"], waiting: ["Connecting …"], partly: ["No overview"], lost: ["No answer", at && [", last ", time(at)]]};
  node.replaceChildren(h("i", {class: "dot", "aria-hidden": "true"}), h("span", {}, ...words[kind].flat().filter(Boolean)));
}

function who() {
  if (isOpen()) return h("p", {class: "muted"}, "No sign-in on this machine");
  return h("p", {class: "who"}, h("span", {class: "muted"}, whoIsSignedIn() ?? "signed in"), " ",
    h("button", {type: "button", class: "link", onclick: signInNeeded}, "Sign out"));
}
