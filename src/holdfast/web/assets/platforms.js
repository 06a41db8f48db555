// The dialog of the accounts on chat systems: how each is, a try where one is away, who wants to talk, and who may.

import { announce, fill, h, momentOf } from "./dom.js";
import { countdown, instantOf } from "./routes.js";
import { SigningIn } from "./signing-in.js";
import { NONE, Panel } from "./watched.js";

const LOOKS = { connected: "ok", connecting: "idle", waiting: "asking", stopped: "failed" };
const SURE_MS = 5000;

const FACTS = {
  Since: ({ since }) => instantOf(since),
  "Next try": (row) => nextTry(row),
  "Last heard": ({ heard_at }) => ago(heard_at),
  Reconnects: ({ reconnects }) => String(reconnects),
  Received: ({ received }) => String(received),
  "Cursor moved": ({ moved_at }) => ago(moved_at),
  "To be sent": ({ unsaid }) => String(unsaid),
  Unreadable: ({ unread }) => String(unread),
};

export class PlatformPanel extends Panel {
  facts = FACTS;
  none = "There are no accounts of chat systems. A table in the configuration makes one, such as [platforms.telegram.mybot].";
  #tried = new Map(); // name -> how often it had been tried before
  #signings = new Map(); // name -> its `SigningIn`

  // `retry(name)` has the gateway connect this one now; `approve(code)` and `remove(account, id)` change who may talk, and resolve to why that was refused.
  constructor(accounts, { retry, approve, remove }) {
    super("platforms", accounts);
    Object.assign(this, { retry, approve, remove });
    this.dialog.addEventListener("close", () => this.#signings.forEach((signing) => signing.stop()));
  }

  get isStirring() {
    return this.#tried.size > 0 || this.source.rows.some(({ state }) => state === "connecting");
  }

  nameOf({ name }) {
    return name;
  }

  of({ state, identity, why }) {
    const ended = !why || /[.?!…]$/.test(why) ? why : `${why}.`;
    const canTry = state === "waiting" || state === "stopped";
    return { look: LOOKS[state], word: state, aside: identity, why: state === "connected" ? "" : ended, canTry, isTrying: state === "connecting" };
  }

  more(name) {
    this.#signings.set(name, new SigningIn(name, this.source));
    return [this.#signings.get(name).element, h("section", {}, h("h4", { tabindex: "-1" }, "Who may talk"), h("p", { role: "status" }), h("div", {}))];
  }

  dressMore(card, row) {
    card.querySelector("dd").title = momentOf(row.since);
    this.#signings.get(row.name).dress(row);
    const [, , place] = card.lastChild.children;
    const shown = JSON.stringify(row.access);
    if (place.dataset.shown !== shown) {
      place.dataset.shown = shown;
      fill(place, ...this.#people(row.access, card.lastChild));
    }
    this.#tell(row);
  }

  // Those who wait come first: they need somebody.
  #people(access, section) {
    const waiting = access.people.filter(({ since }) => !since);
    const let_in = access.people.filter(({ since }) => since);
    const people = [...waiting.map((person) => this.#waiting(person, section)), ...let_in.map((person) => this.#allowed(person, section))];
    return [people.length > 0 && h("ul", {}, ...people), h("p", {}, configured(access))];
  }

  #waiting({ id, name, code, expires }, section) {
    const act = () => this.#change(section, () => this.approve(code), `${name || id} may talk now.`);
    return h(
      "li",
      {},
      h("p", {}, h("strong", {}, name || id), ` (${id}) wants to talk. `, h("small", {}, `Code ${code}, until ${instantOf(expires)}.`)),
      h("button", { type: "button", class: "small", "aria-label": `Approve ${name || id}`, onclick: act }, "Approve"),
    );
  }

  #allowed({ account, id, name, since, handle }, section) {
    const why = handle ? `The configuration names ${handle}.` : `Approved ${instantOf(since)}.`;
    const act = ({ currentTarget }) => sure(currentTarget) && this.#change(section, () => this.remove(account, id), `${name || id} may no longer talk.`);
    return h(
      "li",
      {},
      h("p", {}, h("strong", {}, name || id), ` (${id}) `, h("small", {}, why)),
      !handle && h("button", { type: "button", class: "small", "aria-label": `Remove ${name || id}`, onclick: act }, "Remove"),
    );
  }

  // The button goes with its line: the focus stays near.
  async #change(section, act, done) {
    const refused = await act();
    section.children[0].focus();
    section.children[1].textContent = refused ?? done;
    await this.source.refresh();
  }

  // What came of a try, read aloud once.
  #tell({ name, state, why, reconnects }) {
    if (!this.#tried.has(name) || state === "connecting" || (state !== "connected" && reconnects <= this.#tried.get(name))) return;
    this.#tried.delete(name);
    announce(state === "connected" ? `${name} is connected.` : `${name} ${state === "waiting" ? "waits" : "has stopped"}. ${why}`);
  }

  tryNow({ name, reconnects }) {
    this.#tried.set(name, reconnects);
    return this.retry(name);
  }
}

// Whether the button was pressed for the second time; the first asks.
function sure(button) {
  if (button.dataset.asked) return true;
  button.dataset.asked = "yes";
  const { textContent, ariaLabel } = button;
  button.textContent = "Really?";
  button.ariaLabel = `Really ${ariaLabel.toLowerCase()}?`;
  announce(`${button.ariaLabel} Press again.`);
  setTimeout(() => {
    delete button.dataset.asked;
    Object.assign(button, { textContent, ariaLabel });
  }, SURE_MS);
  return false;
}

function configured({ owners, allow, groups, pairing, people }) {
  const said = [
    owners.length > 0 && `Owners: ${listed(owners, "everybody")}.`,
    allow.length > 0 && `May talk: ${listed(allow, "everybody")}.`,
    groups.length > 0 && `Groups: ${listed(groups, "all")}.`,
  ].filter(Boolean);
  if (said.length) return `By the configuration: ${said.join(" ")}`;
  const how = pairing ? "Whoever writes to it is told a code, and can be approved here." : "Pairing is off: name people in the configuration.";
  return people.some(({ since }) => since) ? "The configuration names nobody." : `Nobody may talk yet. ${how}`;
}

const listed = (names, all) => names.map((name) => (name === "*" ? all : name)).join(", ");

function nextTry({ state, next_try }) {
  if (state === "connected") return NONE;
  if (state === "stopped") return "by hand";
  return countdown(next_try) || "now";
}

function ago(at) {
  if (!at) return NONE;
  const passed = Math.max(Math.round(Date.now() / 1000 - at), 0);
  if (passed < 120) return `${passed} s ago`;
  return passed < 7200 ? `${Math.round(passed / 60)} min ago` : instantOf(at);
}
