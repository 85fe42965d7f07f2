// The service behind the page: one function for every call, one kind of error.

const BASE = "/api/v1";
const TOKEN = "spkid.token";

// `code` is one of the service's, or "unreachable"; `detail` its sentence in English.
export class Problem extends Error {
  constructor(code, { detail = "", sounds_like } = {}) {
    super(detail || code);
    Object.assign(this, { code, detail, sounds_like });
  }
}

export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);
export const dropToken = () => sessionStorage.removeItem(TOKEN);
export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

// path`/households/${name}` encodes what is put in.
export const path = (parts, ...names) =>
  String.raw({ raw: parts }, ...names.map(encodeURIComponent));

async function problem(answer) {
  const said = await answer.json().catch(() => ({}));
  return new Problem(said.code ?? "unforeseen", {
    detail: said.detail ?? answer.statusText,
    sounds_like: said.sounds_like,
  });
}

async function call(method, where, { query = {}, json, body } = {}) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  else if (body) headers["Content-Type"] = body.type || "application/octet-stream";
  const asked = new URLSearchParams(query).toString();
  let answer;
  try {
    answer = await fetch(BASE + where + (asked && `?${asked}`), {
      method,
      headers,
      body: json === undefined ? body : JSON.stringify(json),
    });
  } catch {
    throw new Problem("unreachable");
  }
  if (!answer.ok) throw await problem(answer);
  return answer;
}

const said = async (...request) => {
  const answer = await call(...request);
  return answer.status === 204 ? null : answer.json();
};

export const get = (where) => said("GET", where);
export const remove = (where) => said("DELETE", where);
export const change = (where, json) => said("PATCH", where, { json });
export const put = (where, json) => said("PUT", where, { json });
export const post = (where, json) => said("POST", where, { json });
export const send = (where, sound, query) => said("POST", where, { body: sound, query });
export const fetchFile = async (method, where) => (await call(method, where)).blob();

// Hands a file to the person, under the name given.
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  const anchor = Object.assign(document.createElement("a"), { href: address, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
