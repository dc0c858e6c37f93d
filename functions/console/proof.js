// Proof: the audit, which shows from the live database that every promise holds.

import {get, pathOf, send} from "./api.js";
import {h, redraw} from "./dom.js";
import {counted, number, span, time} from "./format.js";
import {icon} from "./icons.js";
import {live} from "./live.js";
import {badge, empty, facts, heading, pager, section, table} from "./parts.js";
import {linkTo} from "./router.js";

const TIMEOUT_MS = 300_000; // a million orders take half a minute
const LIMIT = 20;

export function proof({segments, query, signal}) {
  if (segments.length) return oneAudit(segments[0], signal);
  const outcome = h("div", {class: "outcome", role: "status"});
  const list = live((asked) => get("/audits", {limit: LIMIT, after: query.get("after")}, {signal: asked}), ({data, next}) => [
    data.length ? section("Former audits", null, auditTable(data), pager(query.has("after") && linkTo(["proof"]), next && linkTo(["proof"], {after: next}), data.length))
      : empty("No audit yet", "Run the first one: it reads beside writers and holds nobody up."),
  ], {signal});
  const button = h("button", {type: "button", class: "primary", onclick: () => run(button, outcome, list.again)}, "Run the audit");
  return h("div", {}, heading("Proof", {beside: [button], text: "That stock equals its ledger, reservations equal the confirmed orders, and nothing is oversold, done twice or without a deadline."}), outcome, list.node);
}

async function run(button, outcome, again) {
  const began = Date.now();
  const elapsed = h("span", {});
  button.disabled = true;
  outcome.replaceChildren(section("Under way", null, h("progress", {"aria-label": "The audit runs"}), h("p", {class: "muted"}, "Reading one snapshot of everything. ", elapsed)));
  const ticking = setInterval(() => { elapsed.textContent = span(Math.round((Date.now() - began) / 1000)); }, 1000);
  try {
    const {data} = await send("POST", "/audits", {}, {timeoutMs: TIMEOUT_MS, key: null});
    redraw(outcome, verdict(data));
  } catch (problem) {
    if (!("status" in problem)) throw problem;
    outcome.replaceChildren(h("p", {class: "banner", role: "alert"}, problem.sentence));
  } finally {
    clearInterval(ticking);
    button.disabled = false;
    again();
  }
}

function oneAudit(auditId, signal) {
  const part = live((asked) => get(pathOf("audits", auditId), {}, {signal: asked}), ({data}) => verdict(data), {signal, everyMs: 60_000});
  return h("div", {}, heading("Audit", {crumb: ["Proof", linkTo(["proof"])]}), part.node);
}

function auditTable(rows) {
  return table("Audits, newest first", [
    {title: "Audit", cell: (audit) => h("a", {class: "row", href: linkTo(["proof", String(audit.audit_id)]), "data-key": audit.audit_id}, time(audit.started_at))},
    {title: "Outcome", cell: (audit) => passed(audit)},
    {title: "Asked by", cell: (audit) => audit.asked_by},
    {title: "Took", numeric: true, cell: took},
  ], rows);
}

const took = ({started_at: from, finished_at: to}) => (to ? span((new Date(to) - new Date(from)) / 1000) : "—");
const passed = ({passed: good, differences}) => (good ? badge("good", "all proven", "fine") : badge("bad", counted(differences, "difference"), "rejected"));

/** An audit: its outcome, what was counted, and each check, those that failed first. */
function verdict(audit) {
  const checks = [...audit.checks].sort((one, other) => other.differences - one.differences);
  const others = Object.entries(audit.counted).filter(([name]) => !checks.some((check) => check.name === name));
  return [
    h("div", {class: `verdict ${audit.passed ? "good" : "bad"}`}, icon(audit.passed ? "proof" : "bad"), h("div", {},
      h("h2", {}, audit.passed ? "Everything is proven" : `${counted(audit.differences, "difference")} found`),
      h("p", {}, `${counted(checks.length, "check")} in ${took(audit)}, `, time(audit.finished_at), audit.asked_by && `, asked by ${audit.asked_by}`))),
    h("ul", {class: "checks card"}, checks.map((check) => oneCheck(check, audit.counted[check.name]))),
    others.length > 0 && section("What was counted", null, facts(others.map(([name, count]) => [name.replaceAll("_", " "), told(count)]))),
  ];
}

const told = (value) => (typeof value === "number" ? number(value) : typeof value === "object" ? JSON.stringify(value) : String(value));

function oneCheck({title, name, differences, examples, remedy, remark}, looked) {
  const good = differences === 0;
  return h("li", {class: good ? "good" : "bad", "data-check": name}, icon(good ? "good" : "bad"),
    h("span", {}, h("span", {class: "unseen"}, good ? "holds: " : "does not hold: "), title,
      remark && h("span", {class: "muted"}, ` · ${remark}`), !good && remedy && h("p", {class: "muted"}, remedy)),
    h("span", {class: "told"}, good ? (looked === undefined ? "holds" : `${number(looked)} looked at`) : counted(differences, "difference")),
    !good && h("details", {open: true}, h("summary", {}, `${number(examples.length)} of them`), exampleTable(examples)));
}

function exampleTable(examples) {
  const names = [...new Set(examples.flatMap((row) => Object.keys(row)))];
  return table("Rows that differ", names.map((name) => ({title: name.replaceAll("_", " "), cell: (row) => cellOf(name, row[name])})), examples);
}

function cellOf(name, value) {
  if (name === "order_id" && value) return h("a", {href: linkTo(["orders", String(value)])}, String(value));
  if (name === "item" && value) return h("a", {href: linkTo(["stock", String(value)])}, String(value));
  return value === null || value === undefined ? "—" : told(value);
}
