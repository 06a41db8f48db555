// How each item of a transcript looks: one function a type, which makes the item's element or brings it up to date.

import { fileOf } from "./api.js";
import { copy, fill, h, icon, momentOf, setText, spoken, timeOf } from "./dom.js";
import { draw } from "./markdown.js";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const RESULT_CHARS_MAX = 20_000;

const STATES = {
  sending: "sending",
  saved: "saved",
  working: "working",
  waiting: "waiting",
  asking: "asking",
  answered: "answered",
  stopped: "stopped",
  aside: "set aside",
  deleted: "deleted",
  refused: "not sent",
};

const TOOL_STATES = {
  soon: "to be called",
  asking: "asking you",
  working: "working",
  ok: "done",
  failed: "failed",
  unknown: "outcome unknown",
  declined: "not called",
};

// In which lines of a question what it is about stands, to be shown as it is: between its first line and those after it.
const ABOUT = { approval: [1, Infinity], unknown: [1, -1], send: [1, -1] };
const UNSEEN = /[^\P{C}\n\t\u200c\u200d]|[\u2028\u2029]/gu; // all but what holds the parts of a letter or of an emoji together

// The element of an item: `element` if it has one, brought up to date. `acts` has what its buttons do.
export function render(item, element, acts) {
  return LOOKS[item.type](item, element, acts);
}

const LOOKS = { message, command, answer, tool, files, question, notice, owner, note, divider };

function frame(element, kind, label) {
  const article = element ?? h("article", { class: `item ${kind}` });
  article.setAttribute("aria-label", label);
  return article;
}

const stamp = (at) => h("time", { datetime: new Date(at * 1000).toISOString(), title: momentOf(at) }, timeOf(at));

function message(item, element, acts) {
  const article = frame(element, "you", "You");
  fill(
    article,
    h("div", { class: "bubble" }, ...item.files.map(file), item.text && h("p", { class: "said" }, item.text)),
    item.state === "refused" ? refusal(item, acts) : state(item),
  );
  return article;
}

const state = (item) =>
  h("p", { class: `state ${item.state}` }, item.at ? stamp(item.at) : null, " ", h("span", { class: "word" }, STATES[item.state]));

function refusal(item, acts) {
  return h(
    "div",
    { class: "refusal" },
    h("p", {}, ...spoken(`Not sent: ${item.why}`)),
    h("button", { type: "button", class: "small", onclick: () => acts.edit(item.key) }, "Edit it"),
    h("button", { type: "button", class: "small", onclick: () => acts.discard(item.key) }, "Discard it"),
  );
}

function file({ sha256, name, media_type, size }) {
  const href = sha256 ? fileOf(sha256, name) : null;
  if (href && PICTURES.includes(media_type)) {
    return h("a", { class: "photo", href, target: "_blank", rel: "noopener", title: name }, h("img", { src: href, alt: name, loading: "lazy" }));
  }
  return h("a", { class: "file", href, download: name }, icon("file"), h("span", {}, visible(name)), " ", size ? h("small", {}, sizeOf(size)) : null);
}

const sizeOf = (size) => (size < 1000 ? `${size} bytes` : size < 999_500 ? `${Math.round(size / 1000)} kB` : `${(size / 1e6).toFixed(1)} MB`);

// A stranger's text, so that what is read is what is there: signs that print nothing, or turn the words around them, are spelled out.
const visible = (text) => text.replace(UNSEEN, (sign) => `\\u${sign.codePointAt(0).toString(16).padStart(4, "0")}`);

function command(item, element, acts) {
  const article = frame(element, "you order", item.choice ? "You chose" : "Your command");
  fill(
    article,
    h("p", { class: "chip" }, item.choice ? item.text : h("code", {}, item.text)),
    item.state === "refused" ? refusal(item, acts) : item.state === "saved" ? null : state(item),
  );
  return article;
}

function answer(item, element) {
  const article = frame(element, "answer", item.live ? "Answer, being written" : "Answer");
  if (!element) article.append(h("div", { class: "prose" }), h("div", { class: "foot" }));
  const [prose, foot] = article.children;
  article.classList.toggle("live", Boolean(item.live && !item.stale));
  article.classList.toggle("stale", Boolean(item.stale));
  article.classList.toggle("cut", Boolean(item.cut));
  draw(prose, item.text);
  if (item.live) setText(foot, item.stale ? "Interrupted here. It goes on." : "");
  else {
    fill(foot, stamp(item.at), " ", item.cut ? h("span", {}, "stopped") : copyButton(item.text));
    if (item.route) foot.firstChild.title += `, by ${item.route}`;
  }
  return article;
}

function copyButton(text) {
  const label = h("span", {}, "Copy");
  const copied = async () => {
    setText(label, (await copy(text)) ? "Copied" : "Not copied");
    setTimeout(() => setText(label, "Copy"), 1500);
  };
  return h("button", { type: "button", class: "plain", "aria-label": "Copy the answer", onclick: copied }, label);
}

