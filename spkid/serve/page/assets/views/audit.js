// The latest audit: its verdict, and the whole report.

import { button, el, link } from "../pieces.js";
import { words } from "../language.js";
import { download, fetchFile, get, hasToken } from "../service.js";

const REPORT = "/audit/report";

export async function audit({ service }) {
  const body = [el("p", { class: "lead" }, words.audit.lead)];
  if (!service.has_audit) {
    return { title: words.audit.title, body: [...body, el("p", {}, words.audit.none)] };
  }
  const found = await get("/audit");
  // a link carries no token; a page made from the answer would be under this page's own rules
  const report = hasToken()
    ? button(words.audit.save, async () => download(await fetchFile("GET", REPORT), "audit.html"), {
        class: "main",
      })
    : link(words.audit.open, `/api/v1${REPORT}`, {
        class: "button main",
        target: "_blank",
        rel: "noopener",
      });
  body.push(
    el(
      "section",
      { class: "card" },
      el("h2", {}, words.audit.verdict),
      el(
        "div",
        { lang: "en" },
        el("p", {}, el("strong", {}, found.title)),
        el(
          "ol",
          {},
          (found.verdict ?? []).map((sentence) => el("li", {}, sentence)),
        ),
      ),
      el("p", {}, report),
    ),
  );
  return { title: words.audit.title, body };
}
