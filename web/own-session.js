/** This browser's own session: its devices, its connection, and what became of both. */

import { START, nextPicture } from "./adapt.js";
import { Capture, loudness, openDevices } from "./capture.js";
import { LiveClient, State } from "./client.js";

/** What the own session is doing. */
export const Phase = Object.freeze({ OFF: "off", OPENING: "opening", ON: "on", FINISHING: "finishing" });

/**
 * Starts and stops sending. Dispatches "phase" (`phase`), "event" (the protocol's), "media" (others' pictures, where
 * the address asks for them), "state" (the connection's), "picture" (`timeMs`, `bitmap`), "level" (`timeMs`, `value` 0
 * to 1), "notice" (`kind`, `message`). Pictures adapt to the network (adapt.js).
 */
export class OwnSession extends EventTarget {
  #capture = null;
  #client = null;
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
    this.#enter(Phase.OPENING);
    try {
      if (video || audio) await this.#openDevices({ video, audio });
    } catch (error) {
      this.#capture?.stop();
      this.#capture = null;
      this.#tell("notice", { kind: "error", message: error.message });
      this.#enter(Phase.OFF);
      return;
    }
    this.#connect(new LiveClient(url, { settings, token }));
    this.#enter(Phase.ON);
  }

  /** Send no pictures ("video"), or silence ("audio"), while `held`. */
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

  /** Stop the devices at once, wait for the last results. */
  async stop() {
    if (this.phase !== Phase.ON) return;
    this.#capture?.stop();
    this.#enter(Phase.FINISHING);
    await this.#client.finish();
    this.#client = null;
    this.#capture = null;
    this.#enter(Phase.OFF);
  }

  async #openDevices(wanted) {
    const { stream, missing } = await openDevices(wanted);
    this.#capture = new Capture(stream, this.#handlers());
    if (missing) this.#tell("notice", { kind: "warning", message: `No ${missing} was found: the other is sent alone.` });
    await this.#capture.open();
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
      onJpeg: (timeMs, jpeg) => this.#client?.sendPicture(timeMs, jpeg),
      onPicture: (timeMs, bitmap) => this.#tell("picture", { timeMs, bitmap }),
      nextPicture: (nowMs) => this.#nextPicture(nowMs),
      onEnded: (kind) => this.#deviceLost(kind),
    };
  }

  #nextPicture(nowMs) {
    const { state, picture } = nextPicture(this.#rate, { nowMs, waitingBytes: this.#client?.waitingBytes ?? 0 });
    this.#rate = state;
    return picture;
  }

  #deviceLost(kind) {
    const name = kind === "video" ? "camera" : "microphone";
    this.#tell("notice", { kind: "error", message: `The ${name} was disconnected or taken away. Press Start to begin again.` });
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
