// What the page asks of the gateway (web/door.py). Three things can go wrong, and each has a name.

export class Away extends Error {} // no answer, or none now: ask again
export class Refused extends Error {} // it never will: the message says why
export class NotLoggedIn extends Error {} // this browser has to log in first

const ANSWER_MS_MAX = 20_000;
const NOT_NOW = [408, 425, 429];
const OURS = { "x-holdfast": "1" }; // no foreign site can send this

export const keyOf = (name) => `web:local:${name}`;
export const nameOf = (key) => key.slice("web:local:".length);
const at = (key) => `/v1/conversations/${encodeURIComponent(key)}`;

export const conversations = (search) => ask(`/v1/conversations${search ? `?search=${encodeURIComponent(search)}` : ""}`);
export const status = () => ask("/v1/status");
export const routes = () => ask("/v1/routes");
export const tools = () => ask("/v1/tools");
export const platforms = () => ask("/v1/platforms");
export const people = () => ask("/v1/people");
export const entries = (key, before, most, signal) => ask(`${at(key)}/entries?before=${before}&most=${most}`, { signal });
export const send = ({ name, key, text, attachments }) => post(`${at(name)}/messages`, { key, text, attachments });
export const retry = (gate) => post(`/v1/gates/${encodeURIComponent(gate)}/retry`, {});
export const retryTools = (server) => post(`/v1/tools/${encodeURIComponent(server)}/retry`, {});
export const retryPlatform = (name) => post(`/v1/platforms/${encodeURIComponent(name)}/retry`, {});
export const signIn = (name, signal) => reach(`/v1/platforms/${encodeURIComponent(name)}/sign-in`, { method: "POST", headers: OURS, signal });
export const answerSignIn = (name, said) => post(`/v1/platforms/${encodeURIComponent(name)}/sign-in/answer`, { said });
export const approve = (code) => post("/v1/people/approve", { code });
export const remove = (account, id) =>
  ask(`/v1/people/${encodeURIComponent(account)}/${encodeURIComponent(id)}`, { method: "DELETE", headers: OURS });
export const leaveSafeMode = () => post("/v1/safe-mode/leave", {});
export const login = (code) => post("/v1/login", { code });
export const logout = () => post("/v1/logout", {});
export const eventsOf = (key, after) => `${at(key)}/events?after=${after}`;
export const fileOf = (sha256, name) => `/v1/files/${encodeURIComponent(sha256)}?name=${encodeURIComponent(name)}`;

const post = (path, body) =>
  ask(path, { method: "POST", headers: { ...OURS, "content-type": "application/json" }, body: JSON.stringify(body) });

async function ask(path, options = {}) {
  const signal = AbortSignal.any([AbortSignal.timeout(ANSWER_MS_MAX), ...(options.signal ? [options.signal] : [])]);
  const response = await reach(path, { ...options, signal });
  try {
    return await response.json();
  } catch (error) {
    throw new Away(String(error));
  }
}

// The response, if it is a good one.
export async function reach(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    throw new Away(String(error));
  }
  if (!response.ok) throw failure(response.status, await response.text().catch(() => ""));
  return response;
}

function failure(status, body) {
  const why = sentence(body) || `The gateway answered ${status}.`;
  if (status === 401) return new NotLoggedIn(why);
  if (status >= 500 || NOT_NOW.includes(status)) return new Away(why);
  return Object.assign(new Refused(why), { status });
}

function sentence(body) {
  try {
    return String(JSON.parse(body).error ?? "");
  } catch {
    return "";
  }
}

// Sends a file; `progress` is told the part that has gone, from 0 to 1. (fetch can't say.)
export function upload(file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/files?name=${encodeURIComponent(file.name)}`);
    for (const [name, value] of Object.entries(OURS)) request.setRequestHeader(name, value);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => {
      if (request.status >= 300) return reject(failure(request.status, request.responseText));
      try {
        resolve(JSON.parse(request.responseText));
      } catch (error) {
        reject(new Away(String(error)));
      }
    };
    request.onerror = () => reject(new Away("The gateway is away."));
    request.onabort = () => reject(new DOMException("Taken back.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
