// Needs you: everything that no function can settle by itself, each with the button that does.

import {get} from "./api.js";
import {h} from "./dom.js";
import {counted, number, signed, time} from "./format.js";
import {live} from "./live.js";
import {moveButtons} from "./order.js";
import {badge, empty, heading, section, table} from "./parts.js";
import {askDiscard, askRedrive, dryRun} from "./redrives.js";
import {linkTo} from "./router.js";
import {askAdjustment, askCount} from "./stock_change.js";

const SHOWN = 10; // of each kind; the lists have the rest

export function needsYou({signal}) {
  const part = live(load, (found) => draw(found, () => part.again()), {signal});
  return h("div", {}, heading("Needs you", {text: "What waits for a person. The rest settles itself."}), part.node);
}

/** Everything at once; what the token does not open is named instead. Fails if nothing answers. */
async function load(signal) {
  const asked = {
    overview: get("/overview", {}, {signal}),
    orders: get("/orders", {attention: "true", limit: SHOWN}, {signal}),
    changes: get("/inventory/changes", {outcome: "refused", limit: SHOWN}, {signal}),
    letters: get("/dead-letters", {limit: 1}, {signal}),
  };
  const settled = await Promise.allSettled(Object.values(asked));
  const lost = settled.find(({status, reason}) => status === "rejected" && !(reason.status === 403));
  if (lost) throw lost.reason;
  const found = Object.fromEntries(Object.keys(asked).map((name, index) => [name, settled[index].value?.data ?? null]));
  const scopes = [...new Set(settled.map(({reason}) => reason?.scope).filter(Boolean))];
  const kinds = found.letters?.length ? (await dryRun({all: true})).kinds : [];
  return {...found, scopes, kinds};
}

function draw({overview, orders, changes, kinds, scopes}, again) {
  const audit = overview?.last_audit;
  const parts = [
    audit && !audit.passed && failedAudit(audit),
    orders?.length > 0 && askingOrders(orders, overview, again),
    kinds.length > 0 && letterKinds(kinds, again),
    overview?.short_items.count > 0 && shortItems(overview.short_items, again),
    overview?.low_items.count > 0 && lowItems(overview.low_items, again),
    changes?.length > 0 && refusedChanges(changes, again),
  ].filter(Boolean);
  const lacking = scopes.length > 0 && h("p", {class: "banner final"}, `Not all can be seen: your token lacks ${scopes.join(" and ")}.`);
  if (parts.length) return [lacking, ...parts];
  return [lacking, empty("Nothing needs you", "No order asks for a person, no item is short, no event has failed.",
    h("a", {class: "button", href: "#/now"}, "See what goes on"))];
}

const more = (count, link) => (count > SHOWN ? h("a", {href: link}, `all ${number(count)}`) : null);

function failedAudit({differences, at}) {
  return section("The audit found differences", h("a", {class: "button", href: "#/proof"}, "Look at them"),
    h("p", {}, counted(differences, "difference"), " between what is stored and what must be, ", time(at), "."));
}

function askingOrders(orders, overview, again) {
  const all = overview?.attention.orders ?? orders.length;
  return section("Orders that ask for a person", more(all, linkTo(["orders"], {attention: "true"})), table("Orders that ask for a person", [
    {title: "Order", cell: (order) => h("a", {class: "row", href: linkTo(["orders", order.order_id]), "data-key": order.order_id}, order.order_id), wide: true},
    {title: "Status", cell: (order) => badge(order.status)},
    {title: "Why", cell: (order) => order.attention, wide: true},
    {title: "Placed", cell: (order) => time(order.placed_at)},
    {title: "Do", act: true, cell: (order) => h("div", {class: "actions"}, moveButtons(order, again, {isShort: true}))},
  ], orders));
}

function letterKinds(kinds, again) {
  return section("Dead letters, by error", h("a", {href: "#/dead-letters"}, "all of them"), table("Dead letters by error", [
    {title: "Error", cell: ({error, type}) => [h("a", {class: "row", href: linkTo(["dead-letters"], {error, type}), "data-key": `${error}-${type}`}, error), h("span", {class: "muted clip"}, type)], wide: true},
    {title: "Letters", numeric: true, cell: ({letters}) => h("b", {}, number(letters))},
    {title: "Do", act: true, cell: ({error, type, letters}) => h("div", {class: "actions"},
      h("button", {type: "button", "data-key": `redrive-${error}-${type}`, onclick: () => askRedrive({filter: {error, type}}, counted(letters, "letter"), again)}, "Send again"),
      h("button", {type: "button", class: "danger", "data-key": `discard-${error}-${type}`, onclick: () => askDiscard({filter: {error, type}}, counted(letters, "letter"), again)}, "Discard"))},
  ], kinds.slice(0, SHOWN)));
}

const itemLink = ({item}) => h("a", {class: "row", href: linkTo(["stock", item]), "data-key": item}, item);

function shortItems({count, items}, again) {
  return section("Items that orders wait for", h("span", {class: "muted"}, counted(count, "item")), table("Items that orders wait for", [
    {title: "Item", cell: itemLink, wide: true},
    {title: "Available", numeric: true, cell: ({available}) => number(available)},
    {title: "Orders", numeric: true, cell: ({item, orders}) => h("a", {href: linkTo(["orders"], {item, status: "backordered"})}, number(orders))},
    {title: "Units wanted", numeric: true, cell: ({units}) => h("b", {}, number(units))},
    {title: "Do", act: true, cell: ({item, available, units}) => h("button", {type: "button", "data-key": `add-${item}`, onclick: () => askAdjustment(item, {again, units: Math.max(units - available, 1)})}, "Add units")},
  ], items.slice(0, SHOWN)));
}

function lowItems({count, items}, again) {
  return section("Items that run low", h("span", {class: "muted"}, counted(count, "item")), table("Items that run low", [
    {title: "Item", cell: itemLink, wide: true},
    {title: "Available", numeric: true, cell: ({available}) => h("b", {}, number(available))},
    {title: "Threshold", numeric: true, cell: ({threshold}) => number(threshold)},
    {title: "Do", act: true, cell: ({item}) => h("button", {type: "button", "data-key": `low-${item}`, onclick: () => askAdjustment(item, {again})}, "Add units")},
  ], items.slice(0, SHOWN)));
}

function refusedChanges(changes, again) {
  return section("Changes of stock that were refused", null, table("Refused changes", [
    {title: "Item", cell: itemLink, wide: true},
    {title: "Difference", numeric: true, cell: ({adjust}) => signed(adjust ?? 0)},
    {title: "Why", cell: ({why, reason}) => [why ?? "it would bring on hand below zero", reason && h("span", {class: "muted"}, ` · ${reason}`)], wide: true},
    {title: "When", cell: (change) => time(change.occurred_at)},
    {title: "Do", act: true, cell: ({item, change_id: id}) => h("button", {type: "button", "data-key": `count-${id}`, onclick: () => askCount(item, again)}, "Count it")},
  ], changes));
}
