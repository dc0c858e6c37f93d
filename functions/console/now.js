// Now: how much comes in, how fast it gets its stock, and whether the parts keep up.

import {latencyChart, shareBar, throughputChart} from "./charts.js";
import {h, redraw} from "./dom.js";
import {counted, milliseconds, minuteOf, number, span, time} from "./format.js";
import {icon} from "./icons.js";
import {clearProblem, tellProblem} from "./live.js";
import {latencies, needing, onOverview, refreshOverview} from "./overview.js";
import {badge, figure, heading, section, skeleton, table} from "./parts.js";
import {linkTo} from "./router.js";

const SLOW_S = 60; // since the last sweep, which comes every 10 s
const LATE_S = 15; // of a pending order or an unsent event

export function nowView({signal}) {
  const throughput = throughputChart();
  const latency = latencyChart();
  const parts = {figures: h("div", {class: "figures"}), attention: h("div"), statuses: h("div"), flow: h("div"), numbers: h("div"), levels: h("p", {class: "legend"})};
  const body = h("div", {class: "now", hidden: true}, parts.attention, parts.figures,
    section("Orders a minute", legend(), throughput.node, h("details", {}, h("summary", {}, "As numbers"), parts.numbers)),
    h("div", {class: "columns even"},
      section("From accepted to allocated", h("span", {class: "muted"}, "of the last 5 minutes"), latency.node, parts.levels),
      section("Does everything keep up?", null, parts.flow)),
    section("Orders by status", null, parts.statuses));
  const waiting = skeleton(10);
  const banner = h("div", {class: "banner", hidden: true});
  const drawn = new Map();
  const draw = (node, make, told) => {
    const text = JSON.stringify(told);
    if (drawn.get(node) !== text) redraw(node, make(told));
    drawn.set(node, text);
  };
  onOverview(({figures, problem, at}) => {
    if (problem) tellProblem(banner, problem, at, refreshOverview);
    else clearProblem(banner);
    waiting.hidden = Boolean(figures || problem);
    body.hidden = !figures;
    body.classList.toggle("old", Boolean(problem));
    if (!figures) return;
    draw(parts.figures, heroes, figures);
    draw(parts.attention, needs, needing(figures));
    draw(parts.statuses, statuses, figures.orders);
    draw(parts.flow, flow, figures);
    draw(parts.numbers, minutes, figures.per_minute);
    draw(parts.levels, levels, figures.allocation_ms);
    throughput.update(figures.per_minute);
    if (latencies.length) latency.update(latencies);
    latency.node.hidden = !latencies.length;
  }, signal);
  return h("div", {}, heading("Now"), banner, waiting, body);
}

function heroes({per_minute: minutes, allocation_ms: latency, oldest_pending: oldest, orders}) {
  const last = minutes[minutes.length - 2] ?? minutes[minutes.length - 1];
  const hour = (kind) => `${number(minutes.reduce((sum, minute) => sum + minute[kind], 0))} in the last hour`;
  return [
    figure("Accepted a minute", number(last.accepted), {note: hour("accepted")}),
    figure("Allocated a minute", number(last.allocated), {note: hour("allocated")}),
    figure("Median wait", latency ? milliseconds(latency.p50) : "—", {note: latency ? `99 of 100 within ${milliseconds(latency.p99)}` : "none in the last 5 minutes"}),
    figure("Oldest pending", oldest ? (oldest.age_s < 1 ? "under 1 s" : span(oldest.age_s)) : "none", {
      href: oldest ? linkTo(["orders", oldest.order_id]) : null, kind: oldest && oldest.age_s > LATE_S ? "warn" : "",
      note: `${number(orders.pending)} pending`,
    }),
  ];
}

function needs(count) {
  if (!count) return h("p", {class: "all-well"}, icon("good"), h("span", {}, h("strong", {}, "All is well. "), "Nothing waits for a person."));
  return h("a", {class: "asks block", href: "#/needs-you", "data-key": "needs"}, icon("needs"), h("span", {}, h("strong", {}, `${counted(count, "thing")} `), count === 1 ? "needs you." : "need you."), icon("next"));
}

const legend = () => h("p", {class: "legend"}, h("span", {class: "key bar"}, "accepted"), h("span", {class: "key allocated"}, "allocated"));

function levels(latency) {
  if (!latency) return "No order was allocated in the last 5 minutes.";
  return [["p50", latency.p50], ["p95", latency.p95], ["p99", latency.p99]].map(([level, value]) =>
    h("span", {class: `key ${level}`}, `${level} `, h("b", {}, milliseconds(value))));
}

function statuses(orders) {
  const parts = Object.entries(orders);
  return [shareBar(parts), h("ul", {class: "statuses"}, parts.map(([status, count]) =>
    h("li", {}, h("a", {href: linkTo(["orders"], {status}), "data-key": `status-${status}`}, badge(status), h("b", {}, number(count))))))];
}

function flow({outbox, consumer_lag: lags, last_sweep: sweep, last_audit: audit, dead_letters: letters}) {
  const rows = [
    check("Outbox, on its way to Kafka", (outbox.oldest_s ?? 0) < LATE_S, outbox.waiting ? `${number(outbox.waiting)}, for ${span(outbox.oldest_s ?? 0)}` : "empty"),
    ...(lags ? lags.map(({group, topic, lag}) => check(`${group.replace(/^orderflow-/, "")} on ${topic}`, lag < 1000, lag ? `${counted(lag, "event")} behind` : "up to date")) : [check("Kafka", false, "did not answer in time")]),
    check("Sweep, every 10 s", sweep !== null && sweep.age_s < SLOW_S, sweep ? ["last ", time(sweep.at)] : "not seen yet"),
    check("Dead letters", letters.kept === 0, h("a", {href: "#/dead-letters", "data-key": "letters"}, letters.kept ? `${number(letters.kept)} kept` : "none"), letters.redriving ? `, ${number(letters.redriving)} on their way` : ""),
    check("Audit", audit ? audit.passed : null, h("a", {href: "#/proof", "data-key": "audit"}, audit ? (audit.passed ? "all proven " : counted(audit.differences, "difference")) : "not run yet"), audit ? [" ", time(audit.at)] : ""),
  ];
  return h("ul", {class: "checks"}, rows);
}

function check(name, isGood, ...told) {
  const [kind, word] = isGood === null ? ["unknown", "not known"] : isGood ? ["good", "well"] : ["bad", "look at it"];
  return h("li", {class: kind}, icon(isGood === null ? "pending" : kind), h("span", {class: "unseen"}, word, ": "), h("span", {}, name), h("span", {class: "told"}, told));
}

function minutes(rows) {
  return table("Orders a minute", [
    {title: "Minute", cell: ({minute}) => minuteOf(minute)},
    {title: "Accepted", numeric: true, cell: ({accepted}) => number(accepted)},
    {title: "Allocated", numeric: true, cell: ({allocated}) => number(allocated)},
  ], [...rows].reverse());
}
