// From entries (core/entries.py) to what is shown of them. Pure: no document, no clock.
//
// An item has a `type`, an `id` that stays the same from the first sign of it to the last, and what its type needs:
//
//   message   what you wrote: text, files, state, why
//   command   an order or a choice you gave: text, state
//   answer    what the model wrote: text; `live` while it is being written, `stale` what was written before a break, `cut` if it was stopped
//   tool      a call: tool, arguments, state (soon, asking, working, ok, failed, unknown, declined), result, whole (a file), again, progress
//   files     what a call made: tool, files
//   question  text, options, free, seq, closed (choice, message, notice; "" while it is open), option, why (what the notice says), alone (only here)
//   notice    the gateway's own voice: text
//   owner     what the gateway tells its owner: text
//   note      something that happened, in a quiet line: text
//   divider   a fresh start

const CUTS = ["stop", "new"];
const OUTCOMES = { ok: "ok", error: "failed", declined: "declined", unknown: "unknown" };
const BY_STANDING = { working: "working", waiting: "waiting", asking: "asking" };

export const answerName = ({ n, after_cut }) => (after_cut ? `a${n}.${after_cut}` : `a${n}`);
export const kindOf = (entry) => entry.body.kind.split("/")[0];

// What a person's message, order or choice reads, as it was typed.
export function typed(body) {
  if (body.kind.startsWith("choice/")) return `/choose ${body.question} ${body.option}`;
  return `/${body.name}${body.args ? ` ${body.args}` : ""}`;
}

export function itemsOf({ entries, standing = null, live = null, outbox = [], partials = [], progress = {} }) {
  const reader = new Reader(standing?.state, partials, progress);
  for (const entry of entries) reader.read(entry);
  for (const message of outbox) reader.pending(message);
  if (live) reader.live(live);
  if (asks(reader.items)) for (const item of reader.items) if (item.type === "message" && item.state === "working") item.state = "asking";
  return reader.items.filter(({ hidden }) => !hidden);
}

const isPutTo = (question, { author }) => !question.to || question.to === author;

// Does a call wait in its middle for an answer that is not on its way?
export const asks = (items) => items.some(({ type, kind, closed, pending }) => type === "question" && kind === "elicitation" && !closed && !pending);

class Reader {
  items = [];
  #ids = new Set();
  #messages = [];
  #calls = new Map();
  #questions = new Map();
  #cut = 0;

  constructor(state, partials, progress) {
    this.state = BY_STANDING[state] ?? "saved";
    this.partials = partials;
    this.progress = progress;
  }

  read(entry) {
    this[`_${kindOf(entry)}`]?.(entry, entry.body);
    for (const partial of this.partials.filter(({ after }) => after === entry.seq)) {
      this.#put({ type: "answer", id: `stopped:${partial.name}`, text: partial.text, at: entry.at, cut: true });
    }
  }

