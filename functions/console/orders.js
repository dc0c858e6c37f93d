// Orders: a list to filter, page by page, and one order.

import {get} from "./api.js";
import {field, valuesOf} from "./dialog.js";
import {h} from "./dom.js";
import {number, time} from "./format.js";
import {icon} from "./icons.js";
import {live} from "./live.js";
import {oneOrder} from "./order.js";
import {badge, empty, heading, pager, table} from "./parts.js";
import {go, linkTo} from "./router.js";

const LIMIT = 25; // rows: a screen or two
const STATUSES = ["pending", "confirmed", "backordered", "rejected", "cancelled", "shipped"];
const FILTERS = ["status", "item", "placed_after", "placed_before", "attention"];

export function orders({segments, query, signal}) {
  if (segments.length) return oneOrder(segments[0], signal);
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]).filter(([, value]) => value));
  const load = (asked) => get("/orders", {limit: LIMIT, after: query.get("after"), ...filter}, {signal: asked});
  const list = live(load, ({data, next}) => [
    data.length ? orderTable(data, "Orders, newest first") : nothing(filter),
    pager(query.has("after") && linkTo(["orders"], filter), next && linkTo(["orders"], {...filter, after: next}), data.length),
  ], {signal});
  return h("div", {}, heading("Orders", {beside: find()}), filterForm(filter), list.node);
}

/** A table of orders; each leads to its own page. */
export function orderTable(rows, caption, more = []) {
  return table(caption, [
    {title: "Order", cell: (order) => h("a", {class: "row", href: linkTo(["orders", order.order_id]), "data-key": order.order_id}, order.order_id), wide: true},
    {title: "Items", cell: lines, wide: true},
    {title: "Status", cell: (order) => [badge(order.status), order.attention && h("span", {class: "asks"}, icon("needs"), h("span", {}, order.attention))]},
    {title: "Placed", cell: (order) => time(order.placed_at)},
    {title: "Last moved", cell: (order) => time(order.updated_at)},
    ...more,
  ], rows, {keyOf: (order) => order.order_id});
}

function lines({lines: [first, ...others]}) {
  return [`${first.item} × ${number(first.quantity)}`, others.length > 0 && h("span", {class: "muted"}, ` and ${number(others.length)} more`)];
}

function nothing(filter) {
  if (Object.keys(filter).length === 0) return empty("No orders yet", "What is placed with POST /order shows here within seconds.");
  return empty("No order is like that", "No order matches every part of the filter.", h("a", {class: "button", href: linkTo(["orders"])}, "Show all orders"));
}

/** A field that leads straight to the order whose id is given. */
function find() {
  const lead = (event) => {
    event.preventDefault();
    const order_id = event.target.elements.find.value.trim();
    if (order_id) go(["orders", order_id]);
  };
  return h("form", {class: "find", role: "search", onsubmit: lead}, icon("search"),
    h("input", {name: "find", type: "search", placeholder: "Order id", "aria-label": "Go to an order by its id", autocomplete: "off"}));
}

const toLocal = (at) => {
  if (!at) return "";
  const date = new Date(at);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

function filterForm(filter) {
  const apply = (event) => {
    event.preventDefault();
    const given = valuesOf(event.currentTarget);
    for (const name of ["placed_after", "placed_before"]) {
      if (given[name]) given[name] = new Date(given[name]).toISOString();
    }
    go(["orders"], given);
  };
  return h("form", {class: "filter", "aria-label": "Filter", onsubmit: apply, onchange: apply},
    field({name: "status", label: "Status", value: filter.status, options: [["", "any"], ...STATUSES.map((status) => [status, status])]}),
    field({name: "item", label: "Item", value: filter.item, type: "search", placeholder: "exact name"}),
    field({name: "placed_after", label: "Placed after", value: toLocal(filter.placed_after), type: "datetime-local"}),
    field({name: "placed_before", label: "Placed before", value: toLocal(filter.placed_before), type: "datetime-local"}),
    field({name: "attention", label: "Needs a person", value: filter.attention, options: [["", "all"], ["true", "only these"]]}),
    Object.keys(filter).length > 0 && h("div", {class: "field"}, h("a", {class: "button", href: linkTo(["orders"])}, "Clear")));
}
