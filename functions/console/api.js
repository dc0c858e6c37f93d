// Calls the public API at the same origin, as any other caller does.

import {accessToken, refreshed, signInNeeded} from "./auth.js";

const TIMEOUT_MS = 10_000; // the functions give up after a few seconds by themselves

/** An answer that is no success (RFC 9457), or none at all: then `status` is 0. */
export class Problem extends Error {
  constructor(status, told = {}, headers = new Headers()) {
    super(told.detail || told.title || `status ${status}`);
    this.status = status;
    this.slug = String(told.type ?? "").split("/").pop();
    this.errors = told.errors ?? [];
    this.scope = /scope="([^"]*)"/.exec(headers.get("www-authenticate") ?? "")?.[1] ?? null;
    this.isFinal = status >= 400 && status < 500 && ![401, 408, 429].includes(status);
  }

  /** What is wrong, in a sentence for who looks at the page. */
  get sentence() {
    if (this.status === 0) return "OrderFlow does not answer.";
    if (this.slug === "database-away") return "The database does not answer.";
    if (this.status === 401) return "You are signed out.";
    if (this.status === 403) return `You may not see or do this: it needs the scope ${this.scope ?? "that your token lacks"}.`;
    if (this.status === 429) return "You have called too often; this goes on in a moment.";
    if (this.status >= 500) return `OrderFlow has a difficulty: ${this.message}.`;
    return `${this.message[0].toUpperCase()}${this.message.slice(1)}${/[.!?]$/.test(this.message) ? "" : "."}`;
  }
}

/** The path of these segments. */
export const pathOf = (...segments) => `/${segments.map(encodeURIComponent).join("/")}`;

/** What a path answers, with the cursor of the next page as `next`. Throws a `Problem`. */
export async function get(path, query = {}, {signal} = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return call("GET", path + tail, {signal});
}

/** Writes: under a key of its own, so that an answer that got lost costs no second write. */
export async function send(method, path, body = {}, {timeoutMs = TIMEOUT_MS, key = newKey()} = {}) {
  return call(method, path, {body, key, timeoutMs});
}

async function call(method, path, {body, key, signal, timeoutMs = TIMEOUT_MS}, again = true) {
  const response = await fetched(method, path, {body, key, signal, timeoutMs});
  if (response.status === 401 && again && (await refreshed())) {
    return call(method, path, {body, key, signal, timeoutMs}, false);
  }
  const data = await response.json().catch(() => ({}));
  if (response.ok) return {data, status: response.status, next: nextOf(response)};
  if (response.status === 401) signInNeeded();
  throw new Problem(response.status, data, response.headers);
}

async function fetched(method, path, {body, key, signal, timeoutMs}) {
  const headers = {Accept: "application/json"};
  if (accessToken()) headers.Authorization = `Bearer ${accessToken()}`;
  if (body) Object.assign(headers, {"Content-Type": "application/json", "Idempotency-Key": key});
  const limits = [AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])];
  try {
    return await fetch(path, {
      method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: AbortSignal.any(limits),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0);
  }
}

function nextOf(response) {
  const link = /<([^>]*)>\s*;\s*rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  return link ? new URL(link, location.origin).searchParams.get("after") : null;
}

export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
