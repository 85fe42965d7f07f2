// One person: recordings, consent, name, and the way out.

import { ask, askName, button, el, field, link, ring, status, telling } from "../pieces.js";
import { date, since, words } from "../language.js";
import { change, download, fetchFile, get, path, post, remove } from "../service.js";

export async function forgetMember({ home, go }, name) {
  const { member: w } = words;
  const sure = await ask({
    title: w.forgetAsk(name),
    body: [el("p", {}, w.forgetBody)],
    yes: w.forget(name),
    no: words.cancel,
    isDanger: true,
  });
  if (!sure) return;
  const receipt = await remove(path`/households/${home}/members/${name}`);
  go("#/household", { saying: w.forgotten(name, receipt.n_exemplars) });
}

export async function member({ home, household, go, again }, name) {
  const { member: w } = words;
  const where = path`/households/${home}/members/${name}`;
  const found = await get(where);
  const others = household.members.filter((each) => each.member !== found.member);
  const said = status();
  const handle = telling(said);

  async function rename() {
    const newName = await askName({
      title: w.renameTitle(found.member),
      label: w.newName,
      value: found.member,
      yes: w.rename,
      no: words.cancel,
    });
    if (newName === null) return;
    const now = await change(where, { name: newName });
    go(path`#/member/${now.member}`, { saying: w.renamed(now.member) });
  }

  async function merge() {
    const select = el(
      "select",
      { name: "into" },
      others.map((each) => el("option", {}, each.member)),
    );
    const data = await ask({
      title: w.mergeTitle(found.member),
      body: [el("p", {}, w.mergeBody), field(w.mergeWith, select)],
      yes: w.mergeYes,
      no: words.cancel,
    });
    if (!data) return;
    const now = await post(`${where}/merge`, { into: data.get("into") });
    go(path`#/member/${now.member}`, { saying: w.merged(now.member) });
  }

  async function dropClip(clip, n) {
    const isLast = found.clips.length === 1;
    const sure = await ask({
      title: w.deleteAsk(n),
      body: isLast ? [el("p", {}, w.deleteLast(name))] : [],
      yes: w.deleteShort,
      no: words.cancel,
      isDanger: true,
    });
    if (!sure) return;
    await remove(`${where}/clips/${clip.id}`);
    if (isLast) go("#/household", { saying: w.forgotten(name, 1) });
    else again({ saying: w.deleted });
  }

  const clip = (each, k) =>
    el(
      "li",
      {},
      el(
        "span",
        {},
        w.clipLine(each.speech_s, since(each.added_at)),
        each.device && `, ${each.device}`,
        each.origin === "confirmed" && `, ${w.confirmed}`,
      ),
      button(
        w.deleteShort,
        handle(() => dropClip(each, k + 1)),
        { class: "quiet", "aria-label": w.deleteClip(k + 1) },
      ),
    );

  const progress = ring(words.enroll.ring(found.member), found.percent);
  const archive = handle(async () =>
    download(await fetchFile("GET", `${where}/archive`), `${found.member}.zip`),
  );
  return {
    title: found.member,
    body: [
      said.node,
      el(
        "div",
        { class: "person" },
        progress.node,
        el(
          "div",
          {},
          el("p", {}, w.agreed(found.consents.voice.given_by, date(found.consent_at))),
          hint(found) && el("p", { class: found.enroll_again ? "warn" : "note" }, hint(found)),
          link(w.add, path`#/add/${found.member}`, { class: "button main" }),
        ),
      ),
      el(
        "section",
        {},
        el("h2", {}, words.enroll.clipsTitle),
        el("ol", { class: "clips" }, found.clips.map(clip)),
      ),
      el(
        "p",
        { class: "actions" },
        button(w.rename, handle(rename)),
        others.length > 0 && button(w.merge, handle(merge)),
        button(w.archive, archive),
        button(
          w.forget(found.member),
          handle(() => forgetMember({ home, go }, found.member)),
          { class: "danger" },
        ),
      ),
      el("p", {}, link(w.back, "#/household")),
    ],
  };
}

export function hint({ enroll_again, percent }) {
  if (enroll_again) return words.household.old;
  return percent < 100 ? words.household.incomplete : null;
}
