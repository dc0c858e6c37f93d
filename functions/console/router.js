// Where the page is: the hash, as #/orders/12345?status=pending. Links are made here and nowhere else.

/** The segments and the query of the hash; null where it is none that this page made. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  try {
    const segments = path.split("/").filter(Boolean).map(decodeURIComponent);
    return {segments, query: new URLSearchParams(query)};
  } catch {
    return {segments: ["?"], query: new URLSearchParams()};
  }
}

/** A link to a place: segments, and a query without what is empty. */
export function linkTo(segments, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${segments.map(encodeURIComponent).join("/")}${tail}`;
}

export function go(segments, query) {
  location.hash = linkTo(segments, query);
}
