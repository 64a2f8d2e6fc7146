/** The dialog as strips, a lane for each speaker: one coloured piece per utterance; a click goes to its row. */

import { colours } from "./speakers.js";
import { clockTime, element } from "./dom.js";
import { emotionClass, share, shown, sign } from "./emotions.js";
import { Status, compareUtterances } from "./store.js";

const SHORTEST_MS = 30_000; // what the strip shows at least
const LONGEST_MS = 1_800_000; // and at most: about as long as the utterances the store keeps
const STEP_MS = 10_000; // the strip grows in steps, so that it does not creep
const FORGET_STEP_MS = 60_000; // and so does what it leaves behind
const PIXELS_PER_SECOND = 8;
const TICK_MS = [5_000, 10_000, 30_000, 60_000, 300_000];
const MOST_TICKS = 60;

const STANDING = { [Status.SPEAKING]: " (speaking)", [Status.WAITING]: " (working)", [Status.EARLY]: " (early)", [Status.FINAL]: "" };

const felt = (utterance) =>
  [utterance.soFar ? "so far " : "", [shown(utterance), share(utterance)].join(utterance.uncertain ? ", " : " ")].join("");
const describe = (utterance) =>
  `${clockTime(utterance.startMs)} ${utterance.speaker}: ${utterance.label ? felt(utterance) : "no emotion yet"}${STANDING[utterance.status]}. ${utterance.text}`;

/** Lanes as wide as their place; a long dialog scrolls inside it, and of a longer one the end is shown, with the
 * lanes of those who spoke there. Arrow keys go from piece to piece, up and down
 * from lane to lane. */
export class Timeline {
  #scroller;
  #strip;
  #ticks;
  #lanes = new Map(); // by speaker: { lane, bar }
  #pieces = new Map(); // by the utterance's key
  #oldestMs = 0; // what ended before is not shown
  #originMs = 0;
  #spanMs = SHORTEST_MS;
  #reachedMs = 0;
  #now;

