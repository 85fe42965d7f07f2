// The sound as a picture, with the line of the moments that counted above it.

import { el, svg } from "./pieces.js";
import { number, words } from "./language.js";

const LINE_HEIGHT = 40; // of a width of 1000

export function picture({ spectrogram, weights, duration_s }) {
  const canvas = paint(spectrogram);
  const [from, to] = weights ? heaviest(weights, duration_s) : [0, duration_s];
  canvas.setAttribute("role", "img");
  canvas.setAttribute(
    "aria-label",
    words.who.heardAlt(...[duration_s, from, to].map((s) => number(s, 1))),
  );
  const seconds = Array.from({ length: Math.floor(duration_s) + 1 }, (_, s) => s).filter(
    (s) => (duration_s <= 6 || s % 2 === 0) && s < 0.93 * duration_s,
  ); // the last has no room
  const ticks = seconds.map((s) => {
    const tick = el("span", {}, `${s} s`);
    tick.style.left = `${(100 * s) / duration_s}%`;
    return tick;
  });
  return el(
    "figure",
    { class: "picture" },
    el("figcaption", {}, el("strong", {}, words.who.heard), " ", words.who.heardLead),
    weights && curve(weights),
    canvas,
    el("div", { class: "ticks", "aria-hidden": "true" }, ticks),
  );
}

// Ink where it is loud; the style of the page turns it round on dark.
function paint({ bytes, n_bands, n_frames }) {
  const levels = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const canvas = el("canvas", { width: n_frames, height: n_bands });
  const image = new ImageData(n_frames, n_bands);
  for (let band = 0; band < n_bands; band += 1) {
    for (let frame = 0; frame < n_frames; frame += 1) {
      const level = levels[band * n_frames + frame] / 255;
      const at = 4 * ((n_bands - 1 - band) * n_frames + frame);
      image.data[at + 3] = 255 * level ** 1.5; // black of that opacity
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function curve(weights) {
  const most = Math.max(...weights);
  const step = 1000 / weights.length;
  const points = weights.map(
    (weight, k) =>
      `${((k + 0.5) * step).toFixed(1)},${(LINE_HEIGHT * (1 - weight / most)).toFixed(1)}`,
  );
  return svg(
    "svg",
    {
      class: "weights",
      viewBox: `0 0 1000 ${LINE_HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    svg("polygon", { points: `0,${LINE_HEIGHT} ${points.join(" ")} 1000,${LINE_HEIGHT}` }),
  );
}

// The shortest stretch that holds half of the weight.
function heaviest(weights, duration_s) {
  let best = [0, weights.length];
  let sum = 0;
  let start = 0;
  weights.forEach((weight, end) => {
    sum += weight;
    while (sum - weights[start] >= 0.5) sum -= weights[start++];
    if (sum >= 0.5 && end + 1 - start < best[1] - best[0]) best = [start, end + 1];
  });
  return best.map((frame) => (frame * duration_s) / weights.length);
}
