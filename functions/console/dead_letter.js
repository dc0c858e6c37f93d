// One dead letter: why it failed, what is in it, and what became of it.

import {get, pathOf} from "./api.js";
import {about, letterState} from "./dead_letters.js";
import {h} from "./dom.js";
import {counted, time} from "./format.js";
import {live} from "./live.js";
import {facts, heading, section, table} from "./parts.js";
import {askDiscard, askRedrive} from "./redrives.js";
import {linkTo} from "./router.js";

export function oneLetter(letterId, signal) {
  const load = (asked) => get(pathOf("dead-letters", letterId), {}, {signal: asked});
  const part = live(load, ({data}) => draw(data, () => part.again()), {signal, everyMs: 3_000});
  return h("div", {}, heading(`Dead letter ${letterId}`, {crumb: ["Dead letters", linkTo(["dead-letters"])]}), part.node);
}

function draw(letter, again) {
  const selection = {ids: [letter.id]};
  const kept = ["kept", "redriven"].includes(letter.state);
  return [
    h("div", {class: "summary"}, letterState(letter.state), h("span", {class: "muted"}, "failed last ", time(letter.last_failed_at)),
      h("div", {class: "actions"}, kept && [
        letter.sendable && h("button", {type: "button", class: "primary", "data-key": "redrive", onclick: () => askRedrive(selection, `letter ${letter.id}`, again)}, "Send again"),
        h("button", {type: "button", class: "danger", "data-key": "discard", onclick: () => askDiscard(selection, `letter ${letter.id}`, again)}, "Discard"),
      ])),
    kept && !letter.sendable && h("p", {class: "muted"}, "It cannot be sent again: it is no event that one of the functions here takes."),
    h("div", {class: "columns"},
      h("div", {}, section("Why it failed", null, h("p", {class: "lead"}, h("b", {}, letter.error), `: ${letter.detail}`), facts([
        ["By", letter.consumer], ["About", about(letter)],
        ["Failed", [counted(letter.failures, "time"), ", first ", time(letter.first_failed_at)]],
        letter.topic && ["Where it lay", `${letter.topic}, partition ${letter.partition}, offset ${letter.offset}`],
        ["Answered", letter.error_code ?? "nothing"],
      ])), letter.redrives.length > 0 && became(letter.redrives)),
      h("div", {}, inside(letter))),
  ];
}

function became(redrives) {
  return section("What became of it", null, table("Redrives of this letter", [
    {title: "What", cell: (row) => (row.action === "redrive" ? "sent again" : "discarded")},
    {title: "By", cell: (row) => row.by},
    {title: "When", cell: (row) => time(row.sent_at ?? row.at)},
    {title: "Outcome", cell: (row) => (row.came_back_at ? ["came back ", time(row.came_back_at)] : row.error ?? (row.acknowledged_at ? "taken by Kafka" : "—"))},
  ], redrives));
}

function inside(letter) {
  const hasData = "data" in letter;
  const text = hasData ? (typeof letter.data === "string" ? letter.data : JSON.stringify(letter.data, null, 2)) : letter.data_base64;
  return section("What is in it", h("span", {class: "muted"}, counted(letter.data_bytes, "byte"), hasData ? "" : ", as Base64"),
    h("pre", {tabindex: "0", "aria-label": "Its data"}, text ?? ""),
    h("h3", {}, "Attributes"), facts(Object.entries(letter.attributes)));
}