  /** `onPick(key)` is called with the utterance that was chosen. */
  constructor(root, onPick) {
    this.#scroller = root.querySelector(".scroller");
    this.#strip = root.querySelector(".strip");
    this.#ticks = root.querySelector(".ticks");
    this.#now = root.querySelector(".now");
    this.#strip.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) onPick(this.#pieceOf(button).key);
    });
    this.#strip.addEventListener("keydown", (event) => this.#key(event));
  }

  render(dialog) {
    this.#strip.replaceChildren();
    this.#lanes.clear();
    this.#pieces.clear();
    this.#strip.classList.remove("several");
    this.#spanMs = 0;
    this.#originMs = 0;
    this.#oldestMs = 0;
    for (const utterance of dialog?.utterances.values() ?? []) this.update(utterance);
    this.reach(dialog?.lastMs ?? 0);
  }

  update(utterance) {
    const { key, id, session, startMs, endMs, speaker, status } = utterance;
    if (this.#isOver({ endMs, open: status === Status.SPEAKING })) {
      this.remove(key);
      return;
    }
    const piece = this.#pieces.get(key) ?? this.#insert(key);
    Object.assign(piece, { id, session, startMs, endMs, speaker, open: status === Status.SPEAKING });
    const { button } = piece;
    button.className = utterance.label ? emotionClass(shown(utterance)) : "pending";
    button.classList.toggle("early", status === Status.EARLY || utterance.soFar);
    button.classList.toggle("is-withdrawn", utterance.withdrawn);
    button.replaceChildren(...(utterance.label ? [sign(shown(utterance))] : []));
    button.title = describe(utterance);
    button.setAttribute("aria-label", describe(utterance));
    const { bar } = this.#lane(speaker);
    if (button.parentNode !== bar) bar.append(button);
    this.#dropEmptyLanes();
    this.#place(piece);
    this.#makeReachable();
  }

  remove(key) {
    const piece = this.#pieces.get(key);
    if (!piece) return;
    piece.button.remove();
    this.#pieces.delete(key);
    this.#dropEmptyLanes();
    this.#makeReachable();
  }

  /** The dialog has come to `timeMs`. */
  reach(timeMs) {
    this.#reachedMs = timeMs;
    this.#leaveBehind(Math.ceil((timeMs - LONGEST_MS) / FORGET_STEP_MS) * FORGET_STEP_MS);
    const first = Math.min(...[...this.#pieces.values()].map(({ startMs }) => startMs));
    const begin = this.#pieces.size && first > SHORTEST_MS ? Math.floor(first / STEP_MS) * STEP_MS : 0;
    const origin = Math.max(begin, this.#oldestMs);
    const needed = Math.max(SHORTEST_MS, (timeMs - origin) * 1.02);
    if (origin !== this.#originMs || needed > this.#spanMs || this.#spanMs === 0) this.#rescale(origin, needed);
    this.#now.style.left = `${this.#share(timeMs)}%`;
    for (const piece of this.#pieces.values()) if (piece.open) this.#place(piece);
  }

  #isOver({ endMs, open }) {
    return !open && endMs < this.#oldestMs;
  }

  /** Show no more what ended before `timeMs`. */
  #leaveBehind(timeMs) {
    if (timeMs <= this.#oldestMs) return;
    this.#oldestMs = timeMs;
    for (const piece of [...this.#pieces.values()]) if (this.#isOver(piece)) this.remove(piece.key);
  }

  #dropEmptyLanes() {
    for (const [speaker, { lane, bar }] of this.#lanes) {
      if (bar.childElementCount > 0) continue;
      lane.remove();
      this.#lanes.delete(speaker);
    }
    this.#strip.classList.toggle("several", this.#lanes.size > 1);
  }

  #rescale(originMs, neededMs) {
    const follow = this.#scroller.scrollWidth - this.#scroller.scrollLeft - this.#scroller.clientWidth < 60;
    const leftMs = this.#spanMs === 0 ? 0 : originMs - this.#originMs;
    this.#originMs = originMs;
    this.#spanMs = Math.ceil(neededMs / STEP_MS) * STEP_MS;
    this.#strip.parentElement.style.minWidth = `${(this.#spanMs / 1000) * PIXELS_PER_SECOND}px`;
    for (const piece of this.#pieces.values()) this.#place(piece);
    this.#drawTicks();
    if (follow) this.#scroller.scrollLeft = this.#scroller.scrollWidth;
    else this.#scroller.scrollLeft -= (leftMs / 1000) * PIXELS_PER_SECOND; // what the reader looks at stays
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

  /** The lane of `speaker`; the names are shown once there are several. */
  #lane(speaker) {
    if (!this.#lanes.has(speaker)) {
      const bar = element("div", { className: "bar-lane" });
      const name = element("span", { className: `lane-name ${colours.classOf(speaker)}`, text: speaker, attributes: { "aria-hidden": "true" } });
      const lane = element("div", { className: "lane" }, name, bar);
      this.#strip.append(lane);
      this.#lanes.set(speaker, { lane, bar });
    }
    return this.#lanes.get(speaker);
  }

  #insert(key) {
    const piece = { key, button: element("button", { type: "button", tabIndex: -1 }) };
    this.#pieces.set(key, piece);
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

  #pieceOf(button) {
    return [...this.#pieces.values()].find((piece) => piece.button === button);
  }

  /** One piece is in the order of the Tab key; the arrows do the rest. */
  #makeReachable() {
    const buttons = [...this.#strip.querySelectorAll("button")];
    if (buttons.length > 0 && !buttons.some((button) => button.tabIndex === 0)) buttons.at(-1).tabIndex = 0;
  }

  #key(event) {
    const here = event.target.closest("button");
    const next = here && this.#next(this.#pieceOf(here), event.key);
    if (!next) return;
    for (const { button } of this.#pieces.values()) button.tabIndex = -1;
    next.button.tabIndex = 0;
    next.button.focus();
    event.preventDefault();
  }

  /** The piece that `key` leads to: before or after in time, or the nearest in the lane above or below. */
  #next(piece, key) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[key];
    if (!step) return null;
    const pieces = [...this.#pieces.values()];
    if (key === "ArrowLeft" || key === "ArrowRight") return pieces.sort(compareUtterances)[pieces.indexOf(piece) + step] ?? null;
    const speakers = [...this.#lanes.keys()];
    const lane = pieces.filter(({ speaker }) => speaker === speakers[speakers.indexOf(piece.speaker) + step]);
    const distance = ({ startMs }) => Math.abs(startMs - piece.startMs);
    return lane.reduce((best, other) => (best === null || distance(other) < distance(best) ? other : best), null);
  }
}
