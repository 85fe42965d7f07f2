// Small pieces that the views are built of. Text always goes in as text, never as markup.

import { percent, problemWords } from "./language.js";

const PROPERTIES = new Set([
  "value",
  "checked",
  "disabled",
  "hidden",
  "files",
  "onclick",
  "onsubmit",
  "onchange",
  "oninput",
  "ondragover",
  "ondragleave",
  "ondrop",
]);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(
    ...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

export const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export const button = (text, onclick, attributes = {}) =>
  el("button", { type: "button", onclick, ...attributes }, text);

export const link = (text, href, attributes = {}) => el("a", { href, ...attributes }, text);

// What happened, said by a screen reader as soon as its text changes.
export function status() {
  const node = el("p", { class: "status", role: "status" });
  return {
    node,
    say(text, kind = "") {
      node.className = `status ${kind}`;
      node.textContent = text;
    },
  };
}

// Makes what a button does tell through `said` why it failed, if it does.
export const telling = (said) => (work) => async () => {
  try {
    await work();
  } catch (error) {
    said.say(problemWords(error), "bad");
    said.node.scrollIntoView({ block: "nearest" });
  }
};

// A ring that fills; `set` takes a percentage.
export function ring(label, begun = 0) {
  const done = svg("circle", { class: "done", cx: 50, cy: 50, r: 44, pathLength: 100 });
  const number = svg("text", { x: 50, y: 50, dy: "0.35em", "text-anchor": "middle" });
  const node = svg(
    "svg",
    {
      class: "ring",
      viewBox: "0 0 100 100",
      role: "progressbar",
      "aria-label": label,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    },
    svg("circle", { class: "whole", cx: 50, cy: 50, r: 44 }),
    done,
    number,
  );
  const set = (value) => {
    node.setAttribute("aria-valuenow", value);
    node.classList.toggle("complete", value >= 100);
    done.setAttribute("stroke-dasharray", `${value} 100`);
    number.textContent = percent(value / 100);
  };
  set(begun);
  return { node, set };
}

// A bar of a share, 0 to 1; the figure stands beside it as text.
export function bar(share, kind = "") {
  const inner = el("span", { class: `fill ${kind}` });
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return el("span", { class: "bar", "aria-hidden": "true" }, inner);
}

let nIds = 0;
export const newId = () => `id-${(nIds += 1)}`;

export function field(label, input, note = null) {
  input.id = newId();
  const hint = note && el("p", { class: "note", id: newId() }, note);
  if (hint) input.setAttribute("aria-describedby", hint.id);
  return el("div", { class: "field" }, el("label", { for: input.id }, label), input, hint);
}

export function tick(label, input = el("input")) {
  input.type = "checkbox";
  return el("label", { class: "tick" }, input, el("span", {}, label));
}

// Marks a field as wrong and says why; the first such field gets the focus.
export function complain(input, text) {
  const place = input.closest(".field, .tick");
  place.nextElementSibling?.matches(".complaint") && place.nextElementSibling.remove();
  input.removeAttribute("aria-invalid");
  if (!text) return;
  const id = newId();
  place.after(el("p", { class: "complaint", id, role: "alert" }, text));
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-errormessage", id);
  input.focus();
}

// A question that must be answered: `await ask(...)` is the form's data, or null for "no".
export function ask({ title, body = [], yes, no, isDanger = false }) {
  const heading = el("h2", { id: newId() }, title);
  const form = el(
    "form",
    { method: "dialog" },
    heading,
    ...body,
    el(
      "div",
      { class: "actions" },
      button(no, () => dialog.close("no")),
      el("button", { value: "yes", class: isDanger ? "danger" : "main" }, yes),
    ),
  );
  const dialog = el("dialog", { "aria-labelledby": heading.id }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => {
      const data = dialog.returnValue === "yes" ? new FormData(form) : null;
      dialog.remove();
      answer(data);
    });
  });
}

// Another name for `value`: `await askName(...)` is the name as typed, or null for "no".
export async function askName({ title, label, value, yes, no }) {
  const input = el("input", {
    type: "text",
    name: "name",
    maxlength: 80,
    required: true,
    autocomplete: "off",
    value,
  });
  const data = await ask({ title, body: [field(label, input)], yes, no });
  return data && data.get("name").trim();
}
