/** When the next frame is sent, how large and how good: as much as the network takes. Pure: times and bytes in. */

import { IDLE_BYTES } from "./client.js";

/** From what a good network takes to what hardly any does not; quality goes first, then rate, then size. */
export const LEVELS = Object.freeze([
  { width: 640, quality: 0.8, perSecond: 8 },
  { width: 640, quality: 0.6, perSecond: 8 },
  { width: 640, quality: 0.5, perSecond: 5 },
  { width: 480, quality: 0.5, perSecond: 5 },
  { width: 320, quality: 0.5, perSecond: 3 },
  { width: 320, quality: 0.4, perSecond: 1 },
]);

const EARLY_MS = 31; // half the time between two of the camera's frames: nearer than the next one
const MOST_STRAIN = 3; // frames in a row that found the one before still on its way
const FIRST_HOLD_MS = 5_000; // calm for so long, the next better level is tried
const LONGEST_HOLD_MS = 60_000;

/** Where one begins. */
export const START = Object.freeze({ level: 0, strain: 0, dueMs: 0, sinceMs: 0, holdMs: FIRST_HOLD_MS });

/**
 * Return `{ state, frame }` at `nowMs` with `waitingBytes` still in the socket: `frame` is the level to send one
 * at, or null for none now. A level that was tried in vain is tried again after twice the time.
 */
export function nextFrame(state, { nowMs, waitingBytes }) {
  if (nowMs < state.dueMs - EARLY_MS) return { state, frame: null };
  const dueMs = nowMs + 1000 / LEVELS[state.level].perSecond;
  if (waitingBytes > IDLE_BYTES) return { state: strained({ ...state, dueMs }, nowMs), frame: null };
  const calm = eased({ ...state, dueMs, strain: Math.max(0, state.strain - 1) }, nowMs);
  return { state: calm, frame: LEVELS[calm.level] };
}

function strained(state, nowMs) {
  const strain = state.strain + 1;
  if (strain < MOST_STRAIN) return { ...state, strain };
  const level = Math.min(LEVELS.length - 1, state.level + 1);
  return { ...state, level, strain: 0, sinceMs: nowMs, holdMs: Math.min(LONGEST_HOLD_MS, state.holdMs * 2) };
}

function eased(state, nowMs) {
  if (nowMs - state.sinceMs < state.holdMs) return state;
  if (state.level > 0) return { ...state, level: state.level - 1, sinceMs: nowMs };
  return { ...state, sinceMs: nowMs, holdMs: FIRST_HOLD_MS };
}
