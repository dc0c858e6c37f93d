// The figures of the whole, asked for once for all who show a part of them.

import {get} from "./api.js";
import {poll} from "./live.js";

const EVERY_MS = 2_000;
const KEPT = 300; // samples: ten minutes

let listeners = new Set();
let state = {figures: null, problem: null, at: null};
let again = () => {};
export const latencies = []; // what was seen while this page was open, oldest first

/** Begins to ask; ends with the signal. */
export function startOverview(signal) {
  listeners = new Set();
  state = {figures: null, problem: null, at: null};
  latencies.length = 0;
  const tell = (change) => {
    state = {...state, ...change};
    for (const listener of listeners) listener(state);
  };
  again = poll((asked) => get("/overview", {}, {signal: asked}), {
    everyMs: EVERY_MS, signal,
    onData: ({data}) => {
      if (data.allocation_ms) latencies.push({at: data.at, ...data.allocation_ms});
      if (latencies.length > KEPT) latencies.shift();
      tell({figures: data, problem: null, at: new Date().toISOString()});
    },
    onError: (problem) => tell({problem}),
  });
}

/** Calls a function with `{figures, problem, at}` now and whenever they change. */
export function onOverview(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
  listener(state);
}

export const refreshOverview = () => again();

/** How many things a person has to look at. */
export function needing(figures) {
  if (!figures) return 0;
  const {attention, dead_letters: letters, short_items: short, low_items: low, last_audit: audit} = figures;
  const failed = audit && !audit.passed ? 1 : 0;
  return attention.orders + attention.inventory_changes + attention.refused_changes + letters.kept + short.count + low.count + failed;
}
