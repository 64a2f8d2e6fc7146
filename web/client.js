/**
 * The JavaScript client of M2FNet Live (docs/protocol.md): no dependency, one file, for any page.
 *
 *   import { LiveClient } from "http://localhost:8765/web/client.js";
 *
 *   const client = new LiveClient("ws://localhost:8765/v1/stream", { settings: { speaker: "Ada" } });
 *   client.addEventListener("emotion", ({ detail }) => console.log(detail.text, detail.label));
 *   client.addEventListener("state", ({ detail }) => console.log(detail.state, detail.reason));
 *   client.connect();
 *   client.sendAudio(timeMs, int16Samples);   // 16 kHz mono, media time of the first sample
 *   client.sendPicture(timeMs, jpegBytes);    // the same clock
 *   await client.finish();                    // waits for the last emotions, then closes
 *
 * `/v1/stream` takes this client's media and tells its session's events; `/v1/events?media=video,audio` tells
 * those of all sessions, with previews. A lost connection is opened again with growing pauses; on `/v1/stream`
 * that is a new session, whose media time starts at 0 again: restart the clock at each `session.created`.
 *
 * What it dispatches, each as a `CustomEvent` with `detail`:
 *   every event type of the protocol    the event
 *   "event"                             every event, whatever its type
 *   "media"                             { kind, number, timeMs, payload }: `number` is `session.created`'s
 *   "state"                             { state, retryAt, reason, code }: see `State`
 */

/** What the payload of a binary message is. */
export const Kind = Object.freeze({ PCM16: 1, PCM32: 2, JPEG: 3 });

/** The states of a connection; `retryAt` (performance.now() milliseconds) is set while RECONNECTING. */
export const State = Object.freeze({
  CONNECTING: "connecting",
  CONNECTED: "connected",
  RECONNECTING: "reconnecting",
  CLOSED: "closed",
});

const VERSION = 1;
const HEADER_BYTES = 8;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const STEADY_MS = 5_000; // a connection that lasted this long starts the pauses afresh
const LAST_RESULTS_MS = 20_000;
const REFUSED = new Set([1002, 1003, 1007, 1008]); // asking again would be answered the same

// What may wait in the socket before something newer is thrown away: pictures first, sound last.
const WAITING_PICTURE_BYTES = 512_000;
const WAITING_AUDIO_BYTES = 4_000_000;

/** Return `payload` (an ArrayBuffer or a view) behind the protocol's 8-byte header. */
export function packMedia(kind, timeMs, payload) {
  const bytes = ArrayBuffer.isView(payload)
    ? new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength)
    : new Uint8Array(payload);
  const message = new Uint8Array(HEADER_BYTES + bytes.length);
  const header = new DataView(message.buffer);
  header.setUint8(0, kind);
  header.setUint8(1, VERSION);
  header.setUint16(2, 0, true);
  header.setUint32(4, Math.max(0, Math.round(timeMs)), true);
  message.set(bytes, HEADER_BYTES);
  return message;
}

/** Return `{ kind, number, timeMs, payload }` of a binary message, or null when it is not one of this protocol. */
export function unpackMedia(buffer) {
  if (buffer.byteLength < HEADER_BYTES) return null;
  const header = new DataView(buffer);
  if (header.getUint8(1) !== VERSION) return null;
  return {
    kind: header.getUint8(0),
    number: header.getUint16(2, true),
    timeMs: header.getUint32(4, true),
    payload: new Uint8Array(buffer, HEADER_BYTES),
  };
}

/** Return the pause before attempt `n` (0, 1, …): doubled each time up to 15 s, `spread` in [0, 1) varies it by 20%. */
export function retryPauseMs(n, spread = 0.5) {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** n) * (0.8 + 0.4 * spread);
}

/** One connection to the server, kept open until `close` or `finish`. */
export class LiveClient extends EventTarget {
  #url;
  #settings;
  #socket = null;
  #timer = null;
  #failures = 0;
  #openedAt = 0;

  /** `settings` (docs/protocol.md, `session.update`) are sent first on each connection; none for a watcher. */
  constructor(url, { settings = null } = {}) {
    super();
    this.#url = url;
    this.#settings = settings;
    this.state = State.CLOSED;
    /** What was thrown away because the network was too slow or the connection lost. */
    this.dropped = { audio: 0, pictures: 0 };
    this.sent = { audio: 0, pictures: 0 };
  }

  /** Open the connection, and open it again whenever it is lost. */
  connect() {
    clearTimeout(this.#timer);
    if (this.#socket) return;
    this.#enter(State.CONNECTING);
    const socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
    this.#socket = socket;
  }

  /** Close for good. */
  close(reason = "") {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
    if (this.state !== State.CLOSED) this.#enter(State.CLOSED, { reason });
  }

  /** Say that no more media comes, wait for the last results (20 s at most), then close. */
  async finish() {
    if (this.#send(JSON.stringify({ type: "session.close" }))) await this.#ended();
    this.close();
  }

  /** Send 16 kHz mono sound, Int16Array or Float32Array; false when it was dropped (and counted). */
  sendAudio(timeMs, samples) {
    const kind = samples instanceof Float32Array ? Kind.PCM32 : Kind.PCM16;
    return this.#sendMedia("audio", WAITING_AUDIO_BYTES, packMedia(kind, timeMs, samples));
  }

  /** Send one JPEG picture, ArrayBuffer or Uint8Array; false when it was dropped (and counted). */
  sendPicture(timeMs, jpeg) {
    return this.#sendMedia("pictures", WAITING_PICTURE_BYTES, packMedia(Kind.JPEG, timeMs, jpeg));
  }

  #sendMedia(what, mostWaiting, message) {
    const ready = this.#socket !== null && this.#socket.bufferedAmount <= mostWaiting;
    const sent = ready && this.#send(message);
    (sent ? this.sent : this.dropped)[what] += 1;
    return sent;
  }

  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(message);
    return true;
  }

  #opened() {
    this.#openedAt = performance.now();
    if (this.#settings) this.#send(JSON.stringify({ type: "session.update", settings: this.#settings }));
    this.#enter(State.CONNECTED);
  }

  #received(data) {
    if (typeof data !== "string") {
      const media = unpackMedia(data);
      if (media) this.#tell("media", media);
      return;
    }
    const event = JSON.parse(data);
    this.#tell("event", event);
    this.#tell(event.type, event);
  }

  #lost(code, reason) {
    this.#socket = null;
    if (REFUSED.has(code)) {
      this.#enter(State.CLOSED, { code, reason });
      return;
    }
    const steady = this.state === State.CONNECTED && performance.now() - this.#openedAt > STEADY_MS;
    this.#failures = steady ? 0 : this.#failures + 1;
    const pause = retryPauseMs(this.#failures, Math.random());
    this.#timer = setTimeout(() => this.connect(), pause);
    this.#enter(State.RECONNECTING, { code, reason, retryAt: performance.now() + pause });
  }

  #ended() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LAST_RESULTS_MS);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.addEventListener("session.closed", done, { once: true });
      this.addEventListener("state", done, { once: true });
    });
  }

  #enter(state, { reason = "", code = 0, retryAt = 0 } = {}) {
    this.state = state;
    this.#tell("state", { state, reason, code, retryAt });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
