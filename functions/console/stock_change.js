// Counts and adjustments of stock: told, and followed until they are applied.

import {get, pathOf, Problem, send} from "./api.js";
import {ask, field} from "./dialog.js";
import {h} from "./dom.js";
import {number, signed} from "./format.js";

const FOLLOWED_MS = 15_000; // by then a change that Kafka lost is announced again
const LOOK_MS = 300;

/** Buttons that open a form for an item; null: it asks for which one. */
export function changeButtons(item, again) {
  return [
    h("button", {type: "button", "data-key": `count-${item}`, onclick: () => askCount(item, again)}, "Count"),
    h("button", {type: "button", "data-key": `adjust-${item}`, onclick: () => askAdjustment(item, {again})}, "Adjust"),
  ];
}

const itemField = (item) => (item === null ? [field({name: "item", label: "Item", required: true, autofocus: true})] : []);
const reasonField = () => field({name: "reason", label: "Reason", hint: "Kept in the ledger, if you give one."});

export function askCount(item, again = () => {}) {
  ask({
    title: item === null ? "Count an item" : `Count ${item}`,
    text: "How many are on the shelf, those reserved for orders included.",
    fields: [...itemField(item), field({name: "stock", label: "On hand", type: "number", min: 0, inputmode: "numeric", required: true, autofocus: item !== null}), reasonField()],
    action: "Save the count",
    run: (values, key) => told({item, ...values}, key, again),
  });
}

/** `units` is what the form suggests. */
export function askAdjustment(item, {again = () => {}, units} = {}) {
  ask({
    title: item === null ? "Adjust an item" : `Adjust ${item}`,
    text: "What came, or with a minus what went: a delivery, or damaged goods.",
    fields: [...itemField(item), field({name: "adjust", label: "Difference", type: "number", value: units, inputmode: "numeric", required: true, autofocus: item !== null}), reasonField()],
    action: "Save the difference",
    run: (values, key) => told({item, ...values}, key, again),
  });
}

/** Below how many available units a person wants to know. */
export function askThreshold(item, threshold, again = () => {}) {
  ask({
    title: `When does ${item} run low?`,
    text: "With fewer units available it shows under Needs you. 0: never.",
    fields: [field({name: "threshold", label: "Threshold", type: "number", value: threshold, min: 0, inputmode: "numeric", required: true, autofocus: true})],
    action: "Save the threshold",
    run: (values, key) => told({item, ...values}, key, again),
  });
}

async function told(change, key, again) {
  const {data} = await send("POST", "/inventory", change, {key});
  const became = await followed(data.change_id);
  again();
  if (became.status === "refused") throw new Problem(409, {detail: became.why ?? "the change was refused"});
  const what = change.threshold !== undefined ? `the threshold ${number(change.threshold)}` : became.stock === null ? signed(became.adjust) : number(became.stock);
  if (became.status === "applied") return `${became.item}: ${what} is applied.`;
  if (became.status === "superseded") return `${became.item}: a later count stands, so ${what} changed nothing.`;
  return `${became.item}: ${what} is stored, and will be applied as soon as Kafka brings it.`;
}

async function followed(changeId) {
  const until = Date.now() + FOLLOWED_MS;
  for (;;) {
    const {data} = await get(pathOf("inventory", "changes", changeId));
    if (data.status !== "pending" || Date.now() > until) return data;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
