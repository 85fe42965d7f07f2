// Where sound comes in: a button to record with a level meter, and a place for files.

import { button, el, newId, status } from "./pieces.js";
import { problemWords, words } from "./language.js";
import { record } from "./microphone.js";

const SILENT_PEAK = 0.003; // -50 dB: a muted microphone, or a very quiet room
const LOUD_PEAK = 0.98;
const SILENT_AFTER_S = 3;
const FLOOR_DB = -60;

const meterShare = (peak) => Math.max(0, 1 - (20 * Math.log10(peak + 1e-9)) / FLOOR_DB);

// `onBegin()` is called as soon as somebody records or gives a file, `onSound(blob)` with the sound; it is
// awaited, and the button says so. `limit_s` ends a recording; `text` is what is to be read, and
// `verdict` the nodes that tell what became of it.
export function soundInput({ limit_s, text, verdict = [], onBegin, onSound }) {
  let recording = null; // what `record` gave, or "opening", or "working"
  let heardAt_s = 0;
  const said = status();
  const hint = el("p", { class: "note" }); // no status: a screen reader would be recorded
  const time = el("span", { class: "time", "aria-hidden": "true" });
  const level = el("span", { class: "fill" });
  const meter = el("div", { class: "meter", "aria-hidden": "true" }, level);
  const face = el("span", {}, words.sound.record);
  const press = button([el("span", { class: "dot", "aria-hidden": "true" }), face, time], toggle, {
    class: "record",
    "aria-describedby": text && (text.id = newId()),
  });
  const input = el("input", {
    type: "file",
    accept: "audio/*,video/webm,video/mp4",
    id: newId(),
    onchange: () => input.files.length && take(input.files[0]),
  });
  const drop = el(
    "div",
    {
      class: "drop",
      ondragover: (event) => {
        event.preventDefault();
        drop.classList.add("over");
      },
      ondragleave: () => drop.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        drop.classList.remove("over");
        const [file] = event.dataTransfer.files;
        if (file && recording === null) take(file);
      },
    },
    el("span", { "aria-hidden": "true" }, words.sound.or),
    input,
    el("label", { class: "button", for: input.id }, words.sound.file),
    el("span", { class: "droppable", "aria-hidden": "true" }, words.sound.drop),
  );

  function show(state) {
    press.classList.toggle("on", state === "recording");
    face.textContent = state === "recording" ? words.sound.stop : words.sound.record;
    press.setAttribute("aria-disabled", state === "opening" || state === "working");
    input.disabled = state !== "idle";
    hint.textContent =
      { opening: words.sound.starting, recording: words.sound.listening }[state] ?? "";
    if (state !== "recording") {
      time.textContent = "";
      level.style.width = "0";
    }
  }

  function onLevel(peak, at_s) {
    if (!recording?.stop) return;
    level.style.width = `${meterShare(peak) * 100}%`;
    level.classList.toggle("loud", peak >= LOUD_PEAK);
    time.textContent = `${Math.floor(at_s)} s`;
    if (peak > SILENT_PEAK) heardAt_s = at_s;
    const isSilent = at_s - heardAt_s > SILENT_AFTER_S;
    const warning = isSilent ? words.sound.silent : peak >= LOUD_PEAK ? words.sound.loud : "";
    // told once, not twenty times a second; that it is too loud stays until the end
    if (warning && said.node.textContent !== warning) said.say(warning, "warn");
    if (!isSilent && said.node.textContent === words.sound.silent) said.say("");
    if (at_s >= limit_s) finish();
  }

  async function toggle() {
    if (recording === null) {
      onBegin();
      recording = "opening";
      show("opening");
      said.say("");
      heardAt_s = 0;
      try {
        const opened = await record(onLevel);
        if (recording !== "opening") return opened.cancel(); // the view was left meanwhile
        recording = opened;
        show("recording");
      } catch (error) {
        idle(problemWords(error), "bad");
      }
    } else if (recording.stop) {
      await finish();
    }
  }

  async function finish() {
    const { stop } = recording;
    recording = "working";
    await give(await stop());
  }

  function take(file) {
    onBegin();
    return give(file);
  }

  async function give(sound) {
    recording = "working";
    show("working");
    said.say(words.sound.working);
    try {
      await onSound(sound);
      idle("");
    } catch (error) {
      idle(problemWords(error), "bad");
    }
  }

  function idle(text, kind) {
    recording = null;
    input.value = "";
    show("idle");
    said.say(text, kind);
  }

  show("idle");
  return {
    node: el(
      "div",
      { class: "sound" },
      press,
      meter,
      hint,
      said.node,
      verdict,
      el("p", { class: "unseen" }, words.sound.headphones),
      drop,
    ),
    leave() {
      recording?.cancel?.();
      recording = "left";
    },
  };
}
