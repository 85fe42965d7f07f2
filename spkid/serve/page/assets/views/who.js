// "Who is speaking?": a recording in, an answer out, with what it rests on.

import { bar, el, link, status } from "../pieces.js";
import { number, percent, words } from "../language.js";
import { soundInput } from "../listen.js";
import { path, send } from "../service.js";
import { picture } from "../picture.js";

const LIMIT_S = 30; // of a recording

export function who({ home, household }) {
  const heading = el("h2", { tabindex: "-1" });
  const result = el("div", { class: "result", hidden: true });
  const told = status();

  function onBegin() {
    result.hidden = true;
    told.say("");
  }

  async function onSound(sound) {
    const answer = await send(path`/households/${home}/identify`, sound, { weights: true });
    const { title, line } = headline(answer);
    heading.textContent = title;
    result.replaceChildren(heading, ...details(answer, line, household));
    result.className = `result card ${answer.status}`;
    result.hidden = false;
    told.say([title, line].filter(Boolean).join(". "), "hidden");
    result.scrollIntoView({ block: "nearest" });
  }

  const sound = soundInput({ limit_s: LIMIT_S, onBegin, onSound });
  return {
    title: words.who.title,
    leave: sound.leave,
    body: [
      el("p", { class: "lead" }, words.who.lead),
      el("section", { class: "card asking" }, sound.node),
      told.node,
      result,
      household.members.length === 1 &&
        el("p", { class: "note" }, words.who.another, " ", link(words.household.add, "#/add")),
    ],
  };
}

function headline({ status: found, member, p_member, p_stranger, candidates }) {
  const { who: w } = words;
  if (found === "known")
    return { title: w.known(member), line: w.sure(percent(Math.min(p_member, 0.99))) };
  if (found === "unknown")
    return { title: w.unknown, line: w.sure(percent(Math.min(p_stranger, 0.99))) };
  if (found === "ambiguous") {
    return { title: w.ambiguous(candidates[0].member, candidates[1].member), line: "" };
  }
  return { title: w.nobody, line: words.reasons[found] ?? found };
}

function details(answer, line, household) {
  const { who: w } = words;
  const spans = (answer.other_voices ?? []).map(
    (span) => `${number(span.start_s, 1)}–${number(span.end_s, 1)} s`,
  );
  const parts = [el("p", { class: "sure" }, line)];
  if (spans.length) parts.push(el("p", {}, w.others(spans.join(", "))));
  if (answer.candidates.length) parts.push(shares(answer));
  if (answer.status === "unknown" && household.inbox.is_on) {
    parts.push(el("p", { class: "note" }, link(w.kept, "#/household")));
  }
  if (answer.status === "ambiguous")
    parts.push(el("p", { class: "note" }, link(w.more, "#/household")));
  if (answer.picture) parts.push(picture(answer.picture));
  if (answer.candidates.length) parts.push(figures(answer));
  return parts;
}

function shares({ candidates, p_stranger, status: found, member }) {
  const { who: w } = words;
  const row = (name, share, isAnswer, kind) =>
    el(
      "tr",
      { class: isAnswer && "answer" },
      el("th", { scope: "row" }, name),
      el("td", { class: "wide" }, bar(share, kind)),
      el("td", {}, percent(share)),
    );
  const rows = candidates.map((each) => row(each.member, each.probability, each.member === member));
  rows.push(row(w.stranger, p_stranger, found === "unknown", "stranger"));
  return el(
    "table",
    { class: "shares" },
    el("caption", {}, w.shares),
    el(
      "thead",
      { class: "unseen" },
      el(
        "tr",
        {},
        el("th", { scope: "col" }, w.person),
        el("td", {}),
        el("th", { scope: "col" }, w.likely),
      ),
    ),
    el("tbody", {}, rows),
  );
}

function figures({ candidates, speech_s, margin, milliseconds }) {
  const { who: w } = words;
  return el(
    "details",
    {},
    el("summary", {}, w.figures),
    el(
      "p",
      { class: "note" },
      `${w.figure.speech}: ${number(speech_s, 1)} s; ${w.figure.margin}: ${percent(margin)}; ${w.figure.time}: ${number(milliseconds, 0)} ms`,
    ),
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          [w.person, w.likely, w.figure.llr, w.figure.cosine].map((name) =>
            el("th", { scope: "col" }, name),
          ),
        ),
      ),
      el(
        "tbody",
        {},
        candidates.map((each) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, each.member),
            el("td", {}, percent(each.probability)),
            el("td", {}, number(each.llr, 1)),
            el("td", {}, number(each.cosine, 2)),
          ),
        ),
      ),
    ),
  );
}
