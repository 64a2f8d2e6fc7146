/** This browser's own session: its devices, its connection, and what became of both. */

import { START, nextFrame } from "./adapt.js";
import { Capture, STEPS, loudness, openDevices } from "./capture.js";
import { LiveClient, State } from "./client.js";

/** What the own session is doing. */
export const Phase = Object.freeze({ OFF: "off", OPENING: "opening", ON: "on", FINISHING: "finishing" });

/** Why opening ended that the user called off: there is nothing to be told. */
class CalledOffError extends Error {}

/**
 * Starts and stops sending. Dispatches "phase" (`phase`), "event" (the protocol's), "media" (others' frames, where
 * the address asks for them), "state" (the connection's), "frame" (`timeMs`, `bitmap`), "level" (`timeMs`, `value` 0
 * to 1), "notice" (`kind`, `message`), "step" (in words, what opening waits for; "" for nothing any more). Frames adapt to the network (adapt.js).
 */
export class OwnSession extends EventTarget {
  #capture = null;
  #client = null;
  #opening = null; // calls opening off
  #rate = START;

  constructor() {
    super();
    this.phase = Phase.OFF;
    this.id = null;
  }

  /** Whether its events come over its own connection. */
  tells(sessionId) {
    return this.#client !== null && sessionId === this.id;
  }

  /** What was sent and what was dropped, or null when nothing is being sent. */
  get counts() {
    return this.#client && { sent: this.#client.sent, dropped: this.#client.dropped };
  }

  /** Open the devices asked for, if any, and send them to `url`; failures are told as a notice. */
  async start(url, { video, audio, settings = null, token = "" }) {
    if (this.phase !== Phase.OFF) return;
    this.#enter(Phase.OPENING);
    this.#opening = new AbortController();
    try {
      if (video || audio) await this.#openDevices({ video, audio }, this.#opening.signal);
    } catch (error) {
      this.#capture?.stop();
      this.#capture = null;
      if (!(error instanceof CalledOffError)) this.#tell("notice", { kind: "error", message: error.message });
      this.#enter(Phase.OFF);
      return;
    } finally {
      this.#opening = null;
      this.#tell("step", "");
    }
    this.#connect(new LiveClient(url, { settings, token }));
    this.#enter(Phase.ON);
  }

  /** Send no frames ("video"), or silence ("audio"), while `held`. */
  hold(kind, held) {
    this.#capture?.hold(kind, held);
  }

  /** Whether a device ("video" or "audio") is open. */
  has(kind) {
    return Boolean(kind === "video" ? this.#capture?.hasVideo : this.#capture?.hasAudio);
  }

  /** Connect again at once. */
  connect() {
    this.#client?.connect();
  }

  /** Stop the devices at once, wait for the last results; while they are being opened, call that off. */
  async stop() {
    this.#opening?.abort(new CalledOffError());
    if (this.phase !== Phase.ON) return;
    this.#capture?.stop();
    this.#enter(Phase.FINISHING);
    await this.#client.finish();
    this.#client = null;
    this.#capture = null;
    this.#enter(Phase.OFF);
  }

  async #openDevices(wanted, signal) {
    this.#tell("step", STEPS.permission);
    const { stream, missing } = await openDevices(wanted, signal);
    this.#capture = new Capture(stream, this.#handlers());
    if (missing) this.#tell("notice", { kind: "warning", message: `No ${missing} was found: the other is sent alone.` });
    await this.#capture.open({ signal, onStep: (kind) => this.#tell("step", STEPS[kind]) });
  }

  #connect(client) {
    this.#client = client;
    this.#rate = START;
    client.addEventListener("event", ({ detail }) => {
      if (detail.type === "session.created" && detail.session === client.session) this.#begin(detail.session);
      this.#tell("event", detail);
    });
    client.addEventListener("media", ({ detail }) => this.#tell("media", detail));
    client.addEventListener("gap", ({ detail }) => this.#tell("gap", detail));
    client.addEventListener("state", ({ detail }) => {
      if (detail.state !== State.CONNECTED) this.#capture?.pause();
      this.#tell("state", detail);
    });
    client.connect();
  }

  /** A new connection is a new session, and its media time starts at 0. */
  #begin(sessionId) {
    this.id = sessionId;
    this.#capture?.begin();
  }

  #handlers() {
    return {
      onAudio: (timeMs, samples) => {
        this.#client?.sendAudio(timeMs, samples);
        this.#tell("level", { timeMs, value: loudness(samples) });
      },
      onJpeg: (timeMs, jpeg) => this.#client?.sendFrame(timeMs, jpeg),
      onFrame: (timeMs, bitmap) => this.#tell("frame", { timeMs, bitmap }),
      nextFrame: (nowMs) => this.#nextFrame(nowMs),
      onEnded: (kind) => this.#deviceLost(kind),
    };
  }

  #nextFrame(nowMs) {
    const { state, frame } = nextFrame(this.#rate, { nowMs, waitingBytes: this.#client?.waitingBytes ?? 0 });
    this.#rate = state;
    return frame;
  }

  #deviceLost(kind) {
    const name = kind === "video" ? "camera" : "microphone";
    const message = `The ${name} was disconnected or taken away. Press Start to begin again.`;
    this.#opening?.abort(new Error(message));
    if (this.phase !== Phase.ON) return;
    this.#tell("notice", { kind: "error", message });
    this.stop();
  }

  #enter(phase) {
    this.phase = phase;
    this.#tell("phase", phase);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
