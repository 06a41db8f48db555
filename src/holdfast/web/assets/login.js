// The login: a one-time code, which comes in the link that `holdfast login` prints, and the screen that asks for it.

import { Away, NotLoggedIn, Refused, login } from "./api.js";
import { $, fill, setText, show, spoken } from "./dom.js";

const PAUSE_MS = 500;
const TOLD = "holdfast.login"; // other tabs hear of it

// Takes the code out of the address, so that no history keeps it, and logs in with it. Returns why that failed, or "".
export async function fromAddress() {
  if (!location.hash.startsWith("#login=")) return "";
  const code = codeIn(location.hash);
  history.replaceState(null, "", location.pathname);
  return use(code);
}

// "" or why not. A gateway that is away is waited for.
async function use(code) {
  for (;;) {
    try {
      await login(code);
      localStorage.setItem(TOLD, String(Date.now()));
      return "";
    } catch (error) {
      if (error instanceof NotLoggedIn || error instanceof Refused) return error.message;
      if (!(error instanceof Away)) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

// The code in a link, or the code alone; "" if it is neither.
const codeIn = (text) => (/#login=([^&\s]+)/.exec(text) ?? /^\s*([\w-]{8,})\s*$/.exec(text))?.[1] ?? "";

export class LoginScreen {
  // `done()` is told that this browser has logged in.
  constructor(done) {
    this.done = done;
    $("login-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    addEventListener("storage", ({ key }) => key === TOLD && this.isOpen && done());
  }

  get isOpen() {
    return !$("login").hidden;
  }

  open(why) {
    if (!this.isOpen) {
      show($("login"), true);
      show($("app"), false);
      document.title = "Log in · Holdfast";
      $("login-title").focus();
    }
    if (why) fill($("login-why"), ...spoken(why));
  }

  close() {
    $("code").value = "";
    setText($("login-why"), "");
    show($("login"), false);
  }

  async #submit() {
    const code = codeIn($("code").value);
    setText($("login-why"), code ? "" : "That is not a link or a code of Holdfast's.");
    if (!code) return;
    const why = await use(code);
    fill($("login-why"), ...spoken(why));
    if (!why) this.done();
  }
}
