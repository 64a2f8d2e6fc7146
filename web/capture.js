/** The browser's own camera and microphone as 16 kHz sound and JPEG frames, timed on one clock. */

import { element } from "./dom.js";
import { within } from "./patience.js";
import { FULL_SCALE, TARGET_RATE } from "./resampler.js";

const WIDTH = 640;
const FRAME_MS = 62; // own frames shown
const GAP_MS = 250; // sound later than this, for a second on end, has lost samples (the computer slept)
const LATE_CHUNKS = 10;
const OPEN_MS = 10_000; // for each step of opening that waits for no answer of the user

const MESSAGES = {
  NotAllowedError:
    "Camera and microphone were not allowed. Allow them for this page (the icon beside the address, " +
    "and the system's privacy settings), then press Start again.",
  SecurityError: "The browser's settings forbid camera and microphone on this page.",
  NotFoundError: "No camera or microphone was found. Connect one, or untick what is missing.",
  NotReadableError: "The camera or microphone is in use by another program. Close that program, then press Start again.",
  AbortError: "The camera or microphone could not be started. Unplug it and plug it in again, then press Start.",
  OverconstrainedError: "The camera or microphone does not offer what is needed. Choose another one in the browser's settings.",
  InvalidStateError: "The page was not in front when it asked for the camera. Press Start again.",
};

/** What is told while a step of opening is waited for. */
export const STEPS = Object.freeze({
  permission: "The browser asks whether this page may use them: answer its question, at the top of the window.",
  video: "The camera is being started.",
  audio: "The microphone is being started.",
});

/** What keeps a step of opening from its end, and what to do. */
const STUCK = {
  video: "The camera gives no picture. Close other programs that use it, or untick it, then press Start again.",
  module: "A part of this page did not come from the server. Reload the page, then press Start again.",
  audio:
    "The browser does not start its sound: it needs a sound output even to record. Connect loudspeakers or headphones, " +
    "or choose an output in the system's settings, then press Start again.",
  silence: "No sound comes from the microphone. Choose another one in the browser's settings, then press Start again.",
};

const INSECURE =
  "Browsers give camera and microphone only to pages of this machine or over HTTPS. " +
  "Open this page as http://localhost, or put HTTPS in front of the server.";

/** Something that kept the devices from opening; `message` says what to do. */
export class CaptureError extends Error {}

const stopTracks = (stream) => stream.getTracks().forEach((track) => track.stop());

/** Return the sentence for what getUserMedia threw. */
export function describeFailure(error) {
  return MESSAGES[error?.name] ?? `Camera and microphone could not be opened: ${error?.message ?? error}`;
}

const CONSTRAINTS = {
  video: { width: { ideal: WIDTH }, frameRate: { ideal: 24, max: 30 } },
  audio: { channelCount: { ideal: 1 }, echoCancellation: true },
};

/** The requests to try in turn: what was asked for, then each device alone. */
function requests({ video, audio }) {
  if (!(video && audio)) return [{ video, audio }];
  return [{ video: true, audio: true }, { video: false, audio: true }, { video: true, audio: false }];
}

/**
 * Open the devices; `missing` names the one that does not exist when only the other could be had. How long the user
 * thinks about the browser's question has no limit: `signal` calls it off.
 */
export async function openDevices(wanted, signal = null) {
  if (!window.isSecureContext || !navigator.mediaDevices) throw new CaptureError(INSECURE);
  let failure = null;
  for (const { video, audio } of requests(wanted)) {
    try {
      const asked = { video: video && CONSTRAINTS.video, audio: audio && CONSTRAINTS.audio };
      const stream = await within(navigator.mediaDevices.getUserMedia(asked), { signal, undo: stopTracks });
      const missing = [wanted.video && !video && "camera", wanted.audio && !audio && "microphone"].find(Boolean);
      return { stream, missing: missing ?? null };
    } catch (error) {
      if (signal?.aborted) throw error;
      failure ??= error;
      if (error.name !== "NotFoundError") break;
    }
  }
  throw new CaptureError(describeFailure(failure));
}

/** Return the frame of `canvas` at most `width` pixels wide. */
function smaller(canvas, width) {
  if (canvas.width <= width) return canvas;
  const small = element("canvas", { width, height: Math.round((canvas.height * width) / canvas.width) });
  small.getContext("2d").drawImage(canvas, 0, 0, small.width, small.height);
  return small;
}

/** Media time of sound, counted in its samples and set anew after a gap. */
export class SampleClock {
  #samples = 0;
  #offsetMs = null;
  #lateChunks = 0;

