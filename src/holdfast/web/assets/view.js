// The transcript on the screen: a list of elements, each kept under its item's id and drawn anew only when its item has changed.

import { announce, dayOf, h, sameDay, show } from "./dom.js";
import { render } from "./items.js";
import { copyCode } from "./markdown.js";

const NEAR_PX = 80; // so close to the end counts as reading along
const ANNOUNCED_CHARS_MAX = 1500;
const SPOKEN = {
  answer: (item) => item.text,
  notice: (item) => `Holdfast says: ${item.text}`,
  owner: (item) => `A note to you: ${item.text}`,
  question: (item) => item.why || `A question: ${item.text} ${item.free ? "Write an answer, or choose: " : ""}${item.options.join(", ")}`,
  files: (item) => `Files from ${item.tool}: ${item.files.map(({ name }) => name).join(", ")}`,
};

export class View {
  #drawn = new Map(); // id -> {element, signature}
  #follows = true;
  #top = 0;

  constructor({ log, list, latest, acts }) {
    Object.assign(this, { log, list, latest, acts });
    copyCode(list);
    log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    latest.addEventListener("click", () => this.toEnd());
    const grown = new ResizeObserver(() => this.follow());
    grown.observe(list.parentElement);
    grown.observe(log);
  }

  // Another conversation: nothing of the last one stays.
  clear() {
    this.#drawn.clear();
    this.list.replaceChildren();
    this.#follows = true;
    this.#top = 0;
  }

  // Shows these items. `quiet`: nothing of them is news.
  show(items, quiet) {
    const gone = new Set(this.#drawn.keys());
    let place = this.list.firstElementChild;
    let before = null;
    for (const item of days(items)) {
      const element = this.#draw(item, quiet);
      gone.delete(item.id);
      if (element === place) place = place.nextElementSibling;
      else this.list.insertBefore(element, place);
      element.classList.toggle("next", before === item.type);
      before = item.type;
    }
    for (const id of gone) {
      this.#drawn.get(id).element.remove();
      this.#drawn.delete(id);
    }
  }

  // Only this one has changed. False if it is not there yet.
  update(item) {
    if (!this.#drawn.has(item.id)) return false;
    this.#draw(item, true);
    return true;
  }

  // What is drawn by `change` above what is read does not move it.
  keepingPlace(change) {
    const fromEnd = this.log.scrollHeight - this.log.scrollTop;
    change();
    if (!this.#follows) this.log.scrollTop = this.log.scrollHeight - fromEnd;
  }

  toEnd() {
    this.#follows = true;
    this.follow();
  }

  #draw(item, quiet) {
    const signature = JSON.stringify(item);
    const drawn = this.#drawn.get(item.id);
    if (drawn?.signature === signature) return drawn.element;
    const element = item.type === "day" ? dayLine(item, drawn?.element) : render(item, drawn?.element, this.acts);
    element.dataset.id = item.id;
    this.#drawn.set(item.id, { element, signature, closed: item.closed });
    const isNews = !quiet && (!drawn || element.dataset.live || (item.alone && !drawn.closed)) && !item.live;
    if (item.live) element.dataset.live = "true";
    else delete element.dataset.live;
    if (isNews && SPOKEN[item.type]) announce(SPOKEN[item.type](item).slice(0, ANNOUNCED_CHARS_MAX));
    return element;
  }

  // Who scrolls up reads on there; the list growing is no scrolling up.
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.log;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_PX || (this.#follows && scrollTop >= this.#top);
    this.#top = scrollTop;
    show(this.latest, !this.#follows);
  }

  // Whoever reads along is kept at the end: after each drawing, since what grows back within a frame is seen by no observer.
  follow() {
    if (this.#follows) this.log.scrollTop = this.log.scrollHeight;
    else this.#scrolled();
  }
}

// With a line before the first item of each day.
function* days(items) {
  let last = 0;
  for (const item of items) {
    if (item.at && (!last || !sameDay(last, item.at))) yield { type: "day", id: `day:${new Date(item.at * 1000).toDateString()}`, text: dayOf(item.at) };
    last = item.at || last;
    yield item;
  }
}

function dayLine({ text }, element) {
  const line = element ?? h("p", { class: "day" });
  line.textContent = text;
  return line;
}