function tool(item, element) {
  const article = frame(element, "tool", `Tool ${item.tool}`);
  if (!element) {
    const summary = h("summary", {}, h("span", { class: "dot" }), h("code", { class: "name" }), h("span", { class: "gist" }), h("span", { class: "word" }));
    article.append(h("details", {}, summary, h("div", { class: "inside" })), h("p", { class: "progress" }));
  }
  const [summary, inside] = article.firstChild.children;
  const [, name, gist, word] = summary.children;
  article.dataset.state = item.state;
  setText(name, item.tool);
  setText(gist, brief(item.arguments));
  setText(word, item.again && item.state === "working" ? "called again" : TOOL_STATES[item.state]);
  setText(article.lastChild, item.progress);
  const result = item.result ? [title("Result"), box("Result", pretty(item.result))] : [];
  fill(inside, title("Arguments"), box("Arguments", pretty(item.arguments)), ...result, ...(item.whole ? [title("The whole result"), file(item.whole)] : []));
  return article;
}

const title = (text) => h("p", { class: "box-title" }, text);
const box = (name, text) => h("pre", { dir: "ltr", tabindex: "0", role: "group", "aria-label": name }, text);

function files(item, element) {
  const article = frame(element, "files", `Files from ${item.tool}`);
  fill(article, ...item.files.map(file));
  return article;
}

// On one line: `key: value` of each argument.
function brief(written) {
  const pairs = Object.entries(parsed(written) ?? {});
  return visible(pairs.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join("  ").slice(0, 160));
}

function pretty(text) {
  const value = parsed(text);
  const whole = visible(value && typeof value === "object" ? JSON.stringify(value, null, 2) : text);
  return whole.length > RESULT_CHARS_MAX ? `${whole.slice(0, RESULT_CHARS_MAX)}\n… (the rest is left out here; holdfast show has it)` : whole;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function question(item, element, acts) {
  const article = frame(element, "question", "Question");
  article.classList.toggle("closed", Boolean(item.closed));
  if (item.free && item.closed) acts.draft(item.seq, "");
  fill(
    article,
    ...asked(item),
    item.free && !item.closed ? reply(item, article.querySelector("form"), acts) : null,
    h("div", { class: "options", role: "group", "aria-label": "Options" }, ...options(item, acts)),
    item.why || item.closed === "message" ? h("p", { class: "foot" }, item.why || "You wrote instead.") : null,
  );
  return article;
}

// What is asked; what it is about in a box, every sign of it.
function asked({ kind, text }) {
  const lines = text.split("\n");
  const about = lines.slice(...(ABOUT[kind] ?? [1, 1])).join("\n");
  const rest = lines.slice(1).slice(about ? about.split("\n").length : 0);
  return [
    h("p", { class: "asked" }, lines[0]),
    about && box(kind === "send" ? "What was to be sent" : "Arguments", about),
    ...rest.filter(Boolean).map((line) => h("p", { class: "rest" }, /^https?:\/\/\S+$/.test(line) ? link(line) : line)),
  ];
}

const link = (href) => h("a", { href, target: "_blank", rel: "noopener noreferrer" }, href);

function options(item, acts) {
  const all = item.option && !item.options.includes(item.option) ? [...item.options, item.option] : item.options; // an answer of one's own
  return all.map((option) => {
    const chosen = item.option === option;
    if (item.closed) return h("span", { class: chosen ? "option chosen" : "option" }, option, chosen && h("span", { class: "unseen" }, " (chosen)"));
    return h("button", { type: "button", class: "option", disabled: item.pending, onclick: () => acts.choose(item.seq, option) }, option);
  });
}

// The field for an answer in one's own words. It stays the same element as long as the question is open: somebody may be writing in it.
function reply(item, form, acts) {
  if (!form) {
    const field = h("textarea", { rows: 1, "aria-label": "Your answer", placeholder: "Write an answer", autocomplete: "off", enterkeyhint: "send" });
    form = h("form", { class: "reply" }, field, h("button", { type: "submit" }, "Send"));
    const grown = () => {
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight + 2}px`; // and its border
      form.lastChild.disabled = field.readOnly || !field.value.trim();
    };
    field.value = acts.draft(item.seq);
    field.addEventListener("input", () => {
      acts.draft(item.seq, field.value);
      grown();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.altKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.lastChild.disabled) return;
      acts.choose(item.seq, field.value.trim());
      acts.answered();
    });
    form.grown = grown;
    requestAnimationFrame(grown); // when it has its place
    if (acts.goesOn()) setTimeout(() => field.focus());
  }
  form.firstChild.readOnly = Boolean(item.pending);
  form.grown();
  return form;
}

function notice(item, element) {
  const article = frame(element, "notice", "Holdfast says");
  fill(article, icon("mark"), h("p", { class: "said" }, ...spoken(item.text)));
  return article;
}

function owner(item, element) {
  const article = frame(element, "owner", "A note to you, who run Holdfast");
  fill(article, icon("mark"), h("div", {}, h("p", { class: "said" }, ...spoken(item.text)), h("p", { class: "state" }, stamp(item.at))));
  return article;
}

function note(item, element) {
  const article = frame(element, "note", "Note");
  fill(article, h("p", {}, item.text));
  return article;
}

function divider(item, element) {
  const article = frame(element, "divider", item.text);
  fill(article, h("p", {}, h("span", {}, item.text)));
  return article;
}

