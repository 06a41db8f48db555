// The demo's panel: buttons that really kill, and the entries that make it harmless. What it shows of processes is what the gateway says of them.

import { Away, NotLoggedIn, reach, status } from "./api.js";
import { currentKey, onEntry } from "./conversation.js";
import { $, fill, h, setText, show } from "./dom.js";
import { ASIDE, BACK, ONE_MORE, OWED, Story, why } from "./demo-story.js";

const OPEN = "holdfast.demo.open";
const LOOK_MS = 500;
const LOOK_SOON_MS = 80; // while something is coming back
const LOOK_SELDOM_MS = 2000;
const TICK_MS = 250;
const SHOWN_MAX = 150;
const DEATHS_MAX = 3; // without a step forward

const ASKS = [
  ["Tell me a long story", "takes 15 s"],
  ["Use the slow tool", "10 s, safe to repeat"],
  ["Use the count tool", "10 s, once only"],
  ["What time is it?", "takes no time"],
];

const BREAKS = {
  gateway: { title: "Gateway", action: "kill-gateway", label: "Kill it", whom: "the gateway" },
  tool: { title: "Tool server", action: "kill-tool", label: "Kill it", whom: "the tool server" },
  model: { title: "Model", action: "model-away", label: "Take it away", whom: "the model" },
};

class Panel {
  #about = null; // the last status, and when it came
  #at = 0;
  #away = false; // the gateway does not answer
  #asked = {}; // what was pressed and is not seen to have happened: {at, id}
  #news = null; // {title, text}
  #key = "";
  #entries = [];
  #cards = {};
  #timer = 0;
  #drawing = 0;
  #told = 0; // the answer whose end was told

