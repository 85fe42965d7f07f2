// The words in the first language of the browser that the page speaks; English otherwise.

const SPOKEN = ["en", "de"];
const wanted = navigator.languages.map((tag) => tag.split("-")[0].toLowerCase());
const language = wanted.find((tag) => SPOKEN.includes(tag)) ?? "en";

export let words;
export async function loadWords() {
  ({ default: words } = await import(`./words/${language}.js`));
  document.documentElement.lang = language;
}

// Figures and dates follow the browser's own region where it is of that language.
const region =
  navigator.languages.find((tag) => tag.toLowerCase().startsWith(language)) ?? language;
const days = new Intl.DateTimeFormat(region, { dateStyle: "medium" });
const ago = new Intl.RelativeTimeFormat(region, { numeric: "auto" });
const DAY_MS = 86_400_000;

export const date = (text) => days.format(new Date(text));

// 0.123 as "12 %": whole percents, and no 100 % or 0 % that is not.
export function percent(share) {
  const whole = new Intl.NumberFormat(region, { style: "percent" }).format(share);
  const edge = share < 1 && share > 0.995 ? 0.99 : share > 0 && share < 0.005 ? 0.01 : null;
  if (edge === null) return whole;
  return (
    (edge > 0.5 ? ">\u2009" : "<\u2009") +
    new Intl.NumberFormat(region, { style: "percent" }).format(edge)
  );
}

export const number = (value, digits) =>
  new Intl.NumberFormat(region, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);

// How long ago in days, months or years, such as "yesterday".
export function since(text) {
  const nDays = Math.round(
    (new Date(text).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / DAY_MS,
  );
  if (nDays > -45) return ago.format(nDays, "day");
  return nDays > -700
    ? ago.format(Math.round(nDays / 30.4), "month")
    : ago.format(Math.round(nDays / 365), "year");
}

// What went wrong, in the page's language where it knows the code.
export function problemWords(error) {
  if (!error.code) console.error(error); // not ours: whoever looks there shall find it
  return (
    words.problems[error.code] ??
    words.sound[error.code] ??
    (error.detail || words.problems.unforeseen)
  );
}
