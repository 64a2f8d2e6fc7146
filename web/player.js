/** Plays the previews' sound, in step with the frame. */

import { within } from "./patience.js";

const LATEST_MS = 150; // further from its place than this, sound is set anew
const LONGEST_WAIT_MS = 1_500;
const CUSHION_MS = 100; // for what the network delays
const RATE = 16_000;
const START_MS = 10_000;
const STUCK =
  "The browser does not start its sound. Connect loudspeakers or headphones, or choose an output in the system's " +
  "settings, then press the button again.";

/** Web Audio, silent until `enable`: browsers allow sound only after a click. */
export class Player {
  #context = null;
  #nextAt = 0;

  get enabled() {
    return this.#context !== null;
  }

  /** Throws an Error that says what to do where there is nothing to play on. */
  async enable() {
    const context = new AudioContext();
    try {
      await within(context.resume(), { limitMs: START_MS, reason: STUCK });
    } catch (error) {
      context.close();
      throw error;
    }
    this.#context = context;
  }

  disable() {
    this.#context?.close();
    this.#context = null;
    this.#nextAt = 0;
  }

  /** Play `samples` (Float32Array, 16 kHz) so that they begin `waitMs` from now, or where those before end. */
  play(samples, waitMs) {
    // While its clock stands (a telephone call came, the output is gone), all would wait for the same moment.
    if (this.#context?.state !== "running" || samples.length === 0) return;
    const wanted = this.#context.currentTime + Math.max(0, Math.min(LONGEST_WAIT_MS, waitMs + CUSHION_MS)) / 1000;
    if (Math.abs(this.#nextAt - wanted) * 1000 > LATEST_MS) this.#nextAt = wanted;
    const buffer = this.#context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#context.destination);
    source.start(this.#nextAt);
    this.#nextAt += buffer.duration;
  }
}
