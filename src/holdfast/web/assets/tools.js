// The dialog of the tool servers: how each is, a try where one is down, and its tools with what they may do.

import { announce, fill, h, momentOf } from "./dom.js";
import { countdown, instantOf } from "./routes.js";
import { NONE, Panel } from "./watched.js";

const LOOKS = { ready: "ok", starting: "idle", down: "asking", misconfigured: "failed" };

const FACTS = {
  Since: ({ server }) => instantOf(server.since),
  "Next try": ({ server }) => nextTry(server),
  Restarts: ({ server }) => String(server.restarts),
  Tools: ({ server }) => `${server.tools}${server.left_out ? `, ${server.left_out} left out` : ""}`,
  Memory: ({ server }) => (server.memory_bytes == null ? NONE : `${Math.round(server.memory_bytes / 1e6)} MB`),
  Process: ({ server }) => (server.pid == null ? NONE : String(server.pid)),
};

export class ToolPanel extends Panel {
  facts = FACTS;
  none = "There are no tool servers. A table [tools.NAME] in the configuration makes one.";
  #tried = new Map(); // name -> how often it had been started before

  // `retry(name)` has the gateway start this one now.
  constructor(servers, retry) {
    super("tools", servers);
    this.retry = retry;
  }

  get isStirring() {
    return this.#tried.size > 0 || this.source.rows.some(({ server }) => server.state === "starting");
  }

  nameOf({ server }) {
    return server.name;
  }

  of({ server }) {
    const { state, why, left_out } = server;
    const words = [
      state !== "ready" && why && (/[.?!…]$/.test(why) ? why : `${why}.`),
      left_out && `${left_out} of its tools ${left_out === 1 ? "is" : "are"} shown to no model: with all servers there are too many.`,
    ];
    const canTry = state === "down" || state === "misconfigured";
    return { look: LOOKS[state], word: state, aside: "", why: words.filter(Boolean).join(" "), canTry, isTrying: state === "starting" };
  }

  more() {
    return [h("details", {}, h("summary", {}, "What its tools may do"), h("div", {}))];
  }

  dressMore(card, { server, tools }) {
    card.querySelector("dd").title = momentOf(server.since);
    const place = card.lastChild.lastChild;
    const shown = JSON.stringify(tools);
    if (place.dataset.shown !== shown) {
      place.dataset.shown = shown;
      fill(place, tools.length > 0 ? table(server.name, tools) : h("p", {}, "It has shown no tools yet."));
    }
    this.#tell(server);
  }

  // What came of a try, read aloud once.
  #tell({ name, state, why, restarts }) {
    if (!this.#tried.has(name) || state === "starting" || (state !== "ready" && restarts <= this.#tried.get(name))) return;
    this.#tried.delete(name);
    announce(state === "ready" ? `${name} is ready.` : `${name} is ${state}. ${why}`);
  }

  tryNow({ server }) {
    this.#tried.set(server.name, server.restarts);
    return this.retry(server.name);
  }
}

function nextTry({ state, next_try }) {
  if (state === "ready") return NONE;
  if (state === "misconfigured") return "by hand";
  return countdown(next_try) || "now";
}

function table(server, tools) {
  const head = ["Tool", "Policy", "If interrupted"].map((name) => h("th", { scope: "col" }, name));
  return h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...tools.map((tool) => row(server, tool)))));
}

function row(server, { name, own_name, about, policy, repeatable, left_out }) {
  const known = name === `${server}__${own_name}` ? own_name : `${own_name} (known as ${name})`;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, known), h("small", {}, about)),
    h("td", {}, left_out ? `${policy}, left out` : policy),
    h("td", {}, repeatable ? "called again" : "you are asked"),
  );
}
