// The menu of commands that opens where a message begins with a slash.

import { h } from "./dom.js";

export const COMMANDS = [
  ["stop", "stops what is being done"],
  ["retry", "answers your last message again"],
  ["new", "starts afresh here; the history is kept"],
  ["model", "uses another model here", "[NAME]"],
  ["title", "gives this conversation a name", "NAME"],
  ["status", "says what this conversation is doing"],
  ["help", "lists what you can order"],
];

// The commands that the text may be the beginning of.
export function matching(text) {
  const found = /^\/([a-z]*)$/i.exec(text);
  return found ? COMMANDS.filter(([name]) => name.startsWith(found[1].toLowerCase())) : [];
}

export class Menu {
  #chosen = 0;
  #names = [];

  // `take(name, whole)` is told the command that was picked; `whole`: it needs nothing more.
  constructor(field, list, take) {
    Object.assign(this, { field, list, take });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const option = event.target.closest("[role=option]");
      if (option) this.#pick(Number(option.dataset.index));
    });
    field.addEventListener("blur", () => this.close());
  }

  get isOpen() {
    return !this.list.hidden;
  }

  look() {
    const found = matching(this.field.value);
    if (!found.length) return this.close();
    this.#names = found;
    this.#chosen = 0;
    this.list.hidden = false;
    this.list.replaceChildren(
      ...found.map(([name, does, takes], index) =>
        h(
          "li",
          { role: "option", id: `command-${name}`, "data-index": index, "aria-selected": "false" },
          h("code", {}, `/${name}${takes ? ` ${takes}` : ""}`),
          h("span", {}, does),
        ),
      ),
    );
    this.#mark();
  }

  close() {
    this.list.hidden = true;
    this.field.removeAttribute("aria-activedescendant");
  }

  // Whether the key was for the menu.
  key(event) {
    if (!this.isOpen) return false;
    if (event.key === "ArrowDown") this.#move(1);
    else if (event.key === "ArrowUp") this.#move(-1);
    else if (event.key === "Escape") this.close();
    else if (event.key === "Tab" || event.key === "Enter") this.#pick(this.#chosen);
    else return false;
    return true;
  }

  #move(by) {
    this.#chosen = (this.#chosen + by + this.#names.length) % this.#names.length;
    this.#mark();
  }

  #mark() {
    [...this.list.children].forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === this.#chosen));
      if (index !== this.#chosen) return;
      this.field.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    });
  }

  #pick(index) {
    const [name, , takes] = this.#names[index];
    const whole = !takes || (takes.startsWith("[") && this.field.value.toLowerCase() === `/${name}`); // it may go without
    this.close();
    this.take(name, whole);
  }
}
