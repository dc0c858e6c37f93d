// Loads again and again while the page is seen, and says so when what is shown is old.

import {h, redraw} from "./dom.js";
import {time} from "./format.js";
import {skeleton} from "./parts.js";

const LONGEST_WAIT_MS = 8_000; // between tries, so that the end of an outage is seen soon

/** Calls `load` every so often, more seldom while it fails; returns what makes it call at once. */
export function poll(load, {everyMs, signal, onData, onError}) {
  let wake = () => {};
  const pause = (ms) => new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => { clearTimeout(timer); resolve(); };
  });
  const onVisible = () => document.hidden || wake();
  document.addEventListener("visibilitychange", onVisible, {signal});
  signal.addEventListener("abort", () => wake());
  (async () => {
    let wait = everyMs;
    while (!signal.aborted) {
      if (document.hidden) { await pause(3_600_000); continue; }
      try {
        const data = await load(signal);
        if (signal.aborted) return;
        onData(data);
        wait = everyMs;
      } catch (error) {
        if (signal.aborted) return;
        if (!("status" in error)) throw error;
        onError(error);
        if (error.isFinal) return;
        wait = Math.min(wait * 2, Math.max(LONGEST_WAIT_MS, everyMs));
      }
      await pause(wait);
    }
  })();
  return () => wake();
}

/** Says in a node that an answer did not come, and since when what is shown is old. */
export function tellProblem(banner, error, shownAt, again) {
  banner.hidden = false;
  banner.classList.toggle("final", error.isFinal);
  const told = `${error.sentence} ${shownAt}`;
  if (banner.dataset.told === told) return; // it was said, and is not said again to who listens
  banner.dataset.told = told;
  const known = shownAt ? ["Showing what was known ", time(shownAt), "."] : ["Nothing is known yet."];
  banner.replaceChildren(h("p", {}, h("strong", {role: "alert"}, error.sentence), " ", error.isFinal ? "" : h("span", {}, known)));
  if (!error.isFinal) banner.append(h("button", {type: "button", class: "small", onclick: again}, "Try now"));
}

export function clearProblem(banner) {
  banner.hidden = true;
  banner.replaceChildren();
  delete banner.dataset.told;
}

/** A part of a view that keeps itself up to date: `{node, again}`. */
export function live(load, draw, {signal, everyMs = 5_000, placeholder = skeleton()}) {
  const banner = h("div", {class: "banner", hidden: true});
  const body = h("div", {class: "live", "aria-busy": "true"}, placeholder);
  let shown = null;
  let shownAt = null;
  const onData = (data) => {
    const text = JSON.stringify(data);
    shownAt = new Date().toISOString();
    clearProblem(banner);
    body.classList.remove("old");
    body.removeAttribute("aria-busy");
    if (text !== shown) redraw(body, draw(data));
    shown = text;
  };
  const onError = (error) => {
    body.removeAttribute("aria-busy");
    body.classList.toggle("old", shown !== null);
    if (shown === null) body.replaceChildren();
    tellProblem(banner, error, shownAt, () => again());
  };
  const again = poll(load, {everyMs, signal, onData, onError});
  return {node: h("div", {class: "kept"}, banner, body), again};
}