  // What is not known to be in the transcript.
  pending({ key, text, attachments, state, why, at }) {
    const id = `key:${key}`;
    if (this.#ids.has(id)) return;
    const files = attachments.map(({ sha256, name, media_type }) => ({ sha256, name, media_type }));
    const type = text.startsWith("/") && !text.startsWith("//") ? "command" : "message";
    const [, number, option] = /^\/choose (\d+) (.*)/s.exec(text) ?? [];
    const chosen = this.#questions.get(Number(number));
    this.#put({ type, id, key, text: chosen ? option : text.replace(/^\/\//, "/"), files, state, why, at, choice: Boolean(chosen) });
    if (chosen && state !== "refused") chosen.pending = true;
  }

  live({ name, text, seen, stale }) {
    const id = `answer:${name}`;
    if (!this.#ids.has(id)) this.#put({ type: "answer", id, text, live: true, stale, seen }, seen);
  }

  // Puts an item last; one that knows only what came up to `seen` goes before the messages that it does not know.
  #put(item, seen = Infinity) {
    let index = this.items.length;
    while (index > 0 && this.items[index - 1].type === "message" && (this.items[index - 1].seq ?? Infinity) > seen) index--;
    this.items.splice(index, 0, item);
    this.#ids.add(item.id);
  }

  _user({ seq, at }, body) {
    const files = (body.attachments ?? []).map(({ name, media_type, source }) => ({ sha256: source ?? "", name, media_type }));
    const item = { type: "message", id: `key:${body.id}`, seq, at, text: body.text, files, state: this.state };
    this.#put(item);
    this.#messages.push({ item, open: true, source: body.id });
    if (body.scheduled) return; // nobody wrote it
    for (const question of this.#questions.values()) {
      if (question.overtakable && !question.closed && isPutTo(question, body)) question.closed = "message";
    }
  }

  _correction({ seq }, body) {
    const message = this.#messages.find(({ source }) => source === body.of);
    if (!message) return;
    if (body.text == null) this.#close(message, "deleted");
    else message.item.text = body.text;
    message.item.corrected = seq;
  }

  _command({ seq, at }, body) {
    this.#put({ type: "command", id: `key:${body.id}`, seq, at, text: typed(body), state: "saved" });
    if (CUTS.includes(body.name)) this.#stop(seq);
    if (body.name === "new") this.#put({ type: "divider", id: `new:${seq}`, at, text: "A fresh start" });
  }

  // What a page has that was open before it was erased, goes from there too.
  _forgotten({ seq, at }) {
    this.items.length = 0;
    this.#put({ type: "divider", id: `forgotten:${seq}`, at, text: "Everything before this was erased" });
  }

  _choice({ seq, at }, body) {
    const question = this.#questions.get(body.question);
    this.#put({ type: "command", id: `key:${body.id}`, seq, at, text: question ? body.option : typed(body), state: "saved", choice: true });
    if (!question || question.closed || !isPutTo(question, body)) return;
    if (!question.options.includes(body.option) && !(question.free && body.option)) return;
    Object.assign(question, { closed: "choice", option: body.option });
    if (question.kind === "budget" && body.option === "stop") this.#stop(seq);
    if (question.kind === "poison" && body.option !== "discard") {
      for (const message of this.#messages) if (message.item.state === "aside") this.#open(message);
    }
  }

  _answer({ seq, at }, body) {
    const calls = body.calls ?? [];
    const cut = body.seen < this.#cut;
    if (body.text) {
      this.#put({ type: "answer", id: `answer:${answerName(body)}`, seq, at, text: body.text, route: body.route ?? "", cut }, body.seen);
    }
    for (const { id, tool, arguments: written } of calls) {
      const item = { type: "tool", id: `tool:${id}`, at, tool, arguments: written, state: "soon", result: "", progress: "" };
      this.#calls.set(id, item);
      this.#put(item, body.seen);
    }
    if (!calls.length) for (const message of this.#messages) if (message.item.seq <= body.seen) this.#close(message, "answered");
  }

  _tool_started(entry, body) {
    const call = this.#calls.get(body.call);
    if (!call) return;
    call.again = call.state === "working"; // its process went away, and it is safe to repeat
    call.state = "working";
    call.progress = this.progress[body.call] ?? "";
  }

  _result({ seq, at }, body) {
    const call = this.#calls.get(body.call);
    const whole = body.files?.find((file) => file.whole);
    if (call) Object.assign(call, { state: OUTCOMES[body.outcome] ?? "unknown", result: body.text ?? "", whole, progress: "" });
    const files = (body.files ?? []).filter((file) => !file.whole);
    if (files.length) this.#put({ type: "files", id: `files:${seq}`, seq, at, tool: call?.tool ?? "a tool", files });
  }

  _question({ seq, at }, body) {
    const { text, options, about, to = "", overtakable = false, free = false, question: kind } = body;
    const item = { type: "question", id: `question:${seq}`, seq, at, text, options, free, kind, to, overtakable, closed: "", option: "", why: "" };
    this.#questions.set(seq, item);
    this.#put(item);
    if (kind === "approval" && this.#calls.get(about)?.state === "soon") this.#calls.get(about).state = "asking";
  }

  _notice({ seq, at }, body) {
    const before = body.edits && this.items.find(({ id }) => id === `notice:${body.edits}`);
    if (before) Object.assign(before, { text: body.text, at, hidden: false }); // it takes that one's place
    else this.#put({ type: "notice", id: `notice:${seq}`, seq, at, text: body.text, hidden: Boolean(body.stands) }); // how it stands is shown below
    const question = this.#questions.get(body.about);
    if (!question || question.closed) return;
    const alone = this.items.at(-2) === question; // then it is said in the question, and nowhere else
    Object.assign(question, { closed: "notice", why: body.text, alone });
    if (alone) this.items.at(-1).hidden = true;
    if (question.kind === "budget") this.#stop(seq);
  }

  _note({ seq, at }, body) {
    this.#put({ type: "owner", id: `owner:${seq}`, seq, at, text: body.text });
  }

  _failed({ seq, at }, body) {
    this.#put({ type: "note", id: `note:${seq}`, at, text: `The call of the model failed (${body.why || body.failure}).` });
  }

  _fetched({ seq, at }, body) {
    if (body.why && !body.until) this.#put({ type: "note", id: `note:${seq}`, at, text: `A file could not be had: ${body.why}` });
  }

  _summary({ seq, at }) {
    this.#put({ type: "note", id: `note:${seq}`, at, text: "What was said before was summarised for the model. All of it is kept here." });
  }

  _set_aside(entry, body) {
    for (const message of this.#messages) if (message.item.seq <= body.upto) this.#close(message, "aside");
    this.#cut = Math.max(this.#cut, body.upto + 1);
  }

  #stop(seq) {
    this.#cut = seq;
    for (const message of this.#messages) this.#close(message, "stopped");
    for (const question of this.#questions.values()) {
      if (question.kind === "budget" && !question.closed) Object.assign(question, { closed: "message", why: "You stopped here." });
    }
  }

  #close(message, state) {
    if (!message.open) return;
    message.open = false;
    message.item.state = state;
  }

  #open(message) {
    message.open = true;
    message.item.state = this.state;
  }
}
