// How the conversation stands, below its last entry: a line; or, while it waits for a model, a card: for which, why and since when, that nothing is lost,
// when it is tried again, and what a person can do meanwhile. The card stays where it is while one try after the other fails, and while the gateway is away.

import { $, announce, fill, h, setText, show, spoken } from "./dom.js";
import { choicesOf, countdownTo, instantOf } from "./routes.js";

const CALM_MS = 1500; // what is over sooner needs no card
const HOLD_MS = 600; // what fails at once was no change
const TRYING_MS = 800; // so that it can be read
const SOON_MS = 200;

export class StandingView {
  #now = { standing: null, routes: [] };
  #waits = []; // the gates that are waited at, as the gateway said last
  #until = 0;
  #trying = false; // one of them is being tried
  #held = false; // it seems to be over, for a moment now
  #began = 0; // when the waiting was seen first,
  #seen = 0; // and last
  #pressed = 0; // when somebody asked for a try
  #said = ""; // what was read aloud of this wait
  #timer = 0;

  // `acts`: `tryNow(gates)`, `stop()`, `choose(name)`, and `changed()`, told when something has changed by time alone.
  constructor(acts) {
    this.acts = acts;
    $("try-now").addEventListener("click", () => this.#tryNow());
    $("give-up").addEventListener("click", () => acts.stop());
  }

  // Another conversation: nothing of the last one stays.
  clear() {
    this.#waits = [];
    this.#said = "";
    this.#pressed = 0;
  }

  // The state as a person should see it: a try that has not succeeded yet is still a wait. `speaks`: an answer is being written.
  read({ standing, speaks }) {
    const now = performance.now();
    const waits = standing?.waits ?? [];
    const works = standing?.state === "working" && !speaks;
    this.#held = this.#waits.length > 0 && !waits.length && works && now - this.#seen < HOLD_MS;
    if (waits.length && !speaks) {
      if (!this.#waits.length) this.#began = now;
      [this.#waits, this.#until, this.#trying] = [waits, standing.until, works];
    } else if (standing && !this.#held) this.clear();
    if (!this.#held) this.#seen = now;
    return standing && this.#waits.length ? "waiting" : (standing?.state ?? "idle");
  }

  get isCard() {
    const since = Math.min(...this.#waits.map((wait) => wait.since || Infinity));
    return this.#waits.length > 0 && (performance.now() - this.#began >= CALM_MS || Date.now() / 1000 - since > CALM_MS / 1000);
  }

  // `away`: the gateway is; `live`: what is being written; `chosen`: the chain that was chosen here; `asked`: the one that is about to be.
  show(state, now) {
    this.#now = now;
    const card = this.isCard;
    $("standing").dataset.state = state;
    const silent = state === "idle" || this.#waits.length || (state === "working" && now.live?.text);
    setText($("standing-words"), silent ? "" : now.standing.words);
    show($("standing"), state !== "idle" || card);
    show($("standing-line"), !card);
    if (!card && $("wait").contains(document.activeElement)) $("log").focus({ preventScroll: true }); // not lost, and no keyboard comes up
    show($("wait"), card);
    show($("stop"), state !== "idle" && !card);
    if (card) this.#draw();
    this.#tick();
  }

  #draw() {
    const { away, chosen, asked, routes } = this.#now;
    const names = this.#waits.map(({ name }) => name).join(" or ");
    setText($("wait-title"), `Waiting for ${names}`);
    const lines = this.#waits.map(told);
    if ($("wait-why").dataset.lines !== lines.join("\n")) {
      $("wait-why").dataset.lines = lines.join("\n");
      fill($("wait-why"), ...lines.map((line) => h("li", {}, ...spoken(line))));
    }
    for (const button of [$("try-now"), $("give-up")]) button.setAttribute("aria-disabled", String(Boolean(away)));
    this.#others(choicesOf(routes, this.#waits, chosen), away || asked);
    this.#say(`Waiting for ${names}. ${lines.join(" ")} ${$("wait-saved").textContent}`);
  }

  // Each choice keeps its element, and so the focus.
  #others(choices, disabled) {
    const list = $("others-list");
    const there = new Map([...list.children].map((button) => [button.dataset.name, button]));
    list.replaceChildren(...choices.map((choice) => dressed(there.get(choice.name) ?? this.#other(choice.name), choice, disabled)));
    show($("others"), choices.length > 0);
  }

  #other(name) {
    const act = (event) => event.currentTarget.getAttribute("aria-disabled") !== "true" && this.acts.choose(name);
    const dot = h("span", { class: "dot", "aria-hidden": "true" });
    return h("button", { type: "button", class: "other", "data-name": name, onclick: act }, dot, h("span", {}, name), " ", h("small", {}));
  }

  // Once, and again when it is another trouble; not at every try.
  #say(text) {
    if (text === this.#said) return;
    this.#said = text;
    announce(text);
  }

  #tryNow() {
    if (this.#now.away || this.#isTrying) return;
    this.#pressed = performance.now();
    announce("Trying now.");
    this.acts.tryNow(this.#waits.map(({ gate }) => gate));
    this.#tick();
  }

  get #isTrying() {
    return this.#trying || (this.#pressed > 0 && performance.now() - this.#pressed < TRYING_MS);
  }

  // What time alone changes.
  #tick() {
    clearTimeout(this.#timer);
    if (!this.#waits.length) return;
    if (this.#pressed && !this.#isTrying) {
      this.#pressed = 0;
      announce(`Not yet. ${this.#next()}`);
    }
    setText($("next-try"), this.#next());
    const changes = this.#held || !this.isCard || this.#pressed > 0;
    this.#timer = setTimeout(() => (changes ? this.acts.changed() : this.#tick()), changes ? SOON_MS : 1000);
  }

  #next() {
    if (this.#now.away) return "The next try comes when the gateway is back.";
    if (this.#isTrying) return "Trying it now.";
    const left = countdownTo(this.#until);
    return left ? `Next try ${left}.` : "Next try in a moment.";
  }
}

function told({ name, what, since, why, mend }) {
  if (!what) return `${name} lets one after the other through.`;
  return [`${name} ${what}${since ? ` since ${instantOf(since)}` : ""}.`, why && (/[.?!…]$/.test(why) ? why : `${why}.`), mend].filter(Boolean).join(" ");
}

function dressed(button, { ready, state }, disabled) {
  button.dataset.state = ready ? "ok" : "asking";
  button.setAttribute("aria-disabled", String(Boolean(disabled)));
  setText(button.lastChild, state);
  return button;
}
