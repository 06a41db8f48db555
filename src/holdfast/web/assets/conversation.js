// The conversation that is open: its entries as they come, how it stands, and the answer being written.

import { Away, NotLoggedIn, Refused, entries as entriesOf, keyOf } from "./api.js";
import { Events } from "./events.js";
import { answerName, kindOf } from "./transcript.js";

const ENTRIES_AT_ONCE = 200;
const NEWEST = Number.MAX_SAFE_INTEGER;
const PAUSE_MS = 500;

let open = null;
const listeners = new Set();

// For whoever looks on (the demo's panel): every raw entry of the conversation that is open, as `listener(entry, key)`, those that are there first
// and in the order in which they come; earlier ones that are loaded later are not told.
export function onEntry(listener) {
  listeners.add(listener);
  for (const entry of open?.entries ?? []) listener(entry, open.key);
  return () => listeners.delete(listener);
}

// The key of the conversation that is open.
export const currentKey = () => open?.key ?? "";

export class Conversation {
  entries = [];
  more = false; // there are earlier ones
  loaded = false;
  away = false;
  standing = null; // {state, words, until}; null while it is not known
  live = null; // {name, text, seen, stale}: the answer being written, as it is shown
  speaks = false; // an answer is being written, as far as is known
  progress = {}; // by call: how far it has come
  partials = []; // what was written of answers that were stopped; this tab alone has it
  #writing = null; // {name, text}: what the gateway says of it
  #events = null;
  #gone = new AbortController();

  // `changed(what)` is told: "entries", "live", "standing", "list" or "connection".
  constructor(name, changed, loggedOut) {
    Object.assign(this, { name, key: keyOf(name), changed, loggedOut });
    open = this;
    this.#start();
  }

  close() {
    this.#gone.abort();
    this.#events?.close();
  }

  get last() {
    return this.entries.at(-1)?.seq ?? 0;
  }

  async #start() {
    let page;
    while (!(page = await this.#page(NEWEST))) {
      if (this.#gone.signal.aborted) return;
      this.#connection(true);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    if (this.#gone.signal.aborted || page === "logged out") return;
    this.entries = page.entries;
    this.more = page.more;
    this.loaded = true;
    for (const entry of this.entries) this.#tell(entry);
    this.changed("entries");
    this.#events = new Events(this.key, {
      last: () => this.last,
      entry: (entry) => this.#entry(entry),
      writing: (writing) => this.#heard(writing),
      progress: (progress) => this.#progresses(progress),
      standing: (standing) => this.#stands(standing),
      list: () => this.changed("list"),
      open: () => this.#connection(false),
      away: () => this.#connection(true),
      loggedOut: this.loggedOut,
    });
  }

  // Entries before `seq`; null if they can't be had now.
  async #page(seq) {
    try {
      return await entriesOf(this.key, seq, ENTRIES_AT_ONCE, this.#gone.signal);
    } catch (error) {
      if (error instanceof Refused) return { entries: [], more: false }; // nothing was ever said here
      if (error instanceof Away) return null;
      if (!(error instanceof NotLoggedIn)) throw error;
      this.loggedOut();
      return "logged out";
    }
  }

  // The chain that was chosen here last; "" if none was, as far as is known.
  get chosen() {
    return this.entries.findLast(({ body }) => body.kind.startsWith("notice/") && body.chain)?.body.chain ?? "";
  }

  // The route that the last answer came from.
  get route() {
    return this.entries.findLast((entry) => kindOf(entry) === "answer")?.body.route ?? "";
  }

  // Loads what came before. Returns whether it did.
  async earlier() {
    const page = this.more ? await this.#page(this.entries[0].seq) : null;
    if (!page?.entries || this.#gone.signal.aborted) return false;
    this.entries = [...page.entries, ...this.entries];
    this.more = page.more;
    return true;
  }

  #entry(entry) {
    if (entry.seq <= this.last) return;
    const kind = kindOf(entry);
    const cuts = kind === "command" && ["stop", "new"].includes(entry.body.name);
    if (cuts && this.live?.text) this.partials.push({ after: entry.seq, name: this.live.name, text: this.live.text });
    if (cuts || kind === "correction" || (kind === "answer" && this.#isAbout(answerName(entry.body)))) this.live = this.#writing = null;
    if (kind === "answer") this.speaks = false;
    delete this.progress[entry.body.call]; // it began anew, or ended
    this.entries.push(entry);
    this.#tell(entry);
    this.changed("entries");
  }

  #isAbout(name) {
    return this.live?.name === name || this.#writing?.name === name;
  }

  #tell(entry) {
    for (const listener of listeners) listener(entry, this.key);
  }

  // At offset `at`, in characters, the answer reads `text`. What is shown never shrinks: the old text stays, dimmed, until the new one is as long.
  #heard({ name, at, text }) {
    const writing = this.#writing?.name === name ? this.#writing : (this.#writing = { name, text: "", chars: 0 });
    if (at < writing.chars) writing.text = [...writing.text].slice(0, at).join("");
    writing.text += text;
    writing.chars = at + [...text].length;
    const shown = this.live?.name === name ? this.live : null;
    const stale = shown !== null && writing.text.length < shown.text.length;
    this.speaks = true;
    this.live = { name, text: stale ? shown.text : writing.text, seen: shown?.seen ?? this.last, stale };
    this.changed("live");
  }

  #progresses({ call, text }) {
    this.progress[call] = text;
    this.changed("progress");
  }

  #stands(standing) {
    this.standing = standing;
    if (standing.state !== "working") this.#silent();
    if (["idle", "asking"].includes(standing.state)) this.live = this.#writing = null; // nothing is being written
    this.changed("standing");
  }

  #connection(away) {
    this.away = away;
    if (away) {
      this.standing = null;
      this.progress = {};
      this.#writing = null; // it will be written anew
      this.#silent();
    }
    this.changed("connection");
  }

  #silent() {
    this.speaks = false;
    if (this.live) this.live = { ...this.live, stale: true };
  }
}
