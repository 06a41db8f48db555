// The page: what belongs to what. Each part is a module of its own; here they are put together.

import {
  Away,
  NotLoggedIn,
  Refused,
  approve,
  leaveSafeMode,
  logout,
  people,
  platforms,
  remove,
  retry,
  retryPlatform,
  retryTools,
  routes,
  status,
  tools,
} from "./api.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { $, announce, setText, show } from "./dom.js";
import { keepFiles } from "./keep.js";
import { LoginScreen, fromAddress } from "./login.js";
import { Notice } from "./notice.js";
import { Outbox } from "./outbox.js";
import { RoutePanel } from "./panel.js";
import { PlatformPanel } from "./platforms.js";
import { Sidebar } from "./sidebar.js";
import { StandingView } from "./standing.js";
import { ToolPanel } from "./tools.js";
import { asks, itemsOf } from "./transcript.js";
import { View } from "./view.js";
import { Rows } from "./watched.js";

const FRAME_MS = 67; // about 15 drawings a second
const LAST = "holdfast.last";
const AGAIN_MS = 1000;
const ASKING = "Waiting for your answer to a question.";
const LEISURE = ["", "live", "progress", "entries"]; // what is to be drawn: the answer being written, all when there is time, all now

class Page {
  #conversation = null;
  #timer = 0;
  #pending = "";
  #cost = 0;
  #known = false; // what is there already is no news
  #wasAway = false;
  #asks = false; // a call waits in its middle for an answer
  #goesOn = false; // the last thing that was done here is an answer to a question

