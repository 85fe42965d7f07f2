// The voices that nobody here recognised, to be named or deleted; off until somebody agrees.

import { ask, button, complain, el, field, status, telling, tick } from "../pieces.js";
import { date, since, words } from "../language.js";
import { get, path, post, put, remove } from "../service.js";

const KEEP_DAYS = 30;

export async function inbox({ home, household, service, again }) {
  const where = path`/households/${home}/inbox`;
  const { terms, speakers } = await get(where);
  const said = status();
  const handle = telling(said);
  const tools = { where, household, service, again, handle };
  return el(
    "section",
    { class: "card" },
    el("h2", {}, words.household.inbox),
    said.node,
    ...(terms ? on(tools, terms, speakers) : off(tools)),
  );
}

function off({ where, household, service, again, handle }) {
  const { household: w } = words;
  const by = el(
    "select",
    {},
    household.members.map((each) => el("option", {}, each.member)),
  );
  const days = el("input", {
    type: "number",
    min: 1,
    max: 365,
    required: true,
    value: KEEP_DAYS,
    inputmode: "numeric",
  });
  const agree = el("input");
  const exact = el("blockquote", { lang: "en" });
  const showExact = () => {
    exact.textContent = service.consent.inbox.replace("{days}", days.value);
  };
  days.oninput = showExact;
  showExact();
  const switchOn = handle(() =>
    put(where, { by: by.value, days: Number(days.value), consent: true }).then(() => again()),
  );
  const onsubmit = (event) => {
    event.preventDefault();
    complain(agree, agree.checked ? null : words.enroll.noConsent);
    if (agree.checked) switchOn();
  };
  return [
    el("p", {}, w.inboxOff),
    el(
      "details",
      {},
      el("summary", {}, w.inboxOn),
      el(
        "form",
        { onsubmit },
        field(w.inboxBy, by),
        field(w.inboxDays, days),
        el("details", {}, el("summary", {}, words.enroll.exact), exact),
        tick(w.inboxConsent, agree),
        el("button", {}, w.inboxOn),
      ),
    ),
  ];
}

function on({ where, again, handle, service }, terms, speakers) {
  const { household: w } = words;
  const stop = handle(async () => {
    const sure = await ask({
      title: w.inboxStopAsk,
      yes: w.inboxStop,
      no: words.cancel,
      isDanger: true,
    });
    if (!sure) return;
    await remove(where);
    again();
  });
  const speaker = (each) =>
    el(
      "li",
      {},
      el(
        "p",
        {},
        el("strong", {}, w.inboxSpeaker(each.n_clips, each.speech_s)),
        " ",
        el(
          "span",
          { class: "note" },
          w.inboxHeard(since(each.last_heard_at), date(each.kept_until)),
        ),
      ),
      el(
        "p",
        { class: "actions" },
        button(
          w.inboxName,
          handle(() => name(each, where, again, service)),
        ),
        button(
          w.inboxDrop,
          handle(async () => {
            await remove(`${where}/${each.id}`);
            again();
          }),
        ),
      ),
    );
  return [
    el("p", { class: "note" }, w.inboxTerms(terms.given_by, date(terms.given_at), terms.keep_days)),
    speakers.length
      ? el("ul", { class: "voices" }, speakers.map(speaker))
      : el("p", {}, w.inboxEmpty),
    el("p", {}, button(w.inboxStop, stop, { class: "danger" })),
  ];
}

async function name(speaker, where, again, service) {
  const { household: w, enroll } = words;
  const input = el("input", {
    type: "text",
    name: "name",
    maxlength: 80,
    required: true,
    autocomplete: "off",
    autocapitalize: "words",
  });
  const parent = el("input", {
    type: "text",
    name: "given_by",
    maxlength: 80,
    autocomplete: "off",
    autocapitalize: "words",
  });
  const agree = el("input", { name: "agreed", required: true });
  const data = await ask({
    title: w.inboxNameTitle,
    body: [
      field(enroll.name, input),
      field(w.inboxParent, parent),
      tick(enroll.consent, agree),
      el(
        "details",
        {},
        el("summary", {}, enroll.exact),
        el("blockquote", { lang: "en" }, service.consent.voice),
      ),
    ],
    yes: w.inboxName,
    no: words.cancel,
  });
  if (!data) return;
  const member = data.get("name").trim();
  const request = { member, consent: true, given_by: data.get("given_by").trim() };
  let named;
  try {
    named = await post(`${where}/${speaker.id}/name`, request);
  } catch (error) {
    if (error.code !== "same_voice") throw error;
    const other = error.sounds_like ?? enroll.somebody;
    const isOther = await ask({
      title: enroll.sounds(member, other),
      yes: enroll.isOther(member, other),
      no: enroll.isSame,
    });
    if (!isOther) return;
    named = await post(`${where}/${speaker.id}/name`, { ...request, another_person: true });
  }
  again({ saying: w.inboxNamed(named.member) });
}
