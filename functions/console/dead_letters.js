// Dead letters: what could not be processed, to look at, send again or discard.

import {get} from "./api.js";
import {oneLetter} from "./dead_letter.js";
import {field, valuesOf} from "./dialog.js";
import {h} from "./dom.js";
import {number, time} from "./format.js";
import {live} from "./live.js";
import {badge, empty, heading, pager, table} from "./parts.js";
import {askDiscard, askRedrive, redrives} from "./redrives.js";
import {go, linkTo} from "./router.js";

const LIMIT = 25;
const STATES = {kept: "kept", redriving: "on its way", redriven: "sent again", settled: "settled", discarded: "discarded"};
const ICONS = {kept: "bad", redriving: "pending", redriven: "next", settled: "good", discarded: "cancelled"};
const FILTERS = ["state", "error", "type", "consumer", "order_id", "item"];

export const letterState = (state) => badge(ICONS[state], STATES[state], `letter-${state}`);

export function deadLetters({segments, query, signal}) {
  if (segments[0] === "redrives") return redrives(query, signal);
  if (segments.length) return oneLetter(segments[0], signal);
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]).filter(([, value]) => value));
  const chosen = new Set();
  const bar = h("div", {class: "choices", role: "group", "aria-label": "What to do"});
  const load = (asked) => get("/dead-letters", {limit: LIMIT, after: query.get("after"), ...filter}, {signal: asked});
  const tell = () => drawBar(bar, chosen, filter, () => { chosen.clear(); list.again(); tell(); });
  const list = live(load, ({data, next}) => {
    for (const id of chosen) if (!data.some((letter) => letter.id === id)) chosen.delete(id);
    tell();
    return [
      data.length ? [bar, letterTable(data, chosen, tell)] : nothing(filter),
      pager(query.has("after") && linkTo(["dead-letters"], filter), next && linkTo(["dead-letters"], {...filter, after: next}), data.length),
    ];
  }, {signal});
  const record = h("a", {class: "button", href: linkTo(["dead-letters", "redrives"])}, "Record of redrives");
  return h("div", {}, heading("Dead letters", {beside: [record]}), filterForm(filter), list.node);
}

function drawBar(bar, chosen, filter, done) {
  const ids = [...chosen];
  const selection = ids.length ? {ids} : Object.keys(filter).length ? {filter: {...filter}} : {all: true};
  const what = ids.length ? `${number(ids.length)} chosen` : Object.keys(filter).length ? "all that match" : "all that are kept";
  const fits = ids.length || ["kept", "redriven", undefined].includes(filter.state);
  bar.replaceChildren(h("span", {class: "muted"}, ids.length ? what : "Choose some, or take"),
    h("button", {type: "button", class: "primary", disabled: !fits, "data-key": "redrive", onclick: () => askRedrive(selection, what, done)}, ids.length ? "Send again" : `Send ${what} again`),
    h("button", {type: "button", class: "danger", disabled: !fits, "data-key": "discard", onclick: () => askDiscard(selection, what, done)}, ids.length ? "Discard" : `Discard ${what}`));
}

function letterTable(rows, chosen, tell) {
  const choose = (letter) => h("input", {
    type: "checkbox", checked: chosen.has(letter.id), "aria-label": `Choose letter ${letter.id}`, "data-key": `choose-${letter.id}`,
    onchange: (event) => { chosen[event.target.checked ? "add" : "delete"](letter.id); tell(); },
  });
  return table("Dead letters, what failed last first", [
    {title: "Choose", cell: choose},
    {title: "Letter", cell: (letter) => h("a", {class: "row", href: linkTo(["dead-letters", String(letter.id)]), "data-key": `letter-${letter.id}`}, `${letter.id}`)},
    {title: "Error", cell: (letter) => [h("b", {}, letter.error), h("span", {class: "muted clip"}, letter.detail)], wide: true},
    {title: "About", cell: about},
    {title: "State", cell: (letter) => letterState(letter.state)},
    {title: "Failed", cell: (letter) => [`${number(letter.failures)} ×, `, time(letter.last_failed_at)]},
  ], rows, {keyOf: (letter) => letter.id});
}

/** What a letter is about: its order or its item, and the type of its event. */
export function about({order_id: orderId, item, type}) {
  return [
    orderId ? h("a", {href: linkTo(["orders", orderId])}, orderId) : item ? h("a", {href: linkTo(["stock", item])}, item) : "—",
    h("span", {class: "muted clip"}, type),
  ];
}

function nothing(filter) {
  if (Object.keys(filter).length === 0) return empty("No dead letters", "Every event found its function, and every function took it.");
  return empty("No letter is like that", "No letter matches every part of the filter.", h("a", {class: "button", href: linkTo(["dead-letters"])}, "Show what is kept"));
}

function filterForm(filter) {
  const apply = (event) => {
    event.preventDefault();
    go(["dead-letters"], valuesOf(event.currentTarget));
  };
  return h("form", {class: "filter", "aria-label": "Filter", onsubmit: apply, onchange: apply},
    field({name: "state", label: "State", value: filter.state, options: [["", "kept"], ...Object.entries(STATES).filter(([state]) => state !== "kept")]}),
    field({name: "error", label: "Error", value: filter.error, type: "search", placeholder: "invalid-input"}),
    field({name: "consumer", label: "Function", value: filter.consumer, type: "search", placeholder: "process-order"}),
    field({name: "order_id", label: "Order", value: filter.order_id, type: "search"}),
    field({name: "item", label: "Item", value: filter.item, type: "search"}),
    field({name: "type", label: "Type of event", value: filter.type, type: "search"}),
    Object.keys(filter).length > 0 && h("div", {class: "field"}, h("a", {class: "button", href: linkTo(["dead-letters"])}, "Clear")));
}