  constructor() {
    const loggedOut = () => this.#loggedOut();
    this.login = new LoginScreen(() => this.#enter());
    this.outbox = new Outbox((name) => name === this.#conversation?.name && this.#soon("entries"));
    this.sidebar = new Sidebar({ open: (name) => this.open(name), changed: () => this.#titled(), loggedOut });
    this.composer = new Composer((text, attachments) => this.#send(text, attachments));
    this.routes = new Rows(routes, { changed: () => this.#routed(), loggedOut });
    this.panel = new RoutePanel(this.routes, (gates) => this.#tryNow(gates));
    this.tools = new ToolPanel(
      new Rows(tools, { changed: () => this.tools.isOpen && this.tools.show(), loggedOut }),
      (server) => this.#attempt(() => retryTools(server)),
    );
    this.platforms = new PlatformPanel(new Rows(accounts, { changed: () => this.platforms.isOpen && this.platforms.show(), loggedOut }), {
      retry: (name) => this.#attempt(() => retryPlatform(name)),
      approve: (code) => this.#attempt(() => approve(code)),
      remove: (account, id) => this.#attempt(() => remove(account, id)),
    });
    this.standing = new StandingView({
      tryNow: (gates) => this.#tryNow(gates),
      stop: () => this.#send("/stop", []),
      choose: (name) => this.#use(name),
      changed: () => this.#soon("entries"),
    });
    this.notice = new Notice({ look: () => this.#about(), leave: () => this.#attempt(leaveSafeMode) });
    this.view = new View({ log: $("log"), list: $("items"), latest: $("latest"), acts: this.#acts() });
    this.loggedOut = loggedOut;
    this.#wire();
  }

  async start() {
    const why = await fromAddress();
    await this.#enter(why);
  }

  // What the buttons in the transcript do.
  #acts() {
    return {
      choose: (seq, option) => this.#choose(seq, option),
      draft: draftOf(() => this.#conversation.name),
      answered: () => this.#answered(),
      goesOn: () => this.#goesOn && !$("text").value && document.activeElement === $("text"),
      edit: (key) => this.composer.restore(this.outbox.takeBack(key)),
      discard: (key) => this.outbox.takeBack(key),
    };
  }

  // Both once, however often it is clicked.
  #choose(seq, option) {
    if (!this.#isOnItsWay(`/choose ${seq} `)) this.#send(`/choose ${seq} ${option}`, []);
  }

  // Somebody wrote an answer into a question. If another one follows, they will want to go on there.
  #answered() {
    this.#goesOn = true;
    $("text").focus({ preventScroll: true });
    $("text").addEventListener("input", () => (this.#goesOn = false), { once: true });
  }

  #use(chain) {
    if (!this.#isOnItsWay("/model ")) this.#send(`/model ${chain}`, []);
  }

  // Was something like this sent, and is not in the transcript yet?
  #isOnItsWay(beginning) {
    return this.outbox.of(this.#conversation.name).some(({ state, text }) => state !== "refused" && text.startsWith(beginning));
  }

  #wire() {
    $("skip").addEventListener("click", (event) => {
      event.preventDefault(); // the address names a conversation
      $("text").focus();
    });
    $("new").addEventListener("click", () => this.new());
    $("stop").addEventListener("click", () => this.#send("/stop", []));
    for (const id of ["open-routes", "model"]) $(id).addEventListener("click", () => this.panel.open());
    $("open-tools").addEventListener("click", () => this.tools.open());
    $("open-platforms").addEventListener("click", () => this.platforms.open());
    $("logout").addEventListener("click", () => this.#logout());
    $("earlier").addEventListener("click", () => this.#earlier());
    this.nearTop = new IntersectionObserver(([seen]) => seen.isIntersecting && this.#earlier(), { root: $("log"), rootMargin: "400px" });
    this.nearTop.observe($("earlier"));
    addEventListener("hashchange", () => (location.hash.startsWith("#login=") ? this.start() : this.#address()));
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#wireTitle();
  }

  #wireTitle() {
    const [form, field] = [$("rename-form"), $("name")];
    const edit = (on) => {
      show(form, on);
      show($("heading"), !on);
      if (on) field.select();
      else $("rename").focus();
    };
    $("rename").addEventListener("click", () => {
      field.value = $("title").textContent;
      edit(true);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const title = field.value.trim().replace(/\s+/g, " ");
      if (title && title !== $("title").textContent) this.#send(`/title ${title}`, []);
      edit(false);
    });
    $("keep-name").addEventListener("click", () => edit(false));
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      edit(false);
    });
  }

  #key(event) {
    if (this.login.isOpen || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if ($("menu").checkVisibility()) this.sidebar.toggle(true);
      $("search").focus();
    } else if (event.altKey && event.code === "KeyN") {
      event.preventDefault();
      this.new();
    } else if (event.key === "Escape" && this.sidebar.isDrawerOpen) this.sidebar.toggle(false);
  }

  // After the login, and at the start of a browser that has logged in before.
  async #enter(why = "") {
    const about = await this.#status(why);
    if (!about) return;
    setText($("version"), `Holdfast ${about.version}`);
    if (about.demo) import("./demo.js");
    this.outbox.nudge();
    await this.sidebar.refresh();
    this.#appear();
    this.#soon("entries");
    this.notice.look();
  }

  // What the gateway is now; nothing if it can't be asked.
  async #about() {
    let about;
    await this.#attempt(async () => (about = await status()));
    return about;
  }

  #appear() {
    this.login.close();
    show($("app"), true);
    this.#address();
  }

  // What the gateway is; null if this browser has to log in first.
  async #status(why) {
    for (;;) {
      try {
        return await status();
      } catch (error) {
        if (error instanceof NotLoggedIn) {
          this.#loggedOut(why);
          return null;
        }
        if (!(error instanceof Away)) throw error;
        if ($("app").hidden) this.#appear();
        this.#isAway(true);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  // Opens what the address names, else what was open last, else the newest.
  #address() {
    const last = localStorage.getItem(LAST) ?? "";
    if (named()) this.open(named());
    else if (last && (this.sidebar.row(last) || !this.sidebar.known)) this.open(last);
    else if (this.sidebar.newest) this.open(this.sidebar.newest);
    else this.new();
  }

  new() {
    const letters = crypto.getRandomValues(new Uint8Array(6));
    const now = new Date();
    const date = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
    this.open(`${date}-${[...letters].map((byte) => "abcdefghijkmnpqrstuvwxyz23456789"[byte % 32]).join("")}`);
  }

  open(name) {
    if (this.sidebar.isDrawerOpen) this.sidebar.toggle(false);
    if (!this.login.isOpen) $("text").focus({ preventScroll: true });
    if (this.#conversation?.name === name) return;
    this.#conversation?.close();
    this.#known = false;
    this.view.clear();
    this.standing.clear();
    this.composer.open(name);
    this.sidebar.mark(name);
    if (named() !== name) history[this.#conversation ? "pushState" : "replaceState"](null, "", `#${encodeURIComponent(name)}`);
    localStorage.setItem(LAST, name);
    this.#conversation = new Conversation(name, (what) => this.#changed(what), this.loggedOut);
    this.#titled();
    this.#draw();
  }

  #send(text, attachments) {
    this.view.toEnd();
    this.outbox.add(this.#conversation.name, text, attachments);
  }

  #changed(what) {
    const { away } = this.#conversation;
    switch (what) {
      case "list":
        this.sidebar.refresh();
        if (this.panel.isOpen || this.standing.isCard) this.routes.refresh();
        break;
      case "connection":
        this.#isAway(away);
        this.#soon("entries");
        break;
      case "live":
      case "progress":
        this.#soon(what);
        break;
      default:
        this.#soon("entries");
    }
  }

  #isAway(away) {
    show($("away"), away);
    if (this.#wasAway && !away) {
      announce("The gateway is back.");
      this.notice.look();
      this.outbox.nudge();
      this.sidebar.refresh();
    }
    this.#wasAway = away;
  }

  // Draws when it is time: at once if nothing was drawn lately, and seldom where it takes long.
  #soon(what) {
    if (!this.#conversation) return;
    if (LEISURE.indexOf(what) >= LEISURE.indexOf(this.#pending)) this.#pending = what;
    if (this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = 0;
        if (this.#conversation) this.#draw();
      },
      this.#pending === "entries" ? 0 : Math.max(FRAME_MS, 4 * this.#cost),
    );
  }

  #draw() {
    const begun = performance.now();
    const conversation = this.#conversation;
    const { entries, live, partials, progress } = conversation;
    const state = this.standing.read(conversation);
    const onlyLive = this.#pending === "live" && live && this.view.update({ type: "answer", id: `answer:${live.name}`, live: true, ...live });
    this.#pending = "";
    if (!onlyLive) {
      const keys = new Set(entries.map(({ body }) => body.id).filter(Boolean));
      const outbox = this.outbox.of(conversation.name);
      for (const message of outbox) if (message.state === "saved" && keys.has(message.key)) this.outbox.shown(message.key);
      const items = itemsOf({ entries, standing: { state }, live, outbox, partials, progress });
      this.#asks = asks(items);
      this.view.show(items, !this.#known);
      this.#known ||= conversation.loaded;
      show($("empty"), !items.length && (conversation.loaded || conversation.away));
    }
    show($("earlier"), conversation.more);
    this.#stands(state);
    this.view.follow();
    this.#cost = performance.now() - begun;
  }

  #stands(state) {
    const { standing, live, away, chosen, route } = this.#conversation;
    const wasCard = !$("wait").hidden;
    const [stands, how] = this.#asks && state === "working" ? ["asking", { ...standing, words: ASKING }] : [state, standing];
    this.standing.show(stands, { standing: how, live, away, chosen, asked: this.#isOnItsWay("/model "), routes: this.routes.rows });
    if (this.standing.isCard && !wasCard) this.routes.refresh();
    show($("model"), route);
    setText($("model-name"), route);
  }

  // They were asked for: who shows them draws them.
  #routed() {
    if (this.panel.isOpen) this.panel.show();
    if (this.standing.isCard) this.#soon("entries");
  }

  async #earlier() {
    const conversation = this.#conversation;
    if (!conversation?.loaded || this.loading || !conversation.more) return;
    this.loading = true;
    const came = await conversation.earlier();
    this.loading = false;
    if (!came) return;
    this.view.keepingPlace(() => this.#draw());
    this.nearTop.unobserve($("earlier")); // looks again: it may still be near
    this.nearTop.observe($("earlier"));
  }

  #titled() {
    const { name } = this.#conversation ?? {};
    if (!name) return;
    const row = this.sidebar.row(name);
    const title = row ? row.title || name : "New conversation";
    setText($("title"), title);
    document.title = `${title} · Holdfast`;
    show($("rename"), Boolean(row));
  }

  // Lets one through each of these gates.
  #tryNow(gates) {
    return this.#attempt(() => Promise.all(gates.map(retry)));
  }

  #logout() {
    return this.#attempt(async () => {
      await logout();
      this.#loggedOut("You are logged out of this browser.");
    });
  }

  // Does what was asked for, if that can be done now, and resolves to why not; a gateway that is away is said to be, above.
  async #attempt(act) {
    try {
      await act();
    } catch (error) {
      if (error instanceof NotLoggedIn) this.#loggedOut();
      else if (!(error instanceof Away || error instanceof Refused)) throw error;
      return error.message;
    }
  }

  #loggedOut(why = "") {
    this.#conversation?.close();
    this.#conversation = null;
    this.notice.stop();
    this.panel.close();
    this.tools.close();
    this.platforms.close();
    this.login.open(why);
  }
}

// The accounts of chat systems, each with who may talk there.
async function accounts() {
  const [states, access] = await Promise.all([platforms(), people()]);
  return states.map((state) => ({ ...state, access: access.find(({ account }) => account === state.name) }));
}

// What is written into the field of a question, `draft(seq)`, and not sent yet: kept for this tab, over a reload too. With a text it is set.
function draftOf(name) {
  return (seq, text) => {
    const key = `holdfast.answer.${name()}.${seq}`;
    try {
      if (text) sessionStorage.setItem(key, text);
      else if (text === "") sessionStorage.removeItem(key);
      return sessionStorage.getItem(key) ?? "";
    } catch {
      return ""; // the browser keeps nothing: then it lives as long as its field
    }
  };
}

// The conversation that the address names.
function named() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

new Page().start();
keepFiles();
