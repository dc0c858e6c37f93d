// Stock: what is on hand, reserved and available, item by item.

import {get} from "./api.js";
import {h, s} from "./dom.js";
import {number} from "./format.js";
import {icon} from "./icons.js";
import {oneItem} from "./item.js";
import {live} from "./live.js";
import {badge, empty, heading, pager, table} from "./parts.js";
import {go, linkTo} from "./router.js";
import {changeButtons} from "./stock_change.js";

const LIMIT = 50;

export function stock({segments, query, signal}) {
  if (segments.length) return oneItem(segments[0], query, signal);
  const load = (asked) => get("/inventory", {limit: LIMIT, after: query.get("after")}, {signal: asked});
  const list = live(load, ({data, next}) => [
    data.length ? stockTable(data) : empty("Nothing in stock", "Count a first item, and orders for it find their units."),
    pager(query.has("after") && linkTo(["stock"]), next && linkTo(["stock"], {after: next}), data.length),
  ], {signal});
  return h("div", {}, heading("Stock", {beside: [find(), ...changeButtons(null, () => list.again())]}), list.node);
}

function stockTable(rows) {
  return table("Items by name", [
    {title: "Item", cell: ({item}) => h("a", {class: "row", href: linkTo(["stock", item]), "data-key": item}, item), wide: true},
    {title: "On hand", numeric: true, cell: (row) => number(row.on_hand)},
    {title: "Reserved", numeric: true, cell: (row) => number(row.reserved)},
    {title: "Available", numeric: true, cell: (row) => h("b", {}, number(row.available))},
    {title: "Of what is on hand", cell: shares},
    {title: "State", cell: state},
  ], rows, {keyOf: ({item}) => item});
}

function state({available, short, threshold}) {
  if (short) return badge("rejected", `${number(short)} short`);
  if (available && available < (threshold ?? 0)) return badge("needs", "low", "backordered");
  return available ? badge("confirmed", "in stock", "fine") : badge("backordered", "none free");
}

/** How much of what is on hand is reserved, as a bar; the numbers stand beside it. */
export function shares({on_hand: onHand, reserved}) {
  const all = Math.max(onHand, reserved, 1);
  return s("svg", {class: "shares", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true"},
    s("rect", {class: "all", width: 100, height: 8}),
    s("rect", {class: "available", width: (onHand / all) * 100, height: 8}),
    s("rect", {class: "reserved", width: (Math.min(reserved, onHand) / all) * 100, height: 8}));
}

function find() {
  const lead = (event) => {
    event.preventDefault();
    const item = event.target.elements.find.value.trim();
    if (item) go(["stock", item]);
  };
  return h("form", {class: "find", role: "search", onsubmit: lead}, icon("search"),
    h("input", {name: "find", type: "search", placeholder: "Item", "aria-label": "Go to an item by its name", autocomplete: "off"}));
}