  constructor(aside) {
    this.aside = aside;
    this.#build();
    onEntry((entry, key) => this.#heard(entry, key));
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => this.#draw(), TICK_MS);
    this.#look();
  }

  // --- what is there ---------------------------------------------------------------------------------------------------------------------

  #build() {
    this.toggle = h("button", { type: "button", id: "demo-toggle", "aria-controls": "demo-body", onclick: () => this.#open(!this.isOpen) }, h("span", {}, "Break it"));
    this.now = h("div", { id: "demo-now", role: "status" });
    this.owed = h("p", { id: "demo-owed" });
    this.list = h("ol", { id: "demo-entries", tabindex: "0", "aria-label": "Entries of this conversation" });
    const cards = h("div", { class: "demo-cards" }, ...Object.keys(BREAKS).map((what) => this.#card(what)));
    this.body = h(
      "div",
      { id: "demo-body" },
      h("p", { class: "demo-lead" }, "Ask for something, then break it in the middle. Real processes, real kills."),
      h("div", { class: "demo-asks", role: "group", "aria-label": "Ask for" }, ...ASKS.map((ask) => this.#ask(ask))),
      cards,
      this.now,
      h("h3", {}, "What makes it possible"),
      h("p", { class: "demo-lead" }, "Each line is on disk before anything follows from it. No process knows more than that, so none is missed."),
      this.list,
      this.owed,
    );
    fill(this.aside, h("h2", {}, this.toggle), this.body);
    this.#open(remembered(OPEN) !== "no");
  }

  #ask([text, hint]) {
    return h("button", { type: "button", onclick: () => say(text) }, h("span", {}, text), h("small", {}, hint));
  }

  #card(what) {
    const { label, whom, title } = BREAKS[what];
    const state = h("p", { class: "demo-state", id: `demo-${what}-state` });
    const button = h("button", { type: "button", "aria-label": `${label}: ${whom}`, "aria-describedby": state.id, onclick: () => this.#break(what) }, bolt(), label);
    const card = h("div", { class: "demo-card" }, h("h3", {}, h("span", { class: "dot" }), title), state, button);
    this.#cards[what] = { card, state, button };
    return card;
  }

  get isOpen() {
    return !this.body.hidden;
  }

  #open(open) {
    show(this.body, open);
    this.aside.classList.toggle("closed", !open);
    this.toggle.setAttribute("aria-expanded", String(open));
    remember(OPEN, open ? "yes" : "no");
    this.#look();
  }

  // --- what goes on ----------------------------------------------------------------------------------------------------------------------

  async #look() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    const look = (this.looking = {});
    try {
      const about = await status();
      if (look !== this.looking) return;
      if (about.demo) this.#learn(about);
    } catch (error) {
      if (look !== this.looking) return;
      if (error instanceof Away) this.#away = true;
      else if (!(error instanceof NotLoggedIn)) throw error;
    }
    this.#draw();
    const soon = this.#away || Object.keys(this.#asked).length;
    this.#timer = setTimeout(() => this.#look(), soon ? LOOK_SOON_MS : this.isOpen ? LOOK_MS : LOOK_SELDOM_MS);
  }

  #learn(about) {
    const before = this.#about;
    this.#about = about;
    this.#at = performance.now();
    this.#away = false;
    for (const [what, { at, id, owed }] of Object.entries(this.#asked)) {
      if (id === this.#id(what) || !this.#id(what)) continue; // the same, or none yet
      delete this.#asked[what];
      if (what === "tool") this.#tell(`Killed, and back after ${seconds((performance.now() - at) / 1000)}.`, why("tool", owed));
    }
    if (before && life(before).pid !== life(about).pid) this.#reborn();
  }

  // The process of it; of the model: until when it is away.
  #id(what) {
    if (!this.#about) return null;
    if (what === "gateway") return life(this.#about).pid;
    return what === "tool" ? (server(this.#about)?.pid ?? null) : this.#about.demo.away_until;
  }

  #reborn() {
    const back = this.pressed ? `, and back after ${seconds((performance.now() - this.pressed) / 1000)}` : "";
    const { owed } = this.#story();
    const broken = this.broken ?? owed;
    const more = this.#deaths() === DEATHS_MAX - 1 ? ` ${ONE_MORE}` : "";
    const asks = owed.question === "poison" && broken.kind !== "choice";
    this.#tell(`Killed${back}.`, asks ? ASIDE : why("gateway", broken) + more);
    this.pressed = 0;
    this.broken = null;
  }

  async #break(what) {
    const { button } = this.#cards[what];
    if (button.getAttribute("aria-disabled") === "true") return;
    this.broken = this.#story().owed;
    this.#asked[what] = { at: performance.now(), id: this.#id(what), owed: this.broken };
    if (what === "gateway") this.pressed = performance.now();
    if (what === "model") this.waited = this.broken.kind === "answer";
    if (what === "model") this.#tell("The model is away.", why("model", this.broken));
    this.#draw();
    try {
      await reach(`/v1/demo/${BREAKS[what].action}`, { method: "POST", headers: { "x-holdfast": "1" } });
    } catch (error) {
      if (!(error instanceof Away)) {
        delete this.#asked[what];
        this.#tell("Not now.", error.message);
      } // else the answer was lost with the gateway, as it should be
    }
    this.#look();
  }

  #heard(entry, key) {
    if (key !== this.#key) {
      this.#key = key;
      this.#entries = [];
      this.#told = 0;
    }
    this.#entries.push(entry);
    if (this.#drawing) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#drawEntries();
    });
  }

  #story() {
    const story = new Story();
    if (currentKey() === this.#key) for (const entry of this.#entries) story.line(entry);
    return story;
  }

  // Of the gateway, since the last step forward of what is owed here.
  #deaths() {
    const { owed, since } = this.#story();
    return ["answer", "call"].includes(owed.kind) ? this.#lives().filter(({ at }) => at > since).length : 0;
  }

  // All but the first began with a death.
  #lives() {
    return this.#about?.demo.lives.slice(1) ?? [];
  }

  #tell(title, text) {
    this.#news = { title, text };
    fill(this.now, h("p", {}, h("strong", {}, title), " ", text));
  }

  // --- how it looks ----------------------------------------------------------------------------------------------------------------------

  #draw() {
    if (this.#key !== currentKey()) {
      this.#key = currentKey();
      this.#entries = [];
      this.#drawEntries();
    }
    if (!this.#about) return;
    const now = this.#about.demo.now + (performance.now() - this.#at) / 1000;
    this.#drawCard("gateway", ...this.#gateway(now));
    this.#drawCard("tool", ...this.#tool(now));
    this.#drawCard("model", ...this.#model(now));
    const modelAway = this.#about.demo.away_until > now;
    if (this.modelWasAway && !modelAway && this.#waits(now)) this.#tell("The model is back.", BACK);
    this.modelWasAway = modelAway;
    const last = this.#lives().at(-1)?.at ?? 0;
    if (this.drawnLife !== last) this.#drawEntries();
  }

  #drawCard(what, mood, words, useful) {
    const { card, state, button } = this.#cards[what];
    card.dataset.mood = mood;
    setText(state, words);
    button.setAttribute("aria-disabled", String(!useful || what in this.#asked));
  }

  #gateway(now) {
    if (this.#away) return ["down", "killed (SIGKILL)\nstarting again", false];
    const { pid, at } = life(this.#about);
    return ["up", `process ${pid}\nup ${seconds(now - at)}`, true];
  }

  #tool(now) {
    if (this.#away) return ["down", "gone with the gateway", false];
    const { state, pid, since } = server(this.#about) ?? { state: "down" };
    if (state === "ready") return ["up", `process ${pid}\nup ${seconds(now - since)}`, true];
    return ["down", "gone; the gateway starts another", false];
  }

  #model(now) {
    const left = this.#about.demo.away_until - now;
    if (left > 0) return ["down", `away\nback in ${Math.ceil(left)} s`, false];
    if (this.#waits(now)) return ["waits", `back\nnext try in ${Math.ceil(this.#about.gates[0].until - now)} s`, true];
    return ["up", "is here", !this.#away];
  }

  // Does an answer wait for the gate of the route?
  #waits(now) {
    const { state, until } = this.#about.gates[0];
    return state !== "open" && until > now && this.#story().owed.kind === "answer";
  }

  #drawEntries() {
    const story = new Story();
    const lives = this.#lives();
    const rows = [];
    let next = lives.findIndex(({ at }) => at > (this.#entries[0]?.at ?? Infinity));
    if (next < 0) next = lives.length;
    const breaks = (until) => {
      const first = next;
      while (next < lives.length && lives[next].at <= until) next++;
      if (next > first) rows.push(death(next - first, this.#about.demo.lives[first].pid, lives[next - 1].pid));
    };
    for (const entry of this.#entries) {
      breaks(entry.at);
      rows.push(line(entry, story.line(entry)));
    }
    breaks(Infinity);
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    fill(this.list, ...(rows.length ? rows.slice(-SHOWN_MAX) : [h("li", { class: "demo-none" }, "Nothing yet. Ask for something.")]));
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
    fill(this.owed, h("strong", {}, "Still owed: "), `${OWED[story.owed.kind](story.owed)}.`);
    this.drawnLife = lives.at(-1)?.at ?? 0;
    this.#finish(story);
  }

  // An answer came that something was broken for, or a question because of it.
  #finish(story) {
    const last = this.#entries.at(-1);
    const news = this.#entries.filter(({ seq }) => seq > this.#told);
    if (!news.length) return;
    this.#told = last.seq;
    if (!this.#news) return;
    if (news.some(({ body }) => body.question === "poison")) this.#tell("Holdfast asks you.", ASIDE);
    const { answered } = story;
    if (!answered || story.owed.kind !== "nothing" || answered.at < last.at - 1) return;
    const deaths = this.#lives().filter(({ at }) => at > answered.since && at <= answered.at).length;
    const died = deaths ? `, in spite of ${deaths === 1 ? "a death" : `${deaths} deaths`} in between` : "";
    if (died || this.waited) this.#tell("Finished.", `The answer was written down once, and whole${died}.`);
    this.waited = false;
  }
}

// --- small things --------------------------------------------------------------------------------------------------------------------------

const life = (about) => about.demo.lives.at(-1);
const server = (about) => about["tool servers"][0];
const seconds = (s) => (s < 10 ? `${Math.max(0, s).toFixed(1)} s` : s < 120 ? `${Math.floor(s)} s` : `${Math.floor(s / 60)} min`);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 1, hourCycle: "h23" });

function line({ seq, at, epoch }, words) {
  const by = epoch ? `epoch ${epoch}` : "you";
  return h("li", { class: epoch ? "" : "demo-yours" }, h("span", { class: "demo-seq" }, String(seq)), h("span", { class: "demo-words" }, words), h("span", { class: "demo-when" }, `${clock.format(at * 1000)} · ${by}`));
}

function death(times, before, after) {
  const died = times === 1 ? `process ${before} died here` : `${times} processes died here`;
  return h("li", { class: "demo-death" }, h("span", {}, died, h("small", {}, `process ${after} takes over`)));
}

function bolt() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({ class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" })) svg.setAttribute(name, value);
  path.setAttribute("d", "M13 3L5 14h6l-1 7 8-11h-6z");
  svg.append(path);
  return svg;
}

// As if it was typed, and a draft stays where it was.
function say(text) {
  const field = $("text");
  const draft = field.value;
  const write = (value) => {
    field.value = value;
    field.dispatchEvent(new Event("input"));
  };
  write(text);
  $("composer").requestSubmit();
  write(draft);
}

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // The browser keeps nothing: then it is open anew each time.
  }
}

const style = h("link", { rel: "stylesheet", href: "/assets/demo.css" });
style.addEventListener("load", () => {
  new Panel($("demo"));
  show($("demo"), true);
});
document.head.append(style);
