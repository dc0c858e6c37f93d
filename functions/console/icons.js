// Small drawings, of lines: 24 units wide, in the colour of the text around them.

import {s} from "./dom.js";

const PATHS = {
  needs: "M12 4v9M12 17.5v.5M12 2.5 2.5 20.5h19z",
  now: "M3 12h4l3-8 4 16 3-8h4",
  orders: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6",
  stock: "m12 3 8.5 4.5v9L12 21l-8.5-4.5v-9zM3.5 7.5 12 12l8.5-4.5M12 12v9",
  letters: "M3 6h18v12H3zM3 7l9 7 9-7",
  proof: "M12 3 4.5 6v6c0 4.5 3.2 7.6 7.5 9 4.3-1.4 7.5-4.5 7.5-9V6zM8.5 12l2.5 2.5 4.5-5",
  pending: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l3.5 2",
  confirmed: "M5 12.5 10 17.5 19.5 7",
  backordered: "M9 5v14M15 5v14",
  rejected: "M6 6l12 12M18 6 6 18",
  cancelled: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M6 6l12 12",
  shipped: "M2 6h12v10H2zM14 10h4l3 3v3h-7M6.5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4M17.5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4",
  back: "M14 5 7 12l7 7",
  next: "m10 5 7 7-7 7",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  out: "M14 4h6v16h-6M10 8l-4 4 4 4M6 12h9",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 21 21",
  good: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M8 12.5l3 3 5-6",
  bad: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7.5v6M12 16.5v.5",
};

/** A drawing; it says nothing to who listens, so a word stands beside it. */
export function icon(name) {
  return s("svg", {class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false"},
    s("path", {d: PATHS[name] ?? PATHS.bad}));
}
