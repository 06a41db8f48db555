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

const CLOSED = { choice: "", message: "You wrote instead.", expiry: "Nobody answered in time." };

// The element of an item: `element` if it has one, brought up to date. `acts` has what its buttons do.
export function render(item, element, acts) {
  return LOOKS[item.type](item, element, acts);
}

const LOOKS = { message, command, answer, tool, question, notice, owner, note, divider };

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

function file({ sha256, name, media_type }) {
  const href = sha256 ? fileOf(sha256, name) : null;
  if (href && PICTURES.includes(media_type)) {
    return h("a", { class: "photo", href, target: "_blank", rel: "noopener" }, h("img", { src: href, alt: name, loading: "lazy" }));
  }
  return h("a", { class: "file", href, download: name }, icon("file"), h("span", {}, name));
}

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
    article.append(h("details", {}, summary, h("div", { class: "inside" })));
  }
  const [summary, inside] = article.firstChild.children;
  const [, name, gist, word] = summary.children;
  article.dataset.state = item.state;
  setText(name, item.tool);
  setText(gist, brief(item.arguments));
  setText(word, item.again && item.state === "working" ? "called again" : TOOL_STATES[item.state]);
  fill(inside, ...box("Arguments", pretty(item.arguments)), ...(item.result ? box("Result", pretty(item.result)) : []));
  return article;
}

const box = (title, text) => [h("p", { class: "box-title" }, title), h("pre", { tabindex: "0", role: "group", "aria-label": title }, text)];

// On one line: `key: value` of each argument.
function brief(written) {
  const pairs = Object.entries(parsed(written) ?? {});
  return pairs.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join("  ").slice(0, 160);
}

function pretty(text) {
  const value = parsed(text);
  const whole = value && typeof value === "object" ? JSON.stringify(value, null, 2) : text;
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
  const options = item.options.map((option) => {
    const chosen = item.option === option;
    if (item.closed) return h("span", { class: chosen ? "option chosen" : "option" }, option, chosen && h("span", { class: "unseen" }, " (chosen)"));
    return h("button", { type: "button", class: "option", disabled: item.pending, onclick: () => acts.choose(item.seq, option) }, option);
  });
  const [first, ...rest] = item.text.split("\n").filter(Boolean);
  fill(
    article,
    h("p", { class: "asked" }, first),
    ...rest.map((line) => (parsed(line) === null ? h("p", { class: "rest" }, line) : box("Arguments", pretty(line))[1])),
    item.free && !item.closed ? words(item, acts) : null,
    h("div", { class: "options", role: "group", "aria-label": "Options" }, ...options),
    CLOSED[item.closed] ? h("p", { class: "foot" }, CLOSED[item.closed]) : null,
  );
  return article;
}

// Where any words are an answer.
function words(item, acts) {
  const field = h("input", { type: "text", "aria-label": "Your answer", autocomplete: "off", disabled: item.pending });
  const answer = (event) => {
    event.preventDefault();
    if (field.value.trim()) acts.choose(item.seq, field.value.trim());
  };
  return h("form", { class: "words", onsubmit: answer }, field, h("button", { type: "submit", disabled: item.pending }, "Answer"));
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

