/** The session's frame with its faces, or a level meter where there is only sound. */

import { element, percent } from "./dom.js";
import { emotionClass, likeliest, sign } from "./emotions.js";
import { PlayoutClock, facesAt, lastNotAfter } from "./playout.js";

const KEPT_MS = 1_300;
const KEPT_FRAMES = 48;
const KEPT_ANALYSES = 32;
const STALE_MS = 3_000; // without a frame for so long there is none
const ANNOUNCE_MS = 2_000;
const LABEL_PX = 28; // what a face's label needs above its box

const feltText = (best) => (best ? ` ${best[0]} ${percent(best[1])}` : "");
const faceText = (id, best) => `${id}${feltText(best)}`;
const spokenText = (id, best, speaking) => `${faceText(id, best)}${speaking === id ? ", speaking" : ""}`;

/** Draws one session at a time; `clear` before another. */
export class Stage {
  #root;
  #canvas;
  #boxes = new Map(); // elements by face id
  #frames = [];
  #analyses = [];
  #clock = new PlayoutClock();
  #shownMs = null;
  #frameAt = -Infinity;
  #announcedAt = 0;
  #mirrored = false;
  #speaking = null; // the id of a face
  #title;
  #ticking;

  /** `title` is what screen readers are told the frame is. */
  constructor(root, { title = "Video" } = {}) {
    this.#root = root;
    this.#title = title;
    this.#canvas = root.querySelector("canvas");
    this.boxLayer = root.querySelector(".boxes");
    this.#canvas.setAttribute("aria-label", title);
    this.placeholder = root.querySelector(".placeholder");
    this.meter = root.querySelector(".meter");
    this.#ticking = requestAnimationFrame((now) => this.#tick(now));
  }

  /** Draw no more. */
  close() {
    cancelAnimationFrame(this.#ticking);
    this.clear();
  }

  /** Forget what is shown; `mirrored` for one's own camera, as in a looking-glass. */
  clear({ mirrored = false } = {}) {
    for (const { bitmap } of this.#frames) bitmap.close();
    this.#frames = [];
    this.#analyses = [];
    this.#clock = new PlayoutClock();
    this.#shownMs = null;
    this.#frameAt = -Infinity;
    this.#mirrored = mirrored;
    this.#speaking = null;
    this.#canvas.classList.toggle("mirrored", mirrored);
    this.#drawFaces(null);
    this.level(0);
  }

  /** Take over `bitmap`, the frame of `timeMs`. */
  addFrame(timeMs, bitmap) {
    const now = performance.now();
    this.#clock.arrived(timeMs, now);
    this.#frameAt = now;
    this.#frames.push({ timeMs, bitmap });
    if (this.#frames.length > 1 && this.#frames.at(-2).timeMs > timeMs)
      this.#frames.sort((a, b) => a.timeMs - b.timeMs);
    this.#evict();
  }

  /** Take a `faces` event. */
  addFaces({ time_ms: timeMs, width, height, faces }) {
    this.#clock.analyzed(timeMs, performance.now());
    this.#analyses.push({ timeMs, width, height, faces });
    if (this.#analyses.length > KEPT_ANALYSES) this.#analyses.shift();
    this.#shownMs = null; // the frame that is shown may be the one they belong to
  }

  /** Mark the face with this id as the one that speaks; null: none. */
  speaks(id) {
    this.#speaking = id;
    for (const [other, box] of this.#boxes) box.classList.toggle("speaking", other === id);
  }

  /** Media time of what is to be seen, and heard, now. */
  mediaNow() {
    return this.#clock.mediaAt(performance.now());
  }

  /** Sound of `timeMs`, as loud as `value` (0 to 1), has come with the frames. */
  addSound(timeMs, value) {
    this.#clock.arrived(timeMs, performance.now());
    this.level(value);
  }

  /** Show loudness, 0 to 1. */
  level(value) {
    this.meter.style.setProperty("--level", value.toFixed(3));
  }

  #evict() {
    const newest = this.#frames.at(-1).timeMs;
    while (this.#frames.length > KEPT_FRAMES || newest - this.#frames[0].timeMs > KEPT_MS)
      this.#frames.shift().bitmap.close();
  }

  #tick(now) {
    this.#ticking = requestAnimationFrame((later) => this.#tick(later));
    const alive = now - this.#frameAt < STALE_MS;
    this.#root.classList.toggle("has-frame", alive);
    if (!alive) {
      this.#drawFaces(null);
      return;
    }
    const index = Math.max(0, lastNotAfter(this.#frames, this.#clock.mediaAt(now)));
    const { timeMs, bitmap } = this.#frames[index];
    if (timeMs === this.#shownMs) return;
    this.#shownMs = timeMs;
    this.#drawFrame(bitmap);
    this.#drawFaces(facesAt(this.#analyses, timeMs));
  }

  #drawFrame(bitmap) {
    if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
      this.#canvas.width = bitmap.width;
      this.#canvas.height = bitmap.height;
      this.#root.style.setProperty("--aspect", `${bitmap.width} / ${bitmap.height}`);
    }
    this.#canvas.getContext("2d").drawImage(bitmap, 0, 0);
  }

  #drawFaces(analysis) {
    const faces = analysis?.faces ?? [];
    const gone = new Set(this.#boxes.keys());
    for (const face of faces) {
      gone.delete(face.id);
      this.#drawFace(face, analysis);
    }
    for (const id of gone) {
      this.#boxes.get(id).remove();
      this.#boxes.delete(id);
    }
    this.#announce(faces);
  }

  #drawFace({ id, box: [left, top, right, bottom], expression }, { width, height, lateMs }) {
    if (!this.#boxes.has(id)) {
      const box = element("div", {}, element("span", {}, element("span"), element("small")));
      this.#boxes.set(id, box);
      this.boxLayer.append(box);
    }
    const box = this.#boxes.get(id);
    const best = likeliest(expression);
    const start = this.#mirrored ? width - right : left;
    box.className = `face ${emotionClass(best?.[0])}`;
    box.classList.toggle("late", lateMs > 0);
    box.classList.toggle("speaking", id === this.#speaking);
    box.classList.toggle("label-below", (top / height) * this.#root.clientHeight < LABEL_PX);
    box.classList.toggle("label-left", start + right - left > width - start);
    box.style.left = `${(100 * start) / width}%`;
    box.style.top = `${(100 * top) / height}%`;
    box.style.width = `${(100 * (right - left)) / width}%`;
    box.style.height = `${(100 * (bottom - top)) / height}%`;
    const [text, age] = box.firstChild.children;
    if (text.textContent !== faceText(id, best)) text.replaceChildren(`${id}`, ...(best ? [sign(best[0])] : []), feltText(best));
    age.textContent = lateMs > 0 ? ` (${Math.ceil(lateMs / 1000)} s ago)` : "";
  }

  #announce(faces) {
    const now = performance.now();
    if (now - this.#announcedAt < ANNOUNCE_MS) return;
    this.#announcedAt = now;
    const described = faces.map(({ id, expression }) => spokenText(id, likeliest(expression), this.#speaking)).join("; ");
    this.#canvas.setAttribute("aria-label", `${this.#title}, ${described ? `faces: ${described}` : "no face"}`);
  }
}
