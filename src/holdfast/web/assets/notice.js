// What holds for the whole gateway, above all conversations: safe mode, and a configuration that was not taken. Looked at while the page is seen.

import { $, announce, fill, setText, show, spoken } from "./dom.js";

const LOOK_MS = 30_000;
const SOON_MS = 5000;
const TRIES = "Safe mode: one conversation at a time is worked on, to see whether that goes well. If it lives for two minutes so, everything goes on.";

export class Notice {
  #look; // resolves to what the gateway is, or to nothing if it can't be asked now
  #timer = 0;
  #safe = false;

  constructor({ look, leave }) {
    this.#look = look;
    $("leave").addEventListener("click", async () => {
      $("leave").disabled = true;
      setText($("leave-why"), (await leave()) ?? "");
      $("leave").disabled = false;
      this.look();
    });
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  // Now, and from now on.
  async look() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    const about = await this.#look();
    clearTimeout(this.#timer);
    if (about) this.#show(about);
    this.#timer = setTimeout(() => this.look(), this.#safe ? SOON_MS : LOOK_MS);
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #show(about) {
    const safe = about["safe mode"];
    const refused = about["configuration refused"];
    if (this.#safe && !safe) announce("Safe mode is over. Everything goes on.");
    this.#safe = Boolean(safe);
    show($("safe"), safe);
    if (safe) setText($("safe-words"), safe.trying ? TRIES : `Safe mode: ${safe.why}`);
    show($("leave"), safe && !safe.trying);
    if (!safe) setText($("leave-why"), "");
    show($("refused"), refused);
    if (refused && $("refused").dataset.words !== refused) {
      $("refused").dataset.words = refused;
      fill($("refused"), "The new configuration was not taken, and the old one goes on: ", ...spoken(refused));
    }
  }
}
