// Begins: signs in if that is needed, then shows the view that the address names.

import {finishLogIn, isOpen, accessToken, loadSettings} from "./auth.js";
import {h} from "./dom.js";
import {keepTimes} from "./format.js";
import {listenToKeys} from "./keys.js";
import {drawRail, VIEWS} from "./rail.js";
import {here} from "./router.js";
import {signIn} from "./sign_in.js";
import {startOverview} from "./overview.js";
import {heading} from "./parts.js";

let session = new AbortController();
let view = new AbortController();
let shownAt = null; // the path of the view, without its query

function start(problem = null) {
  session.abort();
  view.abort();
  session = new AbortController();
  if (!isOpen() && (problem || !accessToken())) return show(signIn({problem, done: () => start()}), "Sign in");
  startOverview(session.signal);
  drawRail(session.signal);
  showView();
}

function showView() {
  if (!isOpen() && !accessToken()) return;
  view.abort();
  view = new AbortController();
  const {segments, query} = here();
  const found = VIEWS.find(({path}) => path === (segments[0] ?? "now"));
  const node = found ? found.show({segments: segments.slice(1), query, signal: view.signal}) : nothing();
  show(node, found?.name ?? "Not found", found?.path, segments.join("/"));
}

function nothing() {
  return h("div", {}, heading("There is nothing here"), h("p", {}, h("a", {href: "#/now"}, "To the start")));
}

function show(node, title, path, place = null) {
  for (const open of document.querySelectorAll("dialog")) open.close();
  const main = document.getElementById("main");
  const active = document.activeElement;
  const filter = active.closest("form.filter") && active.id;
  const isElsewhere = !main.contains(active) && active !== document.body;
  main.replaceChildren(node);
  document.title = `${title} · OrderFlow`;
  document.body.classList.toggle("signed-out", title === "Sign in");
  for (const link of document.querySelectorAll(".rail nav a")) {
    if (link.dataset.path === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // Who filters goes on from where they are; who has come to another view begins at its start.
  const isSame = place === shownAt;
  if (isSame && filter) document.getElementById(filter)?.focus({preventScroll: true});
  else if (shownAt !== null && !(isSame && isElsewhere)) {
    window.scrollTo(0, 0);
    main.focus({preventScroll: true});
  }
  shownAt = place;
}

async function begin() {
  await loadSettings();
  let problem = null;
  try {
    await finishLogIn();
  } catch (error) {
    problem = error.message;
  }
  keepTimes();
  listenToKeys();
  window.addEventListener("hashchange", showView);
  document.addEventListener("sign-in-needed", () => start("You are signed out: sign in again to go on."));
  start(problem);
}

begin().catch((error) => {
  document.getElementById("main").replaceChildren(h("p", {class: "banner", role: "alert"}, `The console cannot start: ${error.message}`));
});
