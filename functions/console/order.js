// One order: its life as a time line, why it waits, and what moves it.

import {get, pathOf, send} from "./api.js";
import {ask} from "./dialog.js";
import {h} from "./dom.js";
import {counted, number, span, time} from "./format.js";
import {icon} from "./icons.js";
import {live} from "./live.js";
import {badge, command, facts, heading, section, table} from "./parts.js";
import {linkTo} from "./router.js";

const MOVES = {pending: ["retry", "cancel"], confirmed: ["ship", "cancel"], backordered: ["cancel"]};

export function oneOrder(orderId, signal) {
  const part = live((asked) => get(pathOf("order", orderId), {}, {signal: asked}), ({data}) => draw(data, () => part.again()), {signal, everyMs: 2_000});
  return h("div", {}, heading(["Order ", h("span", {class: "id"}, orderId)], {crumb: ["Orders", linkTo(["orders"])]}), part.node);
}

function draw(order, again) {
  return [
    h("div", {class: "summary"}, badge(order.status),
      h("span", {class: "muted"}, "placed ", time(order.placed_at), ` by ${order.placed_by}`),
      h("div", {class: "actions"}, moveButtons(order, again))),
    order.waiting?.attention && h("p", {class: "asks block"}, icon("needs"), h("span", {}, h("strong", {}, "A person is asked: "), order.waiting.attention)),
    h("div", {class: "columns"},
      h("div", {}, section("Its life", null, timeLine(order))),
      h("div", {}, order.waiting && whyItWaits(order), whatItIs(order))),
  ];
}

/** Buttons that ask before they cancel or ship an order, or announce it again. */
export function moveButtons(order, again, {isShort = false} = {}) {
  return (MOVES[order.status] ?? []).map((move) => moveButton(move, order, again, isShort));
}

function moveButton(move, order, again, isShort) {
  const {word, short = word, kind, question} = ASKED[move];
  const run = async (_, key) => {
    const sentence = await question.run(order.order_id, key);
    again();
    return sentence;
  };
  const open = () => ask({title: question.title(order.order_id), text: question.text, action: word, danger: kind === "danger", run});
  return h("button", {type: "button", class: isShort && kind === "primary" ? "" : kind, onclick: open, "data-key": `${move}-${order.order_id}`}, isShort ? short : word);
}

const patched = (status, sentence) => async (orderId, key) => {
  await send("PATCH", pathOf("order", orderId), {status}, {key});
  return sentence(orderId);
};

const ASKED = {
  ship: {
    word: "Mark as shipped", short: "Ship", kind: "primary", question: {
      title: (id) => `Has ${id} left the house?`,
      text: "Its units leave the stock for good. A shipped order cannot be taken back.",
      run: patched("shipped", (id) => `Order ${id} is shipped.`),
    },
  },
  cancel: {
    word: "Cancel the order", short: "Cancel", kind: "danger", question: {
      title: (id) => `Cancel ${id}?`,
      text: "What is reserved for it goes to those who wait. A cancelled order stays cancelled.",
      run: patched("cancelled", (id) => `Order ${id} is cancelled.`),
    },
  },
  retry: {
    word: "Announce again", kind: "", question: {
      title: (id) => `Announce ${id} again?`,
      text: "Its event goes to Kafka once more, with fresh attempts. Nothing can happen twice by it.",
      run: async (id, key) => {
        await send("POST", pathOf("order", id, "retry"), {}, {key});
        return `Order ${id} is announced again.`;
      },
    },
  },
};

function timeLine({history, waiting}) {
  const steps = history.map((moved, index) => h("li", {class: moved.status},
    h("span", {class: "mark"}, icon(moved.status)),
    h("div", {}, h("strong", {}, moved.status), h("span", {class: "muted"}, " ", time(moved.at), index > 0 && ` · after ${elapsed(history[index - 1], moved)}`),
      h("p", {}, moved.cause, moved.by && h("span", {class: "muted"}, ` · ${moved.by}`)))));
  const next = waiting?.deadline && h("li", {class: "next"}, h("span", {class: "mark"}, icon("pending")),
    h("div", {}, h("strong", {}, "next"), h("span", {class: "muted"}, " ", time(waiting.deadline)), h("p", {}, waiting.at_deadline)));
  return h("ol", {class: "life"}, steps, next);
}

const elapsed = (before, after) => span(Math.max(0, (new Date(after.at) - new Date(before.at)) / 1000));

function whyItWaits({order_id: orderId, waiting}) {
  const short = waiting.items.length > 0 && table("Items it waits for", [
    {title: "Item", cell: (item) => h("a", {href: linkTo(["stock", item.item])}, item.item)},
    {title: "Needs", numeric: true, cell: (item) => number(item.needs)},
    {title: "Free", numeric: true, cell: (item) => number(item.available)},
    {title: "Short by", numeric: true, cell: (item) => (item.short_by ? h("b", {}, number(item.short_by)) : h("span", {class: "muted"}, "0"))},
    {title: "Ahead of it", numeric: true, cell: (item) => `${number(item.ahead)}${item.more_ahead ? "+" : ""}`},
  ], waiting.items);
  return section("Why it waits", null, h("p", {class: "lead"}, "It waits for ", waiting.for, "."), short,
    facts([
      waiting.attempts > 0 && ["Failed attempts", [counted(waiting.attempts, "attempt"), ", the last ", time(waiting.last_failed_at), `: ${waiting.last_error}`]],
      waiting.dead_letter && ["Dead letter", h("a", {href: linkTo(["dead-letters", String(waiting.dead_letter.id)])}, `${waiting.dead_letter.id}: ${waiting.dead_letter.error}`)],
      waiting.unsent && ["Not on Kafka yet", [waiting.unsent.type, ", since ", time(waiting.unsent.since)]],
      waiting.next_try && ["Next try", time(waiting.next_try)],
      ["Announced", counted(waiting.announcements, "time")],
    ]),
    waiting.unstick.length > 0 && h("details", {"data-key": `unstick-${orderId}`}, h("summary", {}, "What moves it, as commands"), waiting.unstick.map(command)));
}

function whatItIs(order) {
  return section("What it is", null, table("Lines", [
    {title: "Item", cell: (line) => h("a", {href: linkTo(["stock", line.item])}, line.item), wide: true},
    {title: "Quantity", numeric: true, cell: (line) => number(line.quantity)},
  ], order.lines), facts([
    ["When stock is short", order.on_shortage === "reject" ? "it is rejected" : "it waits"],
    order.hold_minutes && ["Holds its stock for", counted(order.hold_minutes, "minute")],
    ["Last moved", time(order.updated_at)],
  ]));
}
