// Asks for the token, once.

import { complain, el, field } from "../pieces.js";
import { words } from "../language.js";
import { hasToken, dropToken, keepToken } from "../service.js";

export function wantToken(onToken) {
  const wasWrong = hasToken();
  dropToken();
  const input = el("input", { type: "password", autocomplete: "off", spellcheck: "false" });
  const onsubmit = (event) => {
    event.preventDefault();
    const token = input.value.trim();
    if (!token) return complain(input, words.token.missing);
    keepToken(token);
    onToken();
  };
  return {
    title: words.token.title,
    body: [
      el("p", { class: "lead" }, words.token.lead),
      wasWrong && el("p", { class: "status bad", role: "alert" }, words.token.wrong),
      el(
        "form",
        { class: "card", onsubmit },
        field(words.token.label, input, words.token.note),
        el("button", { class: "main" }, words.token.open),
      ),
    ],
  };
}
