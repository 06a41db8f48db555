// Files on their way to a message: each is uploaded at once, and tried again while the gateway is away; a message names only files that are kept.

import { Away, Refused, upload } from "./api.js";
import { h, icon, setText } from "./dom.js";
import { fitting } from "./pictures.js";

const BYTES_MAX = 25 * 1000 * 1000;
const FILES_MAX = 10;
const PAUSE_MS = 1000;

export class Uploads {
  #files = []; // {name, element, gone, done: {sha256, media_type}, failed}

  constructor(shelf, changed) {
    Object.assign(this, { shelf, changed });
  }

  get busy() {
    return this.#files.some(({ done, failed }) => !done && !failed);
  }

  // What the message names.
  get attachments() {
    return this.#files.filter(({ done }) => done).map(({ name, done }) => ({ sha256: done.sha256, name, media_type: done.media_type }));
  }

  add(files) {
    for (const file of files) this.#add(file);
  }

  clear() {
    for (const file of [...this.#files]) this.#remove(file);
  }

  // A message that comes back to be edited brings its files.
  restore(attachments) {
    for (const { sha256, name, media_type } of attachments) this.#place({ name }, null).done = { sha256, media_type };
    for (const file of this.#files) if (file.done) this.#say(file, "ready", 1);
    this.changed();
  }

  #add(blob) {
    const file = this.#place(blob, blob.type.startsWith("image/") ? URL.createObjectURL(blob) : null);
    if (this.#files.length > FILES_MAX) this.#fail(file, `A message takes ${FILES_MAX} files. Send the others with the next one.`);
    else if (blob.size > BYTES_MAX) this.#fail(file, "This file is larger than 25 MB. Send a smaller one.");
    else if (!blob.size) this.#fail(file, "This file is empty.");
    else this.#upload(file, blob);
    this.changed();
  }

  #place(blob, picture) {
    const name = blob.name || "file";
    const file = { name, picture, gone: new AbortController(), done: null, failed: false };
    const remove = h("button", { type: "button", class: "remove", "aria-label": `Remove ${name}`, onclick: () => this.#remove(file) }, icon("close"));
    file.bar = h("progress", { max: 1, value: 0, "aria-label": `Upload of ${name}` });
    file.words = h("span", { class: "words", role: "status" });
    file.element = h(
      "li",
      { class: "upload" },
      picture ? h("img", { src: picture, alt: "", onerror: ({ target }) => target.replaceWith(icon("file")) }) : icon("file"),
      h("span", { class: "about" }, h("span", { class: "name" }, name), file.words, file.bar),
      remove,
    );
    this.#files.push(file);
    this.shelf.append(file.element);
    this.shelf.hidden = false;
    return file;
  }

  async #upload(file, given) {
    const blob = await fitting(given);
    while (!file.gone.signal.aborted) {
      try {
        this.#say(file, "uploading", 0);
        file.done = await upload(blob, (part) => (file.bar.value = part), file.gone.signal);
        this.#say(file, "ready", 1);
        break;
      } catch (error) {
        if (error instanceof Refused) {
          this.#fail(file, error.message);
          break;
        }
        if (error instanceof Away) this.#say(file, "waiting for the gateway", 0);
        else if (!file.gone.signal.aborted) this.#say(file, "waiting for your login", 0);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
    this.changed();
  }

  #say(file, words, part) {
    setText(file.words, words);
    file.bar.value = part;
    file.bar.hidden = part === 1;
  }

  #fail(file, why) {
    file.failed = true;
    file.element.classList.add("failed");
    this.#say(file, why, 1);
  }

  #remove(file) {
    file.gone.abort();
    if (file.picture) URL.revokeObjectURL(file.picture);
    file.element.remove();
    this.#files = this.#files.filter((other) => other !== file);
    this.shelf.hidden = !this.#files.length;
    this.changed();
  }
}
