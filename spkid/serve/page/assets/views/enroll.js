// Adding a person: the name and the consent first, then recordings, each with its verdict.

import { button, complain, el, field, link, ring, status, telling, tick } from "../pieces.js";
import { number, words } from "../language.js";
import { soundInput } from "../listen.js";
import { Problem, get, path, remove, send } from "../service.js";
import { forgetMember } from "./member.js";

const LIMIT_S = 25; // of a recording: twice the longest sentence

export const agreed = new Map(); // name -> what was ticked, until the first recording is stored

export function consent({ service, go }) {
  const { enroll } = words;
  const name = el("input", {
    type: "text",
    maxlength: 80,
    autocomplete: "off",
    autocapitalize: "words",
    spellcheck: "false",
  });
  const parent = el("input", {
    type: "text",
    maxlength: 80,
    autocomplete: "off",
    autocapitalize: "words",
    spellcheck: "false",
  });
  const parentField = field(enroll.parent, parent, enroll.parentNote);
  parentField.hidden = true;
  const onchange = () => {
    parentField.hidden = !child.checked;
    complain(parent, null);
  };
  const child = el("input", { onchange });
  const consents = el("input");
  const onsubmit = (event) => {
    event.preventDefault();
    complain(consents, consents.checked ? null : enroll.noConsent);
    const given_by = parent.value.trim();
    const isSaid = !child.checked || given_by;
    complain(parent, isSaid ? null : enroll.noParent);
    complain(name, name.value.trim() ? null : enroll.noName);
    if (!name.value.trim() || !isSaid || !consents.checked) return;
    agreed.set(name.value.trim(), child.checked ? { child: true, given_by } : { child: false });
    go(path`#/add/${name.value.trim()}`);
  };
  return {
    title: enroll.title,
    body: [
      el(
        "form",
        { onsubmit },
        field(enroll.name, name, enroll.nameNote),
        tick(enroll.child, child),
        parentField,
        el(
          "section",
          { class: "card" },
          el("h2", {}, enroll.agreeTitle),
          el(
            "ul",
            {},
            enroll.agree.map((line) => el("li", {}, line)),
            el("li", {}, service.keeps_audio ? enroll.withAudio : enroll.noAudio),
          ),
          el(
            "details",
            {},
            el("summary", {}, enroll.exact),
            el("blockquote", { lang: "en" }, service.consent.voice, " ", service.consent.audio),
          ),
          tick(enroll.consent, consents),
        ),
        el("button", { class: "main large" }, enroll.go),
      ),
    ],
  };
}

