/** This browser's own session: its devices, its connection, and what became of both. */

import { Capture, loudness, openDevices } from "./capture.js";
import { LiveClient } from "./client.js";

/** What the own session is doing. */
export const Phase = Object.freeze({ OFF: "off", OPENING: "opening", ON: "on", FINISHING: "finishing" });

/**
 * Starts and stops sending. Dispatches "phase" (`phase`), "event" (the protocol's), "state" (the connection's),
 * "picture" (`timeMs`, `bitmap`), "level" (`timeMs`, `value` 0 to 1), "notice" (`kind`, `message`).
 */
export class OwnSession extends EventTarget {
  #url;
  #capture = null;
  #client = null;

  constructor(url) {
    super();
    this.#url = url;
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

  /** Open the devices asked for and send them under `speaker`'s name; failures are told as a notice. */
  async start({ speaker, video, audio }) {
    this.#enter(Phase.OPENING);
    try {
      const { stream, missing } = await openDevices({ video, audio });
      this.#capture = new Capture(stream, this.#handlers());
      if (missing) this.#tell("notice", { kind: "warning", message: `No ${missing} was found: the other is sent alone.` });
      await this.#capture.open();
    } catch (error) {
      this.#capture?.stop();
      this.#capture = null;
      this.#tell("notice", { kind: "error", message: error.message });
      this.#enter(Phase.OFF);
      return;
    }
    this.#connect(speaker);
    this.#enter(Phase.ON);
  }

  /** Stop the devices at once, wait for the last results. */
  async stop() {
    if (this.phase !== Phase.ON) return;
    this.#capture.stop();
    this.#enter(Phase.FINISHING);
    await this.#client.finish();
    this.#client = null;
    this.#capture = null;
    this.#enter(Phase.OFF);
  }

  #connect(speaker) {
    const client = new LiveClient(this.#url, { settings: speaker ? { speaker } : null });
    this.#client = client;
    client.addEventListener("event", ({ detail }) => {
      if (detail.type === "session.created") this.#begin(detail.session);
      this.#tell("event", detail);
    });
    client.addEventListener("state", ({ detail }) => {
      if (detail.state !== "connected") this.#capture.pause();
      this.#tell("state", detail);
    });
    client.connect();
  }

  /** A new connection is a new session, and its media time starts at 0. */
  #begin(sessionId) {
    this.id = sessionId;
    this.#capture.begin();
  }

  #handlers() {
    return {
      onAudio: (timeMs, samples) => {
        this.#client?.sendAudio(timeMs, samples);
        this.#tell("level", { timeMs, value: loudness(samples) });
      },
      onJpeg: (timeMs, jpeg) => this.#client?.sendPicture(timeMs, jpeg),
      onPicture: (timeMs, bitmap) => this.#tell("picture", { timeMs, bitmap }),
      onEnded: (kind) => this.#deviceLost(kind),
    };
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
