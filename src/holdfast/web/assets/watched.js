// What the gateway has of one kind (routes, tool servers), and the dialog that shows it: a card for each, kept up to date while somebody looks. Every line
// has its place from the beginning, whatever comes to stand there, and nothing is drawn while a button is held down: so nothing moves under the reader's
// finger.

import { Away, NotLoggedIn } from "./api.js";
import { $, announce, h, setText } from "./dom.js";

const TICK_MS = 1000;
const ASKED_TICKS = 5;
const TRYING_MS = 800;
const TRY = "Try now";

export const NONE = "–";

export class Rows {
  rows = [];
  known = false;
  away = false;
  #asking = false;
  #again = false;

  // `ask()` gets them. `changed()` is told whenever they were asked for, and whether they came.
  constructor(ask, { changed, loggedOut }) {
    Object.assign(this, { ask, changed, loggedOut });
  }

  // Asks for them. Whoever asks in the meantime gets an answer that is no older.
  async refresh() {
    this.#again = this.#asking;
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.rows = await this.ask();
      this.known = true;
      this.away = false;
    } catch (error) {
      if (error instanceof NotLoggedIn) this.loggedOut();
      else if (!(error instanceof Away)) throw error;
      this.away = true;
    } finally {
      this.#asking = false;
    }
    this.changed();
    if (this.#again) await this.refresh();
  }
}

// Its heirs say what a card is: `facts` (each with what it is of a row), `none` (said where there is no row), `nameOf(row)`, and `of(row)`: `{look, word,
// aside, why, canTry, isTrying}`; and what its button does, `tryNow(row)`. They may add to a card: `more(name)`, `dressMore(card, row)`.
export class Panel {
  #cards = new Map();
  #timer = 0;
  #ticks = 0;
  #pressed = new Map(); // name -> when

  constructor(id, source) {
    Object.assign(this, { source, dialog: $(id) });
    this.list = this.dialog.querySelector("ul");
    this.dialog.addEventListener("close", () => clearInterval(this.#timer));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.close()); // beside it
    this.dialog.querySelector("header button").addEventListener("click", () => this.close());
  }

  get isOpen() {
    return this.dialog.open;
  }

  open() {
    this.#ticks = 0;
    this.show();
    this.dialog.showModal();
    this.source.refresh();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  close() {
    this.dialog.close();
  }

  // Is something about to change, so that it has to be asked for more often?
  get isStirring() {
    return false;
  }

  #tick() {
    if (document.hidden) return;
    if (++this.#ticks % ASKED_TICKS === 0 || this.isStirring) this.source.refresh();
    this.show();
  }

  show() {
    if (this.dialog.querySelector("button:active, summary:active")) return;
    const { rows, known, away } = this.source;
    const calm = known && !rows.length ? this.none : "Kept up to date while you look.";
    setText(this.dialog.querySelector("header + p"), away ? "The gateway is away. This is how it was." : calm);
    for (const row of rows) if (!this.#cards.has(this.nameOf(row))) this.#cards.set(this.nameOf(row), this.#card(this.nameOf(row)));
    const cards = rows.map((row) => this.#cards.get(this.nameOf(row)));
    if (cards.length !== this.list.children.length || cards.some((card, index) => this.list.children[index] !== card)) this.list.replaceChildren(...cards);
    for (const row of rows) this.#dress(this.#cards.get(this.nameOf(row)), row);
  }

  #card(name) {
    const facts = Object.keys(this.facts).map((fact) => h("div", {}, h("dt", {}, fact), h("dd", {})));
    const act = (event) => event.currentTarget.getAttribute("aria-disabled") !== "true" && this.#try(name);
    return h(
      "li",
      { class: "part" },
      h("div", { class: "part-head" }, h("span", { class: "dot", "aria-hidden": "true" }), h("h3", {}, name), h("code", {}), h("span", { class: "word" })),
      h("dl", {}, ...facts),
      h("div", { class: "part-foot" }, h("button", { type: "button", class: "small", "aria-label": `Try ${name} now`, onclick: act }, TRY), h("p", {})),
      ...this.more(name),
    );
  }

  more() {
    return [];
  }

  dressMore() {}

  #dress(card, row) {
    const [head, list, foot] = card.children;
    const [button, why] = foot.children;
    const now = this.of(row);
    card.dataset.state = now.look;
    setText(head.children[2], now.aside);
    setText(head.lastChild, now.word);
    setText(why, now.why);
    for (const fact of list.children) setText(fact.lastChild, this.facts[fact.firstChild.textContent](row));
    const trying = now.isTrying || performance.now() - (this.#pressed.get(this.nameOf(row)) ?? -Infinity) < TRYING_MS;
    setText(button, trying ? "Trying…" : TRY);
    button.setAttribute("aria-disabled", String(trying || !now.canTry || this.source.away));
    this.dressMore(card, row);
  }

  async #try(name) {
    this.#pressed.set(name, performance.now());
    announce(`Trying ${name}.`);
    this.show();
    await this.tryNow(this.source.rows.find((row) => this.nameOf(row) === name));
    this.source.refresh();
  }
}
