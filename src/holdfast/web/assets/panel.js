// The dialog of the routes: each one's health, what it did today, and a try. Every line has its place from the beginning, whatever comes to stand there, and
// nothing is drawn while a button is held down: so nothing moves under the reader's finger.

import { $, announce, h, momentOf, setText } from "./dom.js";
import { countdown, instantOf, isReady, stateOf, usesOf } from "./routes.js";

const TICK_MS = 1000;
const ASKED_TICKS = 5;
const TRYING_MS = 800;
const NONE = "–";

const FACTS = {
  "Away since": ({ gate }) => (gate.streak ? instantOf(gate.since) : NONE),
  "Next try": (row) => nextTry(row),
  "Last success": ({ gate }) => (gate.last_ok ? instantOf(gate.last_ok) : NONE),
  "Under way": ({ under_way, places }) => `${under_way} of ${places}`,
  "Answers today": ({ used }) => String(used.answers),
  "Tokens today": ({ used }) => (used.answers ? `${short(used.input_tokens)} in, ${short(used.output_tokens)} out` : NONE),
  "Cost today": ({ cost }) => (cost ? cost.toFixed(2) : NONE),
  "Used by": (row) => usesOf(row).join(", ") || "nothing",
};

export class Panel {
  #cards = new Map();
  #timer = 0;
  #ticks = 0;
  #pressed = new Map(); // route -> when

  // `tryNow(gates)` lets one through each of them.
  constructor(routes, tryNow) {
    Object.assign(this, { routes, tryNow, dialog: $("routes") });
    this.dialog.addEventListener("close", () => clearInterval(this.#timer));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.close()); // beside it
    $("close-routes").addEventListener("click", () => this.close());
  }

  get isOpen() {
    return this.dialog.open;
  }

  open() {
    this.#ticks = 0;
    this.show();
    this.dialog.showModal();
    this.routes.refresh();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  close() {
    this.dialog.close();
  }

  #tick() {
    if (document.hidden) return;
    if (++this.#ticks % ASKED_TICKS === 0) this.routes.refresh();
    this.show();
  }

  show() {
    if (this.dialog.querySelector("button:active")) return;
    const { rows, away } = this.routes;
    setText($("routes-state"), away ? "The gateway is away. This is how it was." : "Kept up to date while you look.");
    for (const row of rows) if (!this.#cards.has(row.name)) this.#cards.set(row.name, this.#card(row));
    const cards = rows.map((row) => this.#cards.get(row.name));
    if (cards.some((card, index) => $("route-list").children[index] !== card)) $("route-list").replaceChildren(...cards);
    for (const row of rows) this.#dress(this.#cards.get(row.name), row);
  }

  #card({ name, model, gate }) {
    const facts = Object.keys(FACTS).map((fact) => h("div", {}, h("dt", {}, fact), h("dd", {})));
    const act = (event) => event.currentTarget.getAttribute("aria-disabled") !== "true" && this.#try(name, gate.name);
    return h(
      "li",
      { class: "route" },
      h("div", { class: "route-head" }, h("span", { class: "dot", "aria-hidden": "true" }), h("h3", {}, name), h("code", {}, model), h("span", { class: "word" })),
      h("dl", {}, ...facts),
      h("div", { class: "route-foot" }, h("button", { type: "button", class: "small", "aria-label": `Try ${name} now`, onclick: act }, "Try now"), h("p", {})),
    );
  }

  #dress(card, row) {
    const [head, list, foot] = card.children;
    const [button, why] = foot.children;
    card.dataset.state = row.state === "open" ? "ok" : row.state === "never tried" ? "idle" : row.gate.kind === "config" ? "failed" : "asking";
    setText(head.lastChild, stateOf(row));
    setText(why, row.gate.streak ? row.gate.why : "");
    for (const fact of list.children) setText(fact.lastChild, FACTS[fact.firstChild.textContent](row));
    list.firstChild.lastChild.title = row.gate.since ? momentOf(row.gate.since) : "";
    const trying = performance.now() - (this.#pressed.get(row.name) ?? -Infinity) < TRYING_MS;
    setText(button, trying ? "Trying…" : "Try now");
    button.setAttribute("aria-disabled", String(trying || isReady(row) || this.routes.away));
  }

  async #try(name, gate) {
    this.#pressed.set(name, performance.now());
    announce(`Trying ${name}.`);
    this.show();
    await this.tryNow([gate]);
    this.routes.refresh();
  }
}

function nextTry({ state, gate }) {
  if (isReady({ state })) return NONE;
  return countdown(gate.until) || "next message";
}

const short = (count) => (count < 1000 ? String(count) : count < 1e6 ? `${(count / 1000).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`);
