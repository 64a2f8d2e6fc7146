/** The dialog as a strip: one coloured piece per utterance; a click goes to its row. */

import { clockTime, element, percent } from "./dom.js";
import { emotionClass, sign } from "./emotions.js";
import { Status } from "./store.js";

const SHORTEST_MS = 30_000; // what the strip shows at least
const PIXELS_PER_SECOND = 8;
const TICK_MS = [5_000, 10_000, 30_000, 60_000, 300_000];
const MOST_TICKS = 60;

const describe = ({ startMs, speaker, label, text, probabilities }) =>
  `${clockTime(startMs)} ${speaker}: ${label ? `${label} ${percent(probabilities[label] ?? 0)}` : "speaking"}. ${text}`;

/** A strip as wide as its place; a long dialog scrolls inside it. Arrow keys go from piece to piece. */
export class Timeline {
  #scroller;
  #strip;
  #ticks;
  #pieces = new Map();
  #originMs = 0;
  #spanMs = SHORTEST_MS;
  #now;

  /** `onPick(id)` is called with the utterance that was chosen. */
  constructor(root, onPick) {
    this.#scroller = root.querySelector(".scroller");
    this.#strip = root.querySelector(".strip");
    this.#ticks = root.querySelector(".ticks");
    this.#now = root.querySelector(".now");
    this.#strip.addEventListener("click", ({ target }) => {
      const piece = target.closest("button");
      if (piece) onPick(Number(piece.dataset.utterance));
    });
    this.#strip.addEventListener("keydown", (event) => this.#key(event));
  }

  render(session) {
    for (const { button } of this.#pieces.values()) button.remove();
    this.#pieces.clear();
    this.#spanMs = 0;
    this.#originMs = 0;
    for (const utterance of session?.utterances.values() ?? []) this.update(utterance);
    this.reach(session?.lastMs ?? 0);
  }

  update(utterance) {
    const piece = this.#pieces.get(utterance.id) ?? this.#insert(utterance.id);
    const open = utterance.status === Status.SPEAKING;
    Object.assign(piece, { startMs: utterance.startMs, endMs: utterance.endMs, open });
    const { button } = piece;
    button.className = utterance.label ? emotionClass(utterance.label) : "pending";
    button.classList.toggle("is-withdrawn", utterance.withdrawn);
    button.textContent = utterance.label ? sign(utterance.label) : "";
    button.title = describe(utterance);
    button.setAttribute("aria-label", describe(utterance));
    this.#place(piece);
  }

  remove(id) {
    this.#pieces.get(id)?.button.remove();
    this.#pieces.delete(id);
    this.#makeReachable();
  }

  /** The dialog has come to `timeMs`. */
  reach(timeMs) {
    this.#reachedMs = timeMs;
    const first = this.#pieces.values().next().value?.startMs ?? 0;
    const origin = this.#pieces.size && first > SHORTEST_MS ? Math.floor(first / 10_000) * 10_000 : 0;
    const needed = Math.max(SHORTEST_MS, timeMs * 1.02 - origin);
    if (origin !== this.#originMs || needed > this.#spanMs || this.#spanMs === 0) this.#rescale(origin, needed);
    const end = this.#share(timeMs);
    this.#now.style.left = `${end}%`;
    for (const piece of this.#pieces.values()) if (piece.open) this.#place(piece);
  }

  #reachedMs = 0;

  #rescale(originMs, neededMs) {
    const follow = this.#scroller.scrollWidth - this.#scroller.scrollLeft - this.#scroller.clientWidth < 60;
    this.#originMs = originMs;
    this.#spanMs = Math.ceil(neededMs / 10_000) * 10_000; // in steps, so that it does not creep
    this.#strip.parentElement.style.minWidth = `${(this.#spanMs / 1000) * PIXELS_PER_SECOND}px`;
    for (const piece of this.#pieces.values()) this.#place(piece);
    this.#drawTicks();
    if (follow) this.#scroller.scrollLeft = this.#scroller.scrollWidth;
  }

  #drawTicks() {
    const step = TICK_MS.find((ms) => this.#spanMs / ms <= Math.min(MOST_TICKS, this.#scroller.scrollWidth / 56)) ?? TICK_MS.at(-1);
    const marks = [];
    for (let ms = Math.ceil(this.#originMs / step) * step; ms < this.#originMs + this.#spanMs; ms += step) {
      const mark = element("span", { text: clockTime(ms) });
      mark.style.left = `${this.#share(ms)}%`;
      marks.push(mark);
    }
    this.#ticks.replaceChildren(...marks);
  }

  #insert(id) {
    const button = element("button", { type: "button", tabIndex: -1 });
    button.dataset.utterance = id;
    this.#strip.append(button);
    const piece = { button, startMs: 0, endMs: 0, open: true };
    this.#pieces.set(id, piece);
    this.#makeReachable();
    return piece;
  }

  #place({ button, startMs, endMs, open }) {
    const end = open ? Math.max(this.#reachedMs, startMs + 300) : endMs;
    button.style.left = `${this.#share(startMs)}%`;
    button.style.width = `${(100 * (end - startMs)) / this.#spanMs}%`;
  }

  #share(timeMs) {
    return (100 * (timeMs - this.#originMs)) / this.#spanMs;
  }

  /** One piece is in the order of the Tab key; the arrows do the rest. */
  #makeReachable() {
    const buttons = [...this.#strip.querySelectorAll("button")];
    if (buttons.length > 0 && !buttons.some((button) => button.tabIndex === 0)) buttons.at(-1).tabIndex = 0;
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const buttons = [...this.#strip.querySelectorAll("button")];
    const here = buttons.indexOf(document.activeElement);
    const next = buttons[Math.max(0, Math.min(buttons.length - 1, here + step))];
    buttons.forEach((button) => (button.tabIndex = -1));
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  }
}
