/**
 * Any sampling rate to 16 kHz, by a windowed-sinc filter that lets nothing above 8 kHz fold back.
 * Done here, not by the browser, because not every browser takes a microphone into a context of another rate.
 */

export const TARGET_RATE = 16_000;
export const FULL_SCALE = 32_768; // of 16-bit samples
const ZERO_CROSSINGS = 24;
const PASSBAND = 0.92; // of half the lower rate: the rest is the filter's slope

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

const blackman = (x) => 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** One filter per fraction of an input sample at which an output sample can lie; each sums to 1. */
function filterBank(half, phases, cutoff) {
  return Array.from({ length: phases }, (_, phase) => {
    const taps = Float64Array.from({ length: 2 * half }, (_, i) => {
      const distance = i - half + 1 - phase / phases;
      return sinc(distance * cutoff) * blackman(Math.min(1, Math.abs(distance) / half));
    });
    const sum = taps.reduce((a, b) => a + b, 0);
    return taps.map((tap) => tap / sum);
  });
}

/** Turns a stream of blocks into 16 kHz without delay in its sample count: output n is input time n / 16000. */
export class Resampler {
  #up;
  #down;
  #half;
  #filters;
  #input;
  #position; // of the next output sample, in input samples times #up

  constructor(rate) {
    const divisor = gcd(Math.round(rate), TARGET_RATE);
    this.#up = TARGET_RATE / divisor;
    this.#down = Math.round(rate) / divisor;
    const cutoff = PASSBAND * Math.min(1, TARGET_RATE / rate);
    this.#half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.#filters = filterBank(this.#half, this.#up, cutoff);
    this.#input = new Float32Array(this.#half - 1); // the silence before the first sample
    this.#position = (this.#half - 1) * this.#up;
  }

  /** Take `block` (Float32Array) and return the output samples it completes. */
  push(block) {
    const input = new Float32Array(this.#input.length + block.length);
    input.set(this.#input);
    input.set(block, this.#input.length);
    const output = [];
    while (Math.floor(this.#position / this.#up) + this.#half < input.length) {
      output.push(this.#sample(input));
      this.#position += this.#down;
    }
    this.#keep(input);
    return Float32Array.from(output);
  }

  #sample(input) {
    const first = Math.floor(this.#position / this.#up) - this.#half + 1;
    const taps = this.#filters[this.#position % this.#up];
    let sum = 0;
    for (let i = 0; i < taps.length; i += 1) sum += taps[i] * input[first + i];
    return sum;
  }

  #keep(input) {
    const used = Math.max(0, Math.min(Math.floor(this.#position / this.#up) - this.#half + 1, input.length));
    this.#input = input.slice(used);
    this.#position -= used * this.#up;
  }
}

/** Return float samples in [-1, 1] as Int16Array; what is louder is clipped. */
export function toPcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * (FULL_SCALE - 1)));
}