  /** Return the time of the first of `count` samples that arrived whole at `nowMs`. */
  next(count, nowMs) {
    const arrived = nowMs - (count * 1000) / TARGET_RATE;
    const counted = (this.#samples * 1000) / TARGET_RATE;
    this.#offsetMs ??= Math.max(0, arrived - counted);
    // One late chunk is a busy page, not a loss: those behind it catch up.
    this.#lateChunks = arrived - counted - this.#offsetMs > GAP_MS ? this.#lateChunks + 1 : 0;
    if (this.#lateChunks >= LATE_CHUNKS) {
      this.#offsetMs = arrived - counted;
      this.#lateChunks = 0;
    }
    this.#samples += count;
    return counted + this.#offsetMs;
  }
}

/** Return the loudness of s16le samples, 0 (silence) to 1 (as loud as can be), on a decibel scale of 60 dB. */
export function loudness(samples) {
  let energy = 0;
  for (const sample of samples) energy += (sample / FULL_SCALE) ** 2;
  const decibels = 10 * Math.log10(energy / Math.max(1, samples.length) + 1e-9);
  return Math.max(0, Math.min(1, 1 + decibels / 60));
}

/**
 * Runs the opened devices. Media flows after `begin`, which starts the clock at 0, and may be called again.
 * `onAudio(timeMs, Int16Array)`, `onJpeg(timeMs, ArrayBuffer)` are to be sent; `onFrame(timeMs, ImageBitmap)` is
 * for the own view; `onEnded(kind)` tells that a device went away. `nextFrame(nowMs)` is asked for `{ width,
 * quality }` of the frame to send now, or null for none. docs/clients.md tells what the browsers differ in.
 */
export class Capture {
  #stream;
  #handlers;
  #startedAt = null;
  #sampleClock = new SampleClock();
  #audioContext = null;
  #tick = () => {};
  #video = null;
  #timer = null;
  #encoding = false;
  #dark = false;
  #heard = () => {};

  constructor(stream, handlers) {
    this.#stream = stream;
    this.#handlers = handlers;
    for (const track of stream.getTracks()) track.onended = () => handlers.onEnded(track.kind);
  }

  get hasVideo() {
    return this.#stream.getVideoTracks().length > 0;
  }

  get hasAudio() {
    return this.#stream.getAudioTracks().length > 0;
  }

  /** Send no frames, or silence in the place of sound, while `held`: silence ends what was being said. */
  hold(kind, held) {
    if (kind === "video") this.#dark = held;
    for (const track of this.#stream.getTracks()) if (track.kind === kind) track.enabled = !held;
  }

  /**
   * Start the devices' threads; media is thrown away until `begin`. `onStep(kind)` is told what is waited for, and
   * `signal` calls it off.
   */
  async open({ signal = null, onStep = () => {} } = {}) {
    const wait = (work, reason) =>
      within(work, { limitMs: OPEN_MS, signal }).catch((error) => {
        throw signal?.aborted ? error : new CaptureError(reason);
      });
    if (this.hasVideo) onStep("video");
    if (this.hasVideo) await this.#openVideo(wait);
    if (this.hasAudio) onStep("audio");
    if (this.hasAudio) await this.#openAudio(wait);
  }

  /** Media time is 0 now. */
  begin() {
    this.#startedAt = performance.now();
    this.#sampleClock = new SampleClock();
  }

  /** Send nothing until `begin` is called again. */
  pause() {
    this.#startedAt = null;
  }

  stop() {
    this.pause();
    clearInterval(this.#timer);
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.#audioContext?.close();
  }

  async #openVideo(wait) {
    this.#video = element("video", { muted: true, playsInline: true, srcObject: this.#stream });
    await wait(this.#video.play(), STUCK.video);
    const canvas = element("canvas");
    // A timer, not requestVideoFrameCallback, which stops in a tab that is not in front. There a timer comes once a
    // second or less: the microphone's messages, which are never held back, then take its place.
    this.#tick = () => this.#takeFrame(canvas);
    this.#timer = setInterval(this.#tick, FRAME_MS);
  }

  #takeFrame(canvas) {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#startedAt === null || videoWidth === 0 || this.#dark) return;
    const timeMs = performance.now() - this.#startedAt;
    const scale = Math.min(1, WIDTH / videoWidth);
    canvas.width = Math.round(videoWidth * scale);
    canvas.height = Math.round(videoHeight * scale);
    canvas.getContext("2d").drawImage(this.#video, 0, 0, canvas.width, canvas.height);
    createImageBitmap(canvas).then((bitmap) => this.#handlers.onFrame(timeMs, bitmap));
    if (this.#encoding) return; // the machine is behind: the next frame will do
    const wanted = this.#handlers.nextFrame(performance.now());
    if (wanted) this.#encode(smaller(canvas, wanted.width), timeMs, wanted.quality);
  }

  #encode(canvas, timeMs, quality) {
    this.#encoding = true;
    const clock = this.#startedAt;
    const deliver = async (blob) => {
      const jpeg = await blob?.arrayBuffer();
      this.#encoding = false;
      if (jpeg && clock === this.#startedAt) this.#handlers.onJpeg(timeMs, jpeg);
    };
    canvas.toBlob(deliver, "image/jpeg", quality); // every browser has it; OffscreenCanvas came late to Safari
  }

  async #openAudio(wait) {
    const context = new AudioContext();
    this.#audioContext = context;
    await wait(context.resume(), STUCK.audio); // first: in Firefox what it stands on is what addModule waits for, too
    await wait(context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url)), STUCK.module);
    const node = new AudioWorkletNode(context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      channelInterpretation: "speakers",
    });
    node.port.onmessage = ({ data }) => this.#takeAudio(data);
    context.createMediaStreamSource(this.#stream).connect(node);
    // Safari interrupts it for a telephone call, and any browser may suspend it: it is to go on when it can.
    context.onstatechange = () => context.state === "closed" || context.resume().catch(() => {});
    const sound = new Promise((resolve) => (this.#heard = resolve));
    await wait(sound, STUCK.silence);
  }

  #takeAudio(samples) {
    this.#heard();
    if (document.hidden) this.#tick();
    if (this.#startedAt === null) return;
    const timeMs = this.#sampleClock.next(samples.length, performance.now() - this.#startedAt);
    this.#handlers.onAudio(timeMs, samples);
  }
}
