// The page: what stands behind each address after the #, and what is shown around it.

import { button, el, link } from "./pieces.js";
import { loadWords, problemWords, words } from "./language.js";
import { get, path } from "./service.js";
import { audit } from "./views/audit.js";
import { consent, recordings } from "./views/enroll.js";
import { household } from "./views/household.js";
import { member } from "./views/member.js";
import { start } from "./views/start.js";
import { wantToken } from "./views/token.js";
import { who } from "./views/who.js";

const HOME = "spkid.household";
const VIEWS = { who, household, member, audit };
const main = document.getElementById("main");
const EMPTY = { members: [], calibration: null, inbox: { is_on: false, n_speakers: 0 } };

let leave = () => {};
let nShown = 0; // a view that loads slowly must not overwrite a later one

function parts() {
  try {
    return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [""]; // an address that was mistyped
  }
}

async function loadContext() {
  const service = await get("/service");
  const context = { service, go, again: (how) => show(how), choose };
  if (service.scope === "auditor") return { ...context, homes: [], home: null, household: EMPTY };
  const all = (await get("/households")).households.map((each) => each.household);
  const kept = localStorage.getItem(HOME);
  const home = all.includes(kept) ? kept : (all[0] ?? service.household ?? words.home);
  const found = all.length ? await get(path`/households/${home}`) : EMPTY;
  return { ...context, homes: all, home, household: found };
}

function choose(home) {
  if (home === null) localStorage.removeItem(HOME);
  else localStorage.setItem(HOME, home);
}

// Goes to another view; `saying` is told there.
function go(hash, { saying, replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  return show({ saying });
}

function viewOf(context, [name, who]) {
  if (context.service.scope === "auditor") return audit(context);
  if (name === "add") return who ? recordings(context, who) : consent(context);
  if (name === "audit") return audit(context);
  if (context.household.members.length === 0) return start(context);
  return (VIEWS[name] ?? VIEWS.who)(context, who);
}

async function show({ saying } = {}) {
  const number = (nShown += 1);
  leave();
  leave = () => {};
  document.querySelector("dialog")?.close();
  main.inert = true; // what stands there is about to go
  let context = null;
  let view;
  try {
    context = await loadContext();
    view = await viewOf(context, parts());
  } catch (error) {
    view = error.code === "bad_token" ? wantToken(() => show()) : failed(error);
  }
  if (number !== nShown) return view?.leave?.();
  if (!view) return; // it went elsewhere
  frame(context);
  const heading = el("h1", { tabindex: "-1" }, view.title);
  document.title = `${view.title} · spkid`;
  main.replaceChildren(
    heading,
    ...[saying && el("p", { class: "status good" }, saying), ...view.body].filter(Boolean),
  );
  main.inert = false;
  document.getElementById("told").textContent = saying ?? ""; // was there before: it is read out
  leave = view.leave ?? (() => {});
  if (number > 1) {
    heading.focus();
    window.scrollTo(0, 0);
  }
}

function failed(error) {
  return {
    title: "spkid",
    body: [
      el("p", { class: "status bad", role: "alert" }, problemWords(error)),
      button(words.again, () => show(), { class: "main" }),
    ],
  };
}

function frame(context) {
  document.getElementById("skip").textContent = words.nav.skip;
  const nav = document.getElementById("nav");
  nav.setAttribute("aria-label", words.nav.label);
  const [here] = parts();
  const item = (name, isHere) =>
    link(words.nav[name], `#/${name}`, { "aria-current": isHere ? "page" : undefined });
  const isEmpty = !context?.household.members.length;
  nav.replaceChildren(
    ...(isEmpty
      ? []
      : [
          item("who", here === "" || here === "who"),
          item("household", ["household", "member", "add"].includes(here)),
          item("audit", here === "audit"),
        ]),
  );
  if (context?.homes.length > 1) nav.append(homeChoice(context));
  document
    .getElementById("footer")
    .replaceChildren(el("p", {}, words.footer(context ? ` ${context.service.version}` : "")));
}

function homeChoice({ homes: all, home }) {
  return el(
    "select",
    {
      "aria-label": words.nav.choose,
      onchange: ({ target }) => {
        choose(target.value);
        go("#/household");
      },
    },
    all.map((each) => el("option", { selected: each === home }, each)),
  );
}

document.getElementById("skip").onclick = (event) => {
  event.preventDefault();
  main.focus();
};
window.addEventListener("hashchange", () => show());
loadWords().then(() => show());
