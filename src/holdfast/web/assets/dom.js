// Small helpers around the document. Text becomes text nodes; nothing here reads HTML.

export const $ = (id) => document.getElementById(id);

// An element: `h("button", { class: "quiet", type: "button", onclick }, "Copy")`. Attributes that are false or null are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  return fill(element, ...children);
}

// The element with these children alone. Those that are null, false or "" are left out.
export function fill(element, ...children) {
  element.replaceChildren(...children.filter(Boolean));
  return element;
}

// Text of the gateway's own, in which `this` is code.
export const spoken = (text) => text.split(/`([^`\n]+)`/).map((part, index) => (index % 2 ? h("code", {}, part) : part));

const SVG = "http://www.w3.org/2000/svg";

// One of the pictures that index.html defines. It says nothing to a screen reader.
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function show(element, visible) {
  element.hidden = !visible;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Said by a screen reader when it has said the rest.
export function announce(text) {
  const line = h("p", {}, text);
  $("announcer").append(line);
  while ($("announcer").childElementCount > 3) $("announcer").firstElementChild.remove();
}

// Copies, also where the page has no secure context. Resolves to whether it did.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", readonly: true, "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export const timeOf = (at) => clock.format(at * 1000);
export const dayOf = (at) => day.format(at * 1000);
export const momentOf = (at) => full.format(at * 1000);
export const shortDayOf = (at) => short.format(at * 1000);
export const sameDay = (a, b) => new Date(a * 1000).toDateString() === new Date(b * 1000).toDateString();

// For lists: the time today, else the day.
export const shortTimeOf = (at) => (sameDay(at, Date.now() / 1000) ? timeOf(at) : shortDayOf(at));
