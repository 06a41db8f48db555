// Signing an account in: a picture that a person scans with their phone, and a number where one is wanted. It ends when it is done, or nobody looks any more.

import { Away, NotLoggedIn, Refused, answerSignIn, signIn } from "./api.js";
import { fill, h, show } from "./dom.js";
import { Parser } from "./events.js";

const MARGIN = 4; // so many squares around a picture are light: phones want that
const SVG = "http://www.w3.org/2000/svg";

export class SigningIn {
  #name;
  #source;
  #connection = null;
  #heading = h("h4", { tabindex: "-1" }, "Sign in");
  #says = h("p", { role: "status" });
  #place = h("div", { class: "signing-in" });
  #button = h("button", { type: "button", class: "small", onclick: () => (this.#connection ? this.stop() : this.#begin()) });

  // A part of the card of the account `name`, which is one of `source.rows`.
  constructor(name, source) {
    this.#name = name;
    this.#source = source;
    this.element = h("section", { hidden: true }, this.#heading, this.#says, this.#place, this.#button);
    this.#offer();
  }

  dress({ signs_in, state }) {
    show(this.element, signs_in && (state !== "connected" || this.#connection !== null));
  }

  stop() {
    this.#connection?.abort();
  }

  #offer(why = "") {
    this.#connection = null;
    this.#says.textContent = why;
    fill(this.#place);
    this.#button.textContent = "Sign in";
    this.#button.ariaLabel = `Sign ${this.#name} in`;
  }

  async #begin() {
    const connection = (this.#connection = new AbortController());
    this.#button.textContent = "Cancel";
    this.#button.ariaLabel = "Cancel signing in";
    this.#says.textContent = "One moment…";
    let why = "The gateway is away. Nobody is signed in.";
    const parser = new Parser((event, data) => {
      why = event === "step" ? (this.#show(data) ?? why) : data.error;
    });
    try {
      const response = await signIn(this.#name, connection.signal);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) parser.feed(part.value);
    } catch (error) {
      if (error instanceof NotLoggedIn) this.#source.loggedOut();
      else if (error instanceof Refused) why = error.message;
      else if (connection.signal.aborted) why = "";
      else if (!(error instanceof Away || error instanceof TypeError)) throw error; // a stream that breaks is a TypeError
    }
    this.#offer(why);
    await this.#source.refresh();
  }

  // Returns what stays to be said, if it is done.
  #show({ says, picture, text, asks, done }) {
    this.#says.textContent = says;
    fill(this.#place, picture.length > 0 && drawn(picture), picture.length > 0 && h("p", {}, "Or open this with that phone: ", h("code", {}, text)), asks && this.#form());
    this.#place.querySelector("svg")?.scrollIntoView({ block: "nearest" });
    this.#place.querySelector("input")?.focus();
    if (done) this.#heading.focus();
    return done ? says : undefined;
  }

  #form() {
    const input = h("input", { type: "text", inputmode: "numeric", autocomplete: "off", "aria-label": "The number that the phone shows" });
    const submit = async (event) => {
      event.preventDefault();
      if (!input.value.trim()) return;
      try {
        await answerSignIn(this.#name, input.value.trim());
      } catch (error) {
        if (!(error instanceof Refused || error instanceof Away)) throw error;
        this.#says.textContent = error.message;
      }
    };
    return h("form", { class: "line", onsubmit: submit }, input, h("button", { type: "submit" }, "Send"));
  }
}

// The picture of these rows, "1" where it is dark.
function drawn(rows) {
  const svg = document.createElementNS(SVG, "svg");
  const size = rows.length + 2 * MARGIN;
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("class", "code");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "A picture to scan with the phone");
  const path = document.createElementNS(SVG, "path");
  const squares = rows.flatMap((row, y) => [...row].map((square, x) => (square === "1" ? `M${x + MARGIN} ${y + MARGIN}h1v1h-1z` : "")));
  path.setAttribute("d", squares.join(""));
  svg.append(path);
  return svg;
}
