// Sending dead letters again or discarding them, after a dry run; and the record of both.

import {get, send} from "./api.js";
import {isOpen} from "./auth.js";
import {ask, field} from "./dialog.js";
import {h} from "./dom.js";
import {counted, number, time} from "./format.js";
import {live} from "./live.js";
import {badge, empty, heading, pager, table} from "./parts.js";
import {linkTo} from "./router.js";

const ASKER = "orderflow.asker"; // the name that was given last, where no token says it
const asker = () => sessionStorage.getItem(ASKER) ?? "console";

/** What a redrive of this selection would do; it changes nothing. */
export async function dryRun(selection, path = "/dead-letters/redrive", options = {}) {
  const by = isOpen() ? {by: asker()} : {};
  return (await send("POST", path, {...selection, ...by, dry_run: true}, {key: null, ...options})).data;
}

/** Who asks: the token says so where there is one. */
const byField = () => (isOpen() ? [field({name: "by", label: "Who asks", value: asker(), required: true, hint: "Goes into the record."})] : []);

export function askRedrive(selection, what, done) {
  const rate = field({name: "rate_per_s", label: "Letters a second", type: "number", value: 50, min: 1, max: 1000, hint: "A trickle: what failed may fail again."});
  askAfterDryRun("/dead-letters/redrive", selection, {
    title: `Send ${what} again?`, action: "Send again", fields: [rate, ...byField()], done,
    said: (answer) => `${counted(answer.matched, "letter")} will be sent again${answer.more ? "; there are more: ask again" : ""}.`,
  });
}

export function askDiscard(selection, what, done) {
  askAfterDryRun("/dead-letters/discard", selection, {
    title: `Discard ${what}?`, action: "Discard", danger: true, fields: byField(), done,
    said: (answer) => `${counted(answer.matched, "letter")} discarded${answer.more ? "; there are more: ask again" : ""}.`,
  });
}

function askAfterDryRun(path, selection, {title, action, danger, fields, done, said}) {
  const told = h("div", {class: "dry-run", role: "status"}, h("p", {class: "muted"}, "Looking what that would be …"));
  dryRun(selection, path).then((answer) => told.replaceChildren(...outcome(answer)), (problem) => told.replaceChildren(h("p", {class: "wrong"}, problem.sentence)));
  const run = async (values, key) => {
    if (values.by) sessionStorage.setItem(ASKER, values.by);
    const {data} = await send("POST", path, {...selection, ...values}, {key});
    done();
    return said(data);
  };
  ask({title, text: told, fields, action, danger, run});
}

function outcome({matched, skipped, cannot_be_sent: unsendable, more, kinds = []}) {
  return [
    h("p", {}, h("b", {}, `${number(matched)}${more ? "+" : ""}`), matched === 1 ? " letter matches." : " letters match.",
      skipped > 0 && ` ${number(skipped)} were sent or discarded before.`, unsendable > 0 && ` ${number(unsendable)} cannot be sent.`),
    h("ul", {}, kinds.slice(0, 8).map(({letters, error, type}) => h("li", {}, h("b", {}, number(letters)), ` × ${error} `, h("span", {class: "muted"}, type)))),
  ];
}

/** The record: who had what sent again or discarded, and what came of it. */
export function redrives(query, signal) {
  const load = (asked) => get("/dead-letters/redrives", {limit: 25, after: query.get("after")}, {signal: asked});
  const list = live(load, ({data, next}) => [
    data.length ? recordTable(data) : empty("No redrives yet", "Who sends letters again or discards them is recorded here."),
    pager(query.has("after") && linkTo(["dead-letters", "redrives"]), next && linkTo(["dead-letters", "redrives"], {after: next}), data.length),
  ], {signal});
  return h("div", {}, heading("Record of redrives", {crumb: ["Dead letters", linkTo(["dead-letters"])]}), list.node);
}

function recordTable(rows) {
  return table("Redrives, newest first", [
    {title: "No.", cell: (row) => String(row.id)},
    {title: "What", cell: (row) => (row.action === "redrive" ? badge("next", "sent again", "letter-redriven") : badge("cancelled", "discarded", "letter-discarded"))},
    {title: "By", cell: (row) => row.by},
    {title: "When", cell: (row) => time(row.at)},
    {title: "Which", cell: (row) => h("code", {class: "clip"}, JSON.stringify(row.selection)), wide: true},
    {title: "Matched", numeric: true, cell: (row) => number(row.matched)},
    {title: "Sent", numeric: true, cell: (row) => number(row.sent)},
    {title: "Waiting", numeric: true, cell: (row) => number(row.waiting)},
    {title: "Came back", numeric: true, cell: (row) => number(row.came_back)},
  ], rows, {keyOf: (row) => row.id});
}
