// Signs in: by OpenID Connect (authorization code with PKCE, RFC 7636), or with a token that is
// pasted. What comes of it is kept for this tab alone, and goes with it.

const SESSION = "orderflow.session";
const LOGIN = "orderflow.login";
const SCOPES = "openid orders:read orders:write orders:all inventory:read inventory:write operations";

let told = null;
let refreshing = null;

/** What the console was told about tokens: `auth`, `jwt_issuer`, `jwt_audience`, `console_client_id`. */
export async function loadSettings() {
  told ??= await (await fetch("/console/settings.json")).json();
  return told;
}

export const isOpen = () => told.auth === "off";
export const canLogIn = () => Boolean(told.console_client_id && told.jwt_issuer.startsWith("http"));
export const issuerName = () => new URL(told.jwt_issuer).host;

const kept = (name) => JSON.parse(sessionStorage.getItem(name) ?? "null");
const keep = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));

export const accessToken = () => kept(SESSION)?.access ?? null;

/** Forgets the token, and has the page ask for another. */
export function signInNeeded() {
  sessionStorage.removeItem(SESSION);
  document.dispatchEvent(new Event("sign-in-needed"));
}

/** Takes a token that was pasted; throws an error that says why it can be none. */
export function usePasted(text) {
  const token = text.trim().replace(/^bearer\s+/i, "");
  if (!claimsOf(token)) throw new Error("This is no token: it has three parts with dots between them.");
  keep(SESSION, {access: token});
}

/** Whose token it is, for people to read; whether it is good is for the API to say. */
export function whoIsSignedIn() {
  return claimsOf(accessToken() ?? "")?.sub ?? null;
}

function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

async function discovered() {
  const address = `${told.jwt_issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const found = await fetch(address).then((response) => response.json()).catch(() => {
    throw new Error(`${issuerName()} cannot be reached, or does not let this page ask it.`);
  });
  if (found.issuer !== told.jwt_issuer) throw new Error("The issuer calls itself by another name.");
  return found;
}

const redirectUri = () => `${location.origin}/console`;
const coded = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const random = () => coded(crypto.getRandomValues(new Uint8Array(32)));

/** Leaves for the issuer's page, which leads back here. */
export async function logIn() {
  if (!crypto.subtle) throw new Error("To sign in, open this page over https.");
  const {authorization_endpoint: endpoint} = await discovered();
  const login = {state: random(), nonce: random(), verifier: random(), hash: location.hash};
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(login.verifier));
  keep(LOGIN, login);
  const asked = {
    response_type: "code", client_id: told.console_client_id, redirect_uri: redirectUri(), scope: SCOPES,
    audience: told.jwt_audience, state: login.state, nonce: login.nonce,
    code_challenge: coded(digest), code_challenge_method: "S256",
  };
  const url = new URL(endpoint);
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  location.assign(url);
}

/** Takes what the issuer's page led back with, if it did; throws an error that says what went wrong. */
export async function finishLogIn() {
  const given = new URLSearchParams(location.search);
  if (!given.has("state")) return;
  const login = kept(LOGIN);
  sessionStorage.removeItem(LOGIN);
  history.replaceState(null, "", `/console${login?.hash ?? ""}`);
  if (!login || given.get("state") !== login.state) throw new Error("This sign-in was not begun in this tab; begin again.");
  if (given.has("error")) throw new Error(`The issuer refused: ${given.get("error_description") ?? given.get("error")}.`);
  const tokens = await tokensFor({
    grant_type: "authorization_code", code: given.get("code"), redirect_uri: redirectUri(), code_verifier: login.verifier,
  });
  // Signed for who asked just now: it came from the issuer itself (OpenID Connect Core, 3.1.3.7).
  const claims = claimsOf(tokens.id_token ?? "");
  const isForUs = claims?.iss === told.jwt_issuer && [claims.aud].flat().includes(told.console_client_id);
  if (!isForUs || claims.nonce !== login.nonce) throw new Error("The issuer's answer is not to this sign-in; begin again.");
  keep(SESSION, {access: tokens.access_token, refresh: tokens.refresh_token});
}

async function tokensFor(asked) {
  const {token_endpoint: endpoint} = await discovered();
  const body = new URLSearchParams({client_id: told.console_client_id, ...asked});
  const response = await fetch(endpoint, {method: "POST", body, credentials: "omit"});
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(`The issuer refused: ${answer.error_description ?? answer.error ?? response.status}.`);
  return answer;
}

/** Whether there is a new token in place of one that has expired; several callers get one. */
export async function refreshed() {
  const refresh = kept(SESSION)?.refresh;
  if (!refresh) return false;
  refreshing ??= tokensFor({grant_type: "refresh_token", refresh_token: refresh})
    .then((tokens) => keep(SESSION, {access: tokens.access_token, refresh: tokens.refresh_token ?? refresh}))
    .then(() => true, () => false)
    .finally(() => { refreshing = null; });
  return refreshing;
}
