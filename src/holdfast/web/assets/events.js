// One conversation's events, as they come, for as long as the tab is seen. When the connection breaks it is made anew, quickly at first,
// and goes on after the last entry that was heard. (Read by fetch, not by EventSource: that hides why it failed and waits seconds.)

import { NotLoggedIn, eventsOf, reach } from "./api.js";

const PAUSES_MS = [100, 200, 300, 500, 800, 1200, 2000];
const SILENCE_MS_MAX = 40_000; // the gateway says something every 15 s

export class Events {
  #key;
  #hears;
  #connection = null;
  #closed = false;
  #wake = () => {};
  #look = () => this.#seen();
  #doubt = () => this.#connection?.abort(); // made anew at once where the gateway is on this machine

  // `hears` has: `last()` the seq to go on after; `entry`, `writing`, `standing`, `list` for what comes; `open()` and `away()` for the
  // connection; `loggedOut()`.
  constructor(key, hears) {
    this.#key = key;
    this.#hears = hears;
    document.addEventListener("visibilitychange", this.#look);
    addEventListener("online", this.#look);
    addEventListener("offline", this.#doubt);
    this.#run();
  }

  close() {
    this.#closed = true;
    document.removeEventListener("visibilitychange", this.#look);
    removeEventListener("online", this.#look);
    removeEventListener("offline", this.#doubt);
    this.#connection?.abort();
    this.#wake();
  }

  #seen() {
    if (document.hidden) this.#connection?.abort();
    else this.#wake();
  }

  async #run() {
    let tries = 0;
    while (!this.#closed) {
      if (document.hidden) {
        await this.#pause();
        continue;
      }
      try {
        await this.#read(() => {
          tries = 0;
          this.#hears.open();
        });
      } catch (error) {
        if (error instanceof NotLoggedIn && !this.#closed) return this.#hears.loggedOut();
      }
      if (this.#closed || document.hidden) continue;
      if (tries > 0) this.#hears.away();
      await this.#pause(PAUSES_MS[Math.min(tries++, PAUSES_MS.length - 1)]);
    }
  }

  // Until the time is over or there is a reason to look sooner.
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = ms === undefined ? 0 : setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // Returns, or raises, when the connection has ended.
  async #read(opened) {
    const connection = (this.#connection = new AbortController());
    let silence = setTimeout(() => connection.abort(), SILENCE_MS_MAX);
    try {
      const response = await reach(eventsOf(this.#key, this.#hears.last()), { signal: connection.signal });
      opened();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new Parser((name, data) => this.#hears[name]?.(data));
      for (let part = await reader.read(); !part.done && !this.#closed; part = await reader.read()) {
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENCE_MS_MAX);
        parser.feed(part.value);
      }
    } finally {
      clearTimeout(silence);
      connection.abort();
    }
  }
}

// The lines of a stream of server-sent events, whose data is JSON.
export class Parser {
  #rest = "";
  #event = "";
  #data = "";

  constructor(heard) {
    this.heard = heard;
  }

  feed(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  #line(line) {
    if (line.startsWith("event:")) this.#event = line.slice(6).trim();
    else if (line.startsWith("data:")) this.#data += line.slice(5);
    else if (line === "") {
      if (this.#data) this.heard(this.#event, JSON.parse(this.#data));
      this.#event = this.#data = "";
    }
  }
}
