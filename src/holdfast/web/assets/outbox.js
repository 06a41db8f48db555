// The outbox: what was written here and is not known to be saved. It is kept in the browser, message by message, before the first try, and sent
// again until the gateway says "saved" or refuses. The gateway knows a message by its key, so trying again never doubles it, and nor do two tabs.

import { NotLoggedIn, Refused, send } from "./api.js";

const PREFIX = "holdfast.outbox.";
const PAUSE_MS = 300;
const PAUSE_MS_MAX = 5000;

export class Outbox {
  #messages = new Map(); // by key, in order
  #busy = new Set(); // names whose messages are being sent
  #wakes = new Set();
  #last = 0;

  constructor(changed) {
    this.changed = changed;
    const kept = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
    const messages = kept.map((name) => parsed(localStorage.getItem(name))).filter(Boolean);
    for (const message of messages.sort((a, b) => a.at - b.at)) this.#take(message);
    addEventListener("storage", (event) => this.#heard(event));
  }

  // The messages of one conversation that its transcript may not show yet.
  of(name) {
    return [...this.#messages.values()].filter((message) => message.name === name);
  }

  // Keeps a message and begins to send it.
  add(name, text, attachments = []) {
    this.#last = Math.max(this.#last + 0.001, Date.now() / 1000);
    const message = { key: newKey(), name, text, attachments, at: this.#last, state: "sending", why: "" };
    this.#keep(message);
    this.#take(message);
    this.changed(name);
  }

  // The transcript shows it.
  shown(key) {
    this.#drop(key);
  }

  // Takes a refused message out, and gives it back.
  takeBack(key) {
    const message = this.#messages.get(key);
    this.#drop(key);
    if (message) this.changed(message.name);
    return message;
  }

  // The gateway is there, or this browser has logged in: a good moment to try.
  nudge() {
    for (const wake of this.#wakes) wake();
  }

  #take(message) {
    this.#messages.set(message.key, message);
    this.#drain(message.name);
  }

  async #drain(name) {
    if (this.#busy.has(name)) return;
    this.#busy.add(name);
    let pause = PAUSE_MS;
    for (let message; (message = this.of(name).find(({ state }) => state === "sending")); ) {
      try {
        const { seq } = await send(message);
        pause = PAUSE_MS;
        this.#saved(message, seq);
      } catch (error) {
        if (error instanceof Refused) this.#refused(message, error.message);
        else {
          await this.#wait(error instanceof NotLoggedIn ? undefined : pause);
          pause = Math.min(2 * pause, PAUSE_MS_MAX);
        }
      }
    }
    this.#busy.delete(name);
  }

  #saved(message, seq) {
    localStorage.removeItem(PREFIX + message.key);
    Object.assign(message, { state: "saved", seq });
    this.changed(message.name);
  }

  #refused(message, why) {
    Object.assign(message, { state: "refused", why });
    if (this.#messages.has(message.key)) this.#keep(message);
    this.changed(message.name);
  }

  #wait(ms) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = ms === undefined ? 0 : setTimeout(wake, ms);
      this.#wakes.add(wake);
    });
  }

  #keep(message) {
    try {
      localStorage.setItem(PREFIX + message.key, JSON.stringify(message));
    } catch {
      // The browser's store is full or closed to us: the message lives as long as this tab, and is shown as sending until then.
    }
  }

  #drop(key) {
    localStorage.removeItem(PREFIX + key);
    this.#messages.delete(key);
  }

  // Another tab wrote, or is done with, a message.
  #heard({ key, newValue }) {
    if (!key?.startsWith(PREFIX)) return;
    const id = key.slice(PREFIX.length);
    const ours = this.#messages.get(id);
    const message = parsed(newValue);
    if (message && !ours) this.#take(message);
    else if (!message && ours && ours.state !== "saved") this.#messages.delete(id);
    if (message ?? ours) this.changed((message ?? ours).name);
  }
}

function parsed(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.key === "string" && typeof message.name === "string" ? message : null;
  } catch {
    return null;
  }
}

function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
