// What the panel tells of a conversation: its entries in plain words, what they still owe, and why a death loses nothing. Pure.

import { kindOf, typed } from "./transcript.js";

const WORDS_CHARS_MAX = 60;
const STEPS_FORWARD = ["answer", "result", "delivered", "delivery_failed", "fetched", "failed", "summary", "set_aside"];
const OUTCOMES = {
  ok: (tool) => `${tool} is done`,
  error: (tool) => `${tool} failed`,
  declined: (tool) => `${tool} was not run`,
  unknown: (tool) => `nobody can know whether ${tool} happened`,
};
const SENT = { a: "the answer", q: "the question", n: "the notice" };

// Reads entries in their order. `line(entry)` gives its words; `owed` is what the transcript still asks for:
//   answer · call {tool, repeatable} · choice {question} · nothing
export class Story {
  step = 0; // when the last step forward was taken
  answered = null; // the last whole answer: {at, since}, `since` when the message that it answers came
  #calls = new Map();
  #questions = new Map();
  #inputs = []; // {seq, at} of what no answer has seen
  #aside = 0; // when the message that was set aside came
  #goesOn = null; // an answer that waits for the results of its calls: {since}

  line(entry) {
    const kind = kindOf(entry);
    if (STEPS_FORWARD.includes(kind)) this.step = entry.at;
    return this[`_${kind}`]?.(entry, entry.body) ?? kind.replaceAll("_", " ");
  }

  get owed() {
    for (const { tool, repeatable } of this.#calls.values()) return { kind: "call", tool, repeatable };
    if (this.#inputs.length || this.#goesOn) return { kind: "answer" };
    for (const question of this.#questions.values()) return { kind: "choice", question };
    return { kind: "nothing" };
  }

  // Since when it is owed, or since the last step towards it.
  get since() {
    return Math.max(this.step, this.#inputs[0]?.at ?? 0);
  }

  _user({ seq, at }, { text }) {
    this.#inputs.push({ seq, at });
    return `you wrote “${short(text)}”`;
  }

  _correction(entry, { text }) {
    return text == null ? "you deleted a message" : "you changed a message";
  }

  _command({ seq, at }, body) {
    if (body.name === "retry") this.#inputs.push({ seq, at });
    if (["stop", "new"].includes(body.name)) this.#drop(seq);
    return `you ordered ${short(typed(body))}`;
  }

  _choice({ seq, at }, { question, option }) {
    const kind = this.#questions.get(question);
    this.#questions.delete(question);
    if (kind === "unknown") this.#inputs.push({ seq, at });
    if (kind === "poison" && option !== "discard") this.#inputs.push({ seq, at: this.#aside || at });
    if (kind === "budget" && option === "stop") this.#drop(seq);
    return `you chose “${option}”`;
  }

  _answer({ at }, { seen, text = "", calls = [] }) {
    const since = this.#goesOn?.since ?? this.#inputs[0]?.at ?? at;
    this.#inputs = this.#inputs.filter(({ seq }) => seq > seen);
    this.#goesOn = calls.length ? { since } : null;
    for (const { id, tool } of calls) this.#calls.set(id, { tool, repeatable: true, started: false });
    if (!calls.length) this.answered = { at, since };
    if (calls.length) return `the model asks for ${calls.map(({ tool }) => tool).join(" and ")}`;
    return `the whole answer, ${[...text].length.toLocaleString("en")} characters`;
  }

  _tool_started(entry, { call, repeatable = false }) {
    const known = this.#calls.get(call) ?? { tool: "a tool" };
    const again = known.started ? " again" : "";
    this.#calls.set(call, { ...known, repeatable, started: true });
    return `${known.tool} is about to run${again} (${repeatable ? "safe to repeat" : "must not run twice"})`;
  }

  _result(entry, { call, outcome }) {
    const tool = this.#calls.get(call)?.tool ?? "a tool";
    this.#calls.delete(call);
    return (OUTCOMES[outcome] ?? OUTCOMES.unknown)(tool);
  }

  _question({ seq }, { question }) {
    this.#questions.set(seq, question);
    return "a question for you";
  }

  _notice(entry, { about = 0 }) {
    this.#questions.delete(about);
    return "a word from Holdfast itself";
  }

  _set_aside(entry, { upto }) {
    this.#aside = this.#goesOn?.since ?? this.#inputs[0]?.at ?? 0;
    this.#drop(upto + 1);
    return "set aside: too many deaths without a step forward";
  }

  _delivery_started(entry, { of }) {
    return `${SENT[of[0]] ?? "it"} is about to be shown to you`;
  }

  _delivered(entry, { of }) {
    return `${SENT[of[0]] ?? "it"} was shown to you`;
  }

  _delivery_failed() {
    return "it could not be shown";
  }

  _failed() {
    return "the model could not take this";
  }

  _fetched() {
    return "a file was fetched";
  }

  _summary() {
    return "a summary for the model";
  }

  #drop(before) {
    this.#inputs = this.#inputs.filter(({ seq }) => seq >= before);
    this.#goesOn = null;
  }
}

export const OWED = {
  answer: () => "an answer. Nothing of it is on disk until it is whole",
  call: ({ tool }) => `the result of ${tool}`,
  choice: () => "your choice",
  nothing: () => "nothing",
};

// Why nothing is lost, by what was broken and what was owed when it was.
export function why(broken, owed) {
  const kind = owed.kind === "call" ? (owed.repeatable ? "repeat" : "once") : owed.kind;
  return WHY[broken][kind] ?? WHY[broken].nothing;
}

const UNKNOWN =
  "“About to run” was on disk and a result was not, so nobody can know whether it happened. This tool must not run twice: you are asked instead. Press “check” in the conversation.";

const WHY = {
  gateway: {
    answer:
      "Your message was on disk before it said “saved”. The half-written answer was not, and need not be: the new process reads these entries, sees that an answer is owed, and asks the model again.",
    repeat: "“About to run” was on disk and a result was not. This tool is safe to repeat, so the new process runs it again.",
    once: UNKNOWN,
    choice: "The question is an entry like any other. It waits for you in every process.",
    nothing: "Nothing was owed just then, so the new process had nothing to do. Ask for something, and press it in the middle.",
  },
  tool: {
    repeat: "The call was lost with its server. It is safe to repeat, so it is made again as soon as the gateway has started a new one.",
    once: UNKNOWN,
    nothing: "No call was under way. The gateway has started another one, and the next call goes there.",
  },
  model: {
    answer:
      "What it had written is thrown away, and the conversation waits: as a row on the disk, not as a timer in memory. Kill the gateway meanwhile, if you like. It goes on by itself.",
    nothing: "Ask for something now: it is saved, waits, and is answered when the model is back.",
  },
};

export const ASIDE =
  "Three deaths in a row without one step forward: perhaps it is this very message that kills. So that it can’t for ever, Holdfast sets it aside and asks you. Nothing is lost: press “try again” in the conversation.";
export const BACK =
  "The next try comes by itself. After each failure the wait may be twice as long, so that a server that is just getting up isn’t run over by everybody at once. In a hurry? “Try now” in the conversation.";
export const ONE_MORE = "Once more without a step forward, and Holdfast will ask you whether it is this message that kills.";

const short = (text) => {
  const line = [...text.replace(/\s+/g, " ")];
  return line.length > WORDS_CHARS_MAX ? `${line.slice(0, WORDS_CHARS_MAX - 1).join("")}…` : line.join("");
};
