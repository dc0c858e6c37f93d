// Charts, drawn as SVG in real pixels: they follow the width of their place.

import {h, s} from "./dom.js";
import {milliseconds, minuteOf, number} from "./format.js";

const PAD = {left: 52, right: 12, top: 12, bottom: 24};

/** The place of a chart; `draw(width, data)` returns its SVG, `showAt(data, x)` what is under the pointer. */
function place(className, draw, tipOf) {
  const canvas = h("div", {class: `chart ${className}`});
  const tip = h("div", {class: "tip", hidden: true, "aria-hidden": "true"});
  const node = h("div", {class: "charted"}, canvas, tip);
  let data = null;
  const redraw = () => data && canvas.clientWidth && canvas.replaceChildren(draw(canvas.clientWidth, data));
  new ResizeObserver(redraw).observe(canvas);
  canvas.addEventListener("pointermove", (event) => {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    const found = data && tipOf(canvas.clientWidth, data, x);
    tip.hidden = !found;
    if (!found) return;
    tip.replaceChildren(...found.lines.map((line) => h("div", {}, line)));
    tip.style.setProperty("left", `${Math.min(Math.max(found.x, 70), canvas.clientWidth - 70)}px`);
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  return {node, update: (next) => { data = next; redraw(); }};
}

const ROUND = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The least round number that is not below a value. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return ROUND.map((step) => step * power).find((step) => step >= value);
}

function frame(width, height, top, format, children, label) {
  const y = (value) => height - PAD.bottom - (value / top) * (height - PAD.top - PAD.bottom);
  const lines = [0, 0.5, 1].map((part) => [
    s("line", {class: "grid", x1: PAD.left, x2: width - PAD.right, y1: y(top * part), y2: y(top * part)}),
    s("text", {class: "tick", x: PAD.left - 8, y: y(top * part) + 4, "text-anchor": "end"}, format(top * part)),
  ]);
  return s("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label}, lines, children(y));
}

const line = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** Accepted orders as bars and allocated ones as a line, minute by minute. */
export function throughputChart() {
  const height = 240;
  const step = (width, count) => (width - PAD.left - PAD.right) / count;
  const draw = (width, minutes) => {
    const top = roundUp(Math.max(4, ...minutes.map(({accepted, allocated}) => Math.max(accepted, allocated))));
    const each = step(width, minutes.length);
    const middle = (index) => PAD.left + each * (index + 0.5);
    const last = minutes[minutes.length - 2] ?? minutes[minutes.length - 1];
    const label = `Orders a minute in the last hour; in the last full minute ${last.accepted} accepted and ${last.allocated} allocated.`;
    return frame(width, height, top, number, (y) => [
      minutes.map(({accepted}, index) => s("rect", {
        class: index === minutes.length - 1 ? "bar current" : "bar", x: middle(index) - each * 0.36, width: each * 0.72,
        y: y(accepted), height: Math.max(0, y(0) - y(accepted)), rx: Math.min(2, each / 4),
      })),
      s("path", {class: "line allocated", d: line(minutes.slice(0, -1).map(({allocated}, index) => [middle(index), y(allocated)]))}),
      minutes.map(({minute}, index) => (minutes.length - 1 - index) % (width < 520 ? 20 : 10) === 0 && s("text", {
        class: "tick", x: middle(index), y: height - 6, "text-anchor": index === minutes.length - 1 ? "end" : "middle",
      }, minuteOf(minute))),
    ], label);
  };
  const tipOf = (width, minutes, x) => {
    const each = step(width, minutes.length);
    const index = Math.floor((x - PAD.left) / each);
    const found = minutes[index];
    return found && {x: PAD.left + each * (index + 0.5), lines: [minuteOf(found.minute), `${number(found.accepted)} accepted`, `${number(found.allocated)} allocated`]};
  };
  return place("throughput", draw, tipOf);
}

const LEVELS = ["p99", "p95", "p50"];

/** How long from accepted to allocated, as it was seen while the page was open. */
export function latencyChart() {
  const height = 180;
  const room = (width) => width - PAD.left - PAD.right;
  const at = (width, samples, index) => PAD.left + (samples.length > 1 ? (index / (samples.length - 1)) * room(width) : room(width));
  const draw = (width, samples) => {
    const last = samples[samples.length - 1];
    const top = roundUp(Math.max(10, ...samples.map(({p99}) => p99)));
    const label = `From accepted to allocated: half within ${milliseconds(last.p50)}, 95 of 100 within ${milliseconds(last.p95)}, 99 within ${milliseconds(last.p99)}.`;
    return frame(width, height, top, milliseconds, (y) => LEVELS.map((level) => [
      s("path", {class: `line ${level}`, d: line(samples.map((sample, index) => [at(width, samples, index), y(sample[level])]))}),
      s("circle", {class: `dot ${level}`, cx: at(width, samples, samples.length - 1), cy: y(last[level]), r: 3.5}),
    ]), label);
  };
  const tipOf = (width, samples, x) => {
    const index = Math.round(((x - PAD.left) / room(width)) * (samples.length - 1));
    const found = samples[Math.min(Math.max(index, 0), samples.length - 1)];
    return found && {x, lines: LEVELS.map((level) => `${level} ${milliseconds(found[level])}`)};
  };
  return place("latency", draw, tipOf);
}

/** Parts of a whole as one bar; what they are stands beside it. */
export function shareBar(parts) {
  const all = parts.reduce((sum, [, count]) => sum + count, 0) || 1;
  let x = 0;
  return s("svg", {class: "share-bar", viewBox: "0 0 1000 14", preserveAspectRatio: "none", "aria-hidden": "true"},
    s("rect", {class: "all", width: 1000, height: 14}),
    parts.map(([name, count]) => {
      const width = (count / all) * 1000;
      x += width;
      return count > 0 && s("rect", {class: `part ${name}`, x: x - width, width: Math.max(width - 3, 1), height: 14});
    }));
}
