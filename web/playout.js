/**
 * When a frame is shown: late enough that the faces found in it are known, at most a second.
 * Pure: media time and wall clock are arguments, both in milliseconds.
 */

const LONGEST_DELAY_MS = 1_000;
const MARGIN_MS = 40;
const JUMP_MS = 2_000; // media this far from its place comes from a source that paused or began anew
const DRIFT = 0.002;
const EASE = 0.1;

/** Maps the wall clock to the media time to be shown; both clocks may drift. */
export class PlayoutClock {
  #offset = null; // wall clock minus media time of what came through fastest
  #delay = 0;

  /** Media of `timeMs` is here. */
  arrived(timeMs, wallMs) {
    const offset = wallMs - timeMs;
    if (this.#offset === null || offset < this.#offset || offset - this.#offset > JUMP_MS) this.#offset = offset;
    else this.#offset += (offset - this.#offset) * DRIFT;
  }

  /** The faces of the frame of `timeMs` are here: the delay grows at once and shrinks slowly. */
  analyzed(timeMs, wallMs) {
    if (this.#offset === null) return;
    const lag = Math.max(0, Math.min(LONGEST_DELAY_MS, wallMs - timeMs - this.#offset + MARGIN_MS));
    this.#delay = lag > this.#delay ? lag : this.#delay + (lag - this.#delay) * EASE;
  }

  /** Return the media time to show now; -Infinity before any media. */
  mediaAt(wallMs) {
    return this.#offset === null ? -Infinity : wallMs - this.#offset - this.#delay;
  }
}

/** Return the index of the last of `items` (by `timeMs`, ascending) that is not later than `timeMs`; -1: none. */
export function lastNotAfter(items, timeMs) {
  return items.findLastIndex((item) => item.timeMs <= timeMs);
}

const HOLD_MS = 600; // how long faces stay when no newer analysis came
const LATE_MS = 15_000; // and, marked with their age, on a machine that is too slow for its frames

const between = (a, b, share) => a.map((value, i) => value + (b[i] - value) * share);

/**
 * Return the faces of the frame of `timeMs`: those found in it, or, for a frame between two analyzed ones, the
 * boxes in between; `analyses` are `faces` events as `{ timeMs, width, height, faces }`, ascending. `lateMs`
 * is how much older the frame is that they were found in, 0 where they fit. Null: unknown.
 */
export function facesAt(analyses, timeMs) {
  const index = lastNotAfter(analyses, timeMs);
  if (index < 0) return null;
  const [before, after] = [analyses[index], analyses[index + 1]];
  const age = timeMs - before.timeMs;
  if (age > LATE_MS) return null;
  if (!after || after.timeMs - before.timeMs > HOLD_MS) return { ...before, lateMs: age > HOLD_MS ? age : 0 };
  const share = age / (after.timeMs - before.timeMs);
  const faces = before.faces.map((face) => {
    const later = after.faces.find(({ id }) => id === face.id);
    return later ? { ...face, box: between(face.box, later.box, share) } : face;
  });
  return { ...before, faces, lateMs: 0 };
}
