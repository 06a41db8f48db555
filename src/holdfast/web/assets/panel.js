// The dialog of the routes: each one's health, what it did today, and a try.

import { momentOf } from "./dom.js";
import { countdown, instantOf, isReady, stateOf, usesOf } from "./routes.js";
import { NONE, Panel } from "./watched.js";

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

export class RoutePanel extends Panel {
  facts = FACTS;
  none = "There are no routes.";

  // `tryGates(gates)` lets one through each of them.
  constructor(routes, tryGates) {
    super("routes", routes);
    this.tryGates = tryGates;
  }

  nameOf({ name }) {
    return name;
  }

  of(row) {
    const { state, gate, model } = row;
    const look = state === "open" ? "ok" : state === "never tried" ? "idle" : gate.kind === "config" ? "failed" : "asking";
    return { look, word: stateOf(row), aside: model, why: gate.streak ? gate.why : "", canTry: !isReady(row) };
  }

  dressMore(card, { gate }) {
    card.querySelector("dd").title = gate.since ? momentOf(gate.since) : "";
  }

  tryNow({ gate }) {
    return this.tryGates([gate.name]);
  }
}

function nextTry({ state, gate }) {
  if (isReady({ state })) return NONE;
  return countdown(gate.until) || "next message";
}

const short = (count) => (count < 1000 ? String(count) : count < 1e6 ? `${(count / 1000).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`);