export async function recordings({ home, household, service, go }, name) {
  const { enroll, sentences } = words;
  const where = path`/households/${home}/members/${name}`;
  const isThere = household.members.some((each) => each.member === name);
  let member = isThere ? await get(where) : null;
  if (member === null && !agreed.has(name)) return go("#/add", { replace: true });

  let nth = member?.n_clips ?? 0;
  let isAnother = false; // somebody said that it is not the one it sounds like
  const said = status();
  const handle = telling(said);
  const progress = ring(enroll.ring(name));
  const needed = el("p", { class: "needed" });
  const sentence = el("blockquote", { class: "sentence" });
  const kept = el("ol", { class: "clips" });
  const question = el("div", { class: "question" });
  const finished = el("section", { class: "finished" });
  const unfinished = el("section");
  const sound = soundInput({
    limit_s: LIMIT_S,
    text: sentence,
    verdict: [said.node, question],
    onBegin: clear,
    onSound: (blob) => give(blob),
  });
  const showSentence = () => {
    sentence.textContent = sentences[nth % sentences.length];
  };

  function clear() {
    question.replaceChildren();
    said.say("");
  }

  async function give(blob, also = {}) {
    clear();
    const query = { ...(isAnother && { another_person: true }), ...also };
    if (member === null) Object.assign(query, { consent: true, ...agreed.get(name) });
    let answer;
    try {
      answer = await send(`${where}/clips`, blob, query);
    } catch (error) {
      if (error instanceof Problem && error.code === "same_voice") return askAnother(blob, error);
      throw error;
    }
    const [clip] = answer.clips;
    if (clip.accepted) {
      nth += 1;
      showSentence();
      const was = member?.percent ?? 0;
      await refresh();
      said.say(`${enroll.accepted(clip.speech_s)} ${summary()}`, "good");
      if (was < 100 && member.percent >= 100) finished.firstChild.focus();
    } else {
      const spans = (clip.other_voices ?? []).map(
        (span) => `${number(span.start_s, 1)}–${number(span.end_s, 1)} s`,
      );
      said.say(
        [enroll.refused, words.reasons[clip.reason] ?? clip.reason, spans.join(", ")].join(" "),
        "bad",
      );
      if (clip.reason === "unlike_others") {
        question.replaceChildren(
          button(
            enroll.force(name),
            handle(() => give(blob, { ...also, force: true })),
          ),
        );
      }
    }
  }

  function askAnother(blob, error) {
    const other = error.sounds_like ?? enroll.somebody;
    const answer = (isOther) =>
      handle(async () => {
        isAnother = isOther;
        clear();
        if (isOther) await give(blob);
      });
    said.say(enroll.sounds(name, other), "bad");
    question.replaceChildren(
      button(enroll.isOther(name, other), answer(true)),
      button(enroll.isSame, answer(false)),
    );
  }

  function summary() {
    return member.percent >= 100 ? enroll.complete(name) : enroll.usable(name);
  }

  async function refresh() {
    member = await get(where);
    agreed.delete(name);
    show();
  }

  async function drop(clip) {
    await remove(`${where}/clips/${clip.id}`);
    if (member.clips.length === 1) return go("#/household");
    await refresh();
    said.say(words.member.deleted);
  }

  function show() {
    const left = member ?? {
      percent: 0,
      clips: [],
      speech_needed_s: service.limits.wanted_speech_s,
      clips_needed: service.limits.wanted_clips,
    };
    progress.set(left.percent);
    needed.textContent =
      left.percent >= 100 ? "" : enroll.needed(left.speech_needed_s, left.clips_needed);
    kept.replaceChildren(
      ...left.clips.map((clip, k) =>
        el(
          "li",
          {},
          el("span", {}, `${words.member.clip(k + 1)}: ${number(clip.speech_s, 1)} s`),
          button(
            words.member.deleteShort,
            handle(() => drop(clip)),
            { class: "quiet", "aria-label": words.member.deleteClip(k + 1) },
          ),
        ),
      ),
    );
    if (!left.clips.length) kept.append(el("li", { class: "note" }, enroll.none));
    finished.replaceChildren(
      ...(left.percent < 100
        ? []
        : [
            el("h2", { tabindex: "-1" }, enroll.complete(name)),
            el("p", {}, enroll.fresh),
            ways(true),
          ]),
    );
    unfinished.replaceChildren(
      ...(member === null
        ? []
        : [
            left.percent < 100 && el("p", { class: "note" }, enroll.usable(name)),
            left.percent < 100 && ways(false),
            el(
              "p",
              {},
              button(
                words.member.forget(name),
                handle(() => forgetMember({ home, go }, name)),
                { class: "danger" },
              ),
            ),
          ].filter(Boolean)),
    );
  }

  const ways = (isFirst) =>
    el(
      "p",
      { class: "actions" },
      link(enroll.next, "#/add", { class: isFirst ? "button main" : "button" }),
      link(enroll.ask, "#/who", { class: "button" }),
    );

  showSentence();
  show();
  return {
    title: member === null || member.percent < 100 ? enroll.voiceOf(name) : enroll.more(name),
    leave: sound.leave,
    body: [
      el(
        "div",
        { class: "enrol" },
        el("div", { class: "progress" }, progress.node, needed, finished),
        el(
          "section",
          { class: "card reading" },
          el("h2", {}, enroll.read),
          sentence,
          button(
            enroll.another,
            () => {
              nth += 1;
              showSentence();
            },
            { class: "quiet" },
          ),
          sound.node,
        ),
      ),
      el("p", { class: "note" }, enroll.free),
      el("section", {}, el("h2", {}, enroll.clipsTitle), kept),
      unfinished,
    ],
  };
}
