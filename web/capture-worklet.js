/** Runs in the sound thread: the microphone's blocks become 16 kHz mono s16le in messages of 100 ms. */

import { Resampler, toPcm16 } from "./resampler.js";

const CHUNK_SAMPLES = 1600;

class CaptureProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate);
    this.chunk = new Float32Array(CHUNK_SAMPLES);
    this.filled = 0;
  }

  process([input]) {
    // The node is made with one channel: the browser has mixed the others into it.
    if (input.length > 0) for (const sample of this.resampler.push(input[0])) this.add(sample);
    return true;
  }

  add(sample) {
    this.chunk[this.filled] = sample;
    this.filled += 1;
    if (this.filled < CHUNK_SAMPLES) return;
    const pcm = toPcm16(this.chunk);
    this.port.postMessage(pcm, [pcm.buffer]);
    this.filled = 0;
  }
}

registerProcessor("capture", CaptureProcessor);
