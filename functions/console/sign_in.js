// Who is not signed in sees this, and nothing else.

import {canLogIn, issuerName, logIn, usePasted} from "./auth.js";
import {h} from "./dom.js";

/** The two ways in; `done` is called when there is a token. */
export function signIn({problem, done}) {
  const wrong = h("p", {class: "wrong overall", role: "alert"}, problem);
  const fail = (error) => { wrong.textContent = error.message; };
  const byIssuer = () => logIn().catch(fail);
  const pasted = (event) => {
    event.preventDefault();
    try {
      usePasted(event.target.elements.token.value);
      done();
    } catch (error) {
      fail(error);
    }
  };
  return h("div", {class: "sign-in"},
    h("img", {src: "/console/icon.svg", alt: "", width: 48, height: 48}),
    h("h1", {}, "Sign in to OrderFlow"), wrong,
    canLogIn() && h("button", {type: "button", class: "primary", onclick: byIssuer}, `Sign in with ${issuerName()}`),
    canLogIn() && h("p", {class: "or"}, "or"),
    h("form", {class: "card", onsubmit: pasted},
      h("label", {for: "token"}, "Paste a token"),
      h("input", {id: "token", name: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "token-told"}),
      h("p", {id: "token-told", class: "hint"}, "It stays in this tab and is forgotten with it. On a laptop ",
        h("code", {}, "orderflow token --scope \"…\""), " prints one."),
      h("button", {type: "submit"}, "Use this token")));
}
