// The list of conversations, its search, and the drawer that it is on a small screen.

import { Away, NotLoggedIn, conversations, nameOf } from "./api.js";
import { $, h, setText, shortTimeOf, show } from "./dom.js";

const TYPING_MS = 150;
const AGAIN_MS = 2000;
const STATES = { working: "working", waiting: "waiting", asking: "asking" };

export class Sidebar {
  #rows = [];
  #elements = new Map();
  #current = "";
  #asked = 0;
  #timer = 0;
  known = false; // has the gateway told the list?

  // `open(name)` is told which conversation was picked; `changed()` that the list is another.
  constructor({ open, changed, loggedOut }) {
    Object.assign(this, { open, changed, loggedOut });
    this.search = $("search");
    this.search.addEventListener("input", () => this.#later(TYPING_MS));
    this.search.addEventListener("keydown", (event) => this.#searchKey(event));
    $("conversations").addEventListener("keydown", (event) => this.#listKey(event));
    $("conversations").addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.toggle(false);
      this.open(link.dataset.name);
    });
    $("menu").addEventListener("click", () => this.toggle(true));
    $("shade").addEventListener("click", () => this.toggle(false));
    $("close-menu").addEventListener("click", () => this.toggle(false));
  }

  get isDrawerOpen() {
    return document.body.classList.contains("drawer");
  }

  // Opens or closes the drawer. Where there is room for the list, it is always there.
  toggle(open) {
    if (open === this.isDrawerOpen) return;
    document.body.classList.toggle("drawer", open);
    $("menu").setAttribute("aria-expanded", String(open));
    $("talk").inert = open;
    (open ? $("close-menu") : $("menu")).focus();
  }

  // The row of a conversation, if the list has it.
  row(name) {
    return this.#rows.find(({ key }) => nameOf(key) === name);
  }

  get newest() {
    return this.#rows.length ? nameOf(this.#rows[0].key) : "";
  }

  mark(name) {
    this.#current = name;
    for (const [key, element] of this.#elements) {
      if (nameOf(key) === name) element.firstChild.setAttribute("aria-current", "page");
      else element.firstChild.removeAttribute("aria-current");
    }
  }

  // Asks for the list. It is asked for again while the gateway is away.
  async refresh() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    try {
      const rows = await conversations(this.search.value.trim());
      if (asked === this.#asked) this.#show(rows.filter(({ key }) => key.startsWith("web:local:")));
    } catch (error) {
      if (error instanceof NotLoggedIn) this.loggedOut();
      else if (error instanceof Away) this.#later(AGAIN_MS);
      else throw error;
    }
  }

  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), ms);
  }

  #show(rows) {
    this.#rows = rows;
    this.known = true;
    const elements = new Map(rows.map((row) => [row.key, this.#elements.get(row.key) ?? entry(row)]));
    for (const row of rows) fill(elements.get(row.key), row);
    this.#elements = elements;
    $("conversations").replaceChildren(...elements.values());
    const searching = this.search.value.trim();
    show($("none"), !rows.length);
    setText($("none"), searching ? `Nothing found for “${searching}”.` : "No conversations yet.");
    setText($("found"), searching ? `${rows.length} found` : "");
    this.mark(this.#current);
    this.changed();
  }

  #searchKey(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.search.value = "";
      this.refresh();
      $("text").focus();
    } else if (event.key === "ArrowDown" || (event.key === "Enter" && !event.isComposing)) {
      event.preventDefault();
      const first = $("conversations").querySelector("a");
      if (event.key === "Enter") first?.click();
      else first?.focus();
    }
  }

  #listKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const links = [...$("conversations").querySelectorAll("a")];
    const next = links.indexOf(document.activeElement) + step;
    (next < 0 ? this.search : links[next])?.focus();
  }
}

function entry({ key }) {
  const name = nameOf(key);
  const link = h("a", { href: `#${encodeURIComponent(name)}`, "data-name": name });
  link.append(h("span", { class: "title" }), h("time", {}), h("span", { class: "more" }));
  return h("li", {}, link);
}

function fill(element, { title, key, last_at, state, words, excerpt }) {
  const [name, time, more] = element.firstChild.children;
  setText(name, title || nameOf(key));
  setText(time, shortTimeOf(last_at));
  element.dataset.state = state;
  more.replaceChildren(STATES[state] && !excerpt ? h("span", { class: "word" }, STATES[state]) : excerpt || "");
  element.firstChild.title = state === "idle" ? "" : words;
  more.hidden = !more.textContent;
}
