// What somebody sees first, while nobody is enrolled.

import { el, link } from "../pieces.js";
import { words } from "../language.js";

export function start() {
  const { title, lead, steps, first } = words.start;
  return {
    title,
    body: [
      el("p", { class: "lead" }, lead),
      el(
        "ol",
        { class: "steps" },
        steps.map((step) => el("li", {}, step)),
      ),
      el("p", {}, link(first, "#/add", { class: "button main large" })),
      el("p", { class: "note" }, words.start.private),
    ],
  };
}
