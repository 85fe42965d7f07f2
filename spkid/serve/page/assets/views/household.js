// Who is known here, how strict the home is, and the household as a whole.

import { ask, askName, button, el, field, link, ring, status, telling } from "../pieces.js";
import { percent, since, words } from "../language.js";
import { change, download, fetchFile, path, post, remove } from "../service.js";
import { hint } from "./member.js";
import { inbox } from "./inbox.js";

const RATES = [0.01, 0.02, 0.05, 0.1];
const AS_DELIVERED = 0.05;

export async function household(context) {
  const { home, household: found, service, go, again } = context;
  const { household: w } = words;
  const where = path`/households/${home}`;
  const said = status();
  const handle = telling(said);

  async function rename() {
    const name = await askName({
      title: w.rename,
      label: words.member.newName,
      value: home,
      yes: words.member.rename,
      no: words.cancel,
    });
    if (name === null) return;
    const now = await change(where, { name });
    context.choose(now.household);
    again();
  }

  async function forget() {
    const sure = await ask({
      title: w.forgetAsk(home),
      body: [el("p", {}, w.forgetBody)],
      yes: w.forget,
      no: words.cancel,
      isDanger: true,
    });
    if (!sure) return;
    const receipt = await remove(where);
    context.choose(null);
    go("#/", { saying: w.forgotten(receipt.n_exemplars) });
  }

  const mayAll = service.scope === "all";
  const backup = handle(async () =>
    download(await fetchFile("POST", "/backup"), "spkid-backup.sqlite3"),
  );
  return {
    title: w.title(home),
    body: [
      said.node,
      el(
        "section",
        {},
        el("h2", { class: "unseen" }, w.members),
        el("ul", { class: "people" }, found.members.map(person)),
        el("p", {}, link(w.add, "#/add", { class: "button main" })),
      ),
      found.members.length > 1 && strict(found.calibration, where, again),
      await inbox(context),
      el(
        "section",
        {},
        el("h2", {}, w.manage),
        el(
          "p",
          { class: "actions" },
          mayAll && button(w.rename, handle(rename)),
          mayAll && button(w.backup, backup),
          button(w.forget, handle(forget), { class: "danger" }),
        ),
      ),
    ],
  };
}

function person(each) {
  const { household: w } = words;
  const about = [
    words.clips(each.n_clips),
    w.newest(since(each.newest_clip_at)),
    each.age_group === "child" && w.child,
  ];
  return el(
    "li",
    { class: "card" },
    ring(words.enroll.ring(each.member), each.percent).node,
    el(
      "div",
      {},
      link(each.member, path`#/member/${each.member}`, { class: "name" }),
      el("p", { class: "note" }, about.filter(Boolean).join(" · ")),
      hint(each) &&
        el(
          "p",
          { class: each.enroll_again ? "warn" : "note" },
          link(hint(each), path`#/add/${each.member}`),
        ),
    ),
  );
}

function strict(calibration, where, again) {
  const { household: w } = words;
  const said = status();
  const now = calibration?.far ?? AS_DELIVERED;
  const select = el(
    "select",
    {},
    RATES.map((rate) => el("option", { value: rate, selected: rate === now }, percent(rate))),
  );
  const handle = telling(said);
  const set = handle(async () => {
    const chosen = await post(`${where}/calibration`, { far: Number(select.value) });
    again({
      saying: `${w.strictNow(percent(chosen.far))} ${w.strictResult(chosen.false_accepts, chosen.missed)}`,
    });
  });
  const back = handle(async () => {
    await remove(`${where}/calibration`);
    again();
  });
  return el(
    "section",
    { class: "card" },
    el("h2", {}, w.strict),
    el("p", {}, w.strictLead),
    el(
      "p",
      {},
      el(
        "strong",
        {},
        calibration
          ? w.strictNow(percent(calibration.far))
          : w.strictDefault(percent(AS_DELIVERED)),
      ),
    ),
    field(w.strictLabel, select, w.strictNote),
    said.node,
    el(
      "p",
      { class: "actions" },
      button(w.strictSet, set),
      calibration && button(w.strictBack, back),
    ),
  );
}
