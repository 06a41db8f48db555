// Where messages are written: the field, its files, its menu of commands. What is not sent yet is kept for each conversation, over a reload too.

import { Menu } from "./commands.js";
import { $, show } from "./dom.js";
import { Uploads } from "./uploads.js";

const DRAFT = "holdfast.draft.";
const BYTES_MAX = 64 * 1024;

export class Composer {
  #name = "";

  // `send(text, attachments)` takes a message.
  constructor(send) {
    this.send = send;
    this.field = $("text");
    this.uploads = new Uploads($("uploads"), () => this.#look());
    this.menu = new Menu(this.field, $("commands"), (name, whole) => this.#take(name, whole));
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#takesFiles();
  }

  // The draft of this conversation comes, that of the last one stays with it.
  open(name) {
    this.#name = name;
    this.uploads.clear();
    this.put(localStorage.getItem(DRAFT + name) ?? "");
  }

  put(text) {
    this.field.value = text;
    this.#typed();
    this.menu.close();
  }

  // A message that was refused, to be changed.
  restore({ text, attachments }) {
    this.put(text);
    this.uploads.restore(attachments);
    this.field.focus();
  }

  #takesFiles() {
    const picker = $("files");
    $("attach").addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      this.uploads.add(picker.files);
      picker.value = "";
      this.field.focus();
    });
    this.field.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.uploads.add(event.clipboardData.files);
    });
    const area = $("talk");
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    area.addEventListener("dragover", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      area.classList.add("dropping");
    });
    area.addEventListener("dragleave", (event) => area.contains(event.relatedTarget) || area.classList.remove("dropping"));
    area.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      area.classList.remove("dropping");
      this.uploads.add(event.dataTransfer.files);
    });
  }

  #typed() {
    const { field } = this;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
    this.menu.look();
    this.#look();
    try {
      if (field.value) localStorage.setItem(DRAFT + this.#name, field.value);
      else localStorage.removeItem(DRAFT + this.#name);
    } catch {
      // The browser keeps nothing: then a draft lives as long as this tab.
    }
  }

  #look() {
    const empty = !this.field.value.trim() && !this.uploads.attachments.length;
    const long = new Blob([this.field.value]).size > BYTES_MAX;
    $("send").disabled = empty || long || this.uploads.busy;
    show($("too-long"), long);
  }

  #key(event) {
    if (event.isComposing) return;
    if (this.menu.key(event)) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    }
  }

  #take(name, whole) {
    this.put(whole ? "" : `/${name} `);
    if (whole) this.send(`/${name}`, []);
  }

  #submit() {
    if ($("send").disabled) return;
    const { attachments } = this.uploads;
    const text = this.field.value;
    this.uploads.clear();
    this.put("");
    this.send(text, attachments);
    this.field.focus();
  }
}
