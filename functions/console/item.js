// One item: its figures, who waits for it, and its ledger.

import {get, pathOf} from "./api.js";
import {h} from "./dom.js";
import {counted, number, signed, time} from "./format.js";
import {icon} from "./icons.js";
import {live} from "./live.js";
import {empty, figure, heading, pager, section, table} from "./parts.js";
import {linkTo} from "./router.js";
import {shares} from "./stock.js";
import {askThreshold, changeButtons} from "./stock_change.js";

const LIMIT = 25;
const KINDS = {
  count: "counted", adjust: "adjusted", reserve: "reserved for an order", release: "freed by an order",
  ship: "shipped with an order", repair: "repaired",
};

export function oneItem(item, query, signal) {
  const load = (asked) => get(pathOf("inventory", item), {limit: LIMIT, after: query.get("after")}, {signal: asked});
  let threshold = null;
  const part = live(load, ({data, next}) => {
    threshold = data.threshold;
    return draw(data, next, query);
  }, {signal, everyMs: 2_000});
  const watch = h("button", {type: "button", onclick: () => askThreshold(item, threshold, () => part.again())}, "Threshold");
  const beside = [...changeButtons(item, () => part.again()), watch];
  return h("div", {}, heading(item, {crumb: ["Stock", linkTo(["stock"])], beside}), part.node);
}

function draw(found, next, query) {
  const {orders, units, more} = found.backordered;
  const waiting = `${number(orders)}${more ? "+" : ""}`;
  return [
    h("div", {class: "figures"},
      figure("On hand", number(found.on_hand), {note: ["counted ", time(found.counted_at)]}),
      figure("Reserved", number(found.reserved), {href: linkTo(["orders"], {item: found.item, status: "confirmed"})}),
      figure("Available", number(found.available), {
        kind: found.available < Math.max(found.threshold ?? 0, 1) ? "warn" : "",
        note: [found.threshold ? `low under ${number(found.threshold)} ` : "", shares(found)],
      }),
      figure("Orders that wait", waiting, {href: linkTo(["orders"], {item: found.item, status: "backordered"}), kind: orders ? "warn" : "", note: orders ? `for ${counted(units, "unit")}` : "nobody"})),
    found.short > 0 && h("p", {class: "asks block"}, icon("needs"), h("span", {}, h("strong", {}, "Less was counted than is promised: "), `${counted(found.short, "unit")} short.`)),
    found.refused_changes.length > 0 && refused(found.refused_changes),
    section("Ledger", h("span", {class: "muted"}, "newest first"), found.ledger.length ? ledger(found.ledger) : empty("No movement yet", "Counts, adjustments and orders show here."),
      pager(query.has("after") && linkTo(["stock", found.item]), next && linkTo(["stock", found.item], {after: next}), found.ledger.length)),
  ];
}

function refused(changes) {
  return section("Refused lately", null, h("p", {class: "muted"}, "Each would have brought on hand below zero. Count the item."), table("Refused changes", [
    {title: "Difference", numeric: true, cell: (change) => signed(change.adjust)},
    {title: "Reason", cell: (change) => change.reason ?? "none given"},
    {title: "When", cell: (change) => time(change.occurred_at)},
  ], changes));
}

function ledger(entries) {
  const moved = (value) => (value ? signed(value) : h("span", {class: "muted"}, "0"));
  return table("Ledger", [
    {title: "What", cell: (entry) => [KINDS[entry.kind] ?? entry.kind, entry.reason && h("span", {class: "muted"}, ` · ${entry.reason}`)]},
    {title: "On hand", numeric: true, cell: (entry) => moved(entry.on_hand_change)},
    {title: "Reserved", numeric: true, cell: (entry) => moved(entry.reserved_change)},
    {title: "Order", cell: (entry) => (entry.order_id ? h("a", {href: linkTo(["orders", entry.order_id])}, entry.order_id) : "—")},
    {title: "When", cell: (entry) => time(entry.recorded_at)},
  ], entries);
}
