// Numbers and times as people read them.

import {h} from "./dom.js";

const NUMBER = new Intl.NumberFormat("en");
const FULL = new Intl.DateTimeFormat("en-GB", {dateStyle: "medium", timeStyle: "medium"});
const DAY = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"});
const MINUTE = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});

export const number = (value) => NUMBER.format(value);
export const signed = (value) => (value > 0 ? `+${NUMBER.format(value)}` : NUMBER.format(value).replace("-", "−"));
export const counted = (count, thing) => `${number(count)} ${thing}${count === 1 ? "" : "s"}`;
export const minuteOf = (at) => MINUTE.format(new Date(at));

/** Seconds as people say them: 850 ms, 12 s, 3 min, 2 h, 4 days. */
export function span(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export const milliseconds = (value) => (value < 1000 ? `${Math.round(value)} ms` : span(value / 1000));

function relative(at) {
  const seconds = (Date.now() - new Date(at)) / 1000;
  if (Math.abs(seconds) < 2) return "just now";
  if (Math.abs(seconds) >= 86_400) return DAY.format(new Date(at));
  return seconds < 0 ? `in ${span(Math.round(-seconds))}` : `${span(Math.round(seconds))} ago`;
}

/** A time as it is from here; it is kept true by `keepTimes`. */
export function time(at) {
  if (!at) return "never";
  return h("time", {datetime: at, title: FULL.format(new Date(at)), "data-relative": true}, relative(at));
}

/** Brings what `time` made up to date, every second. */
export function keepTimes() {
  setInterval(() => {
    if (document.hidden) return;
    for (const node of document.querySelectorAll("time[data-relative]")) {
      const text = relative(node.dateTime);
      if (node.textContent !== text) node.textContent = text;
    }
  }, 1000);
}
