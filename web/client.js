/**
 * The JavaScript client of M2FNet Live (docs/protocol.md, docs/clients.md): no dependency, one file, typed by client.d.ts.
 *
 *   import { LiveClient, socketAddress } from "/web/client.js";
 *
 *   const address = socketAddress(location.origin, "/v1/stream", { room: "standup", name: "Ada" });
 *   const client = new LiveClient(address, { settings: { consent: true } });
 *   client.addEventListener("emotion", ({ detail }) => console.log(detail.speaker, detail.text, detail.label, detail.uncertain));
 *   client.addEventListener("state", ({ detail }) => console.log(detail.state, detail.reason));
 *   client.connect();
 *   client.sendAudio(timeMs, int16Samples);   // 16 kHz mono, media time of the first sample
 *   client.sendFrame(timeMs, jpegBytes);    // the same clock
 *   await client.finish();                    // waits for the last emotions, then closes
 *
 * `/v1/stream` takes this client's media; `/v1/events` only watches. A lost connection is opened again with growing
 * pauses, until `attempts` of them were in vain: then the state is CLOSED, and its `error` says so. In a room it goes on where it was: the server is told the last event seen, and sends what was missed, or a
 * snapshot (`room.state` with `resumed: false`: forget what you had). On `/v1/stream` a new connection is a new
 * session, whose media time starts at 0 again: restart the clock at each `session.created` of `client.session`.
 *
 * What it dispatches, each as a `CustomEvent` with `detail`:
 *   every event type of the protocol    the event
 *   "event"                             every event, whatever its type
 *   "media"                             { kind, number, timeMs, payload }: `number` is `session.created`'s
 *   "gap"                               { lost, seq }: so many events before `seq` did not come
 *   "state"                             { state, retryAt, reason, code, error, stopped, failures }: see `State`; `error`
 *                                       is the fatal one, `stopped` whether the server said that it ends, `failures`
 *                                       how many tries in a row were in vain
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
const LONGEST_PAUSE_MS = 60_000;
const ATTEMPTS = 10; // some four minutes
const ANSWER_MS = 10_000; // for the handshake, and for the first word of a session
const STEADY_MS = 5_000; // a connection that lasted this long starts the pauses afresh
const LAST_RESULTS_MS = 20_000;
const REFUSED = new Set([1002, 1003, 1007, 1008]); // asking again would be answered the same
const STOPPED = new Set([1001, 1012]); // the server ends, perhaps to begin anew

/**
 * With more than this waiting in the socket (two messages of sound), a frame is still on its way: there is at most
 * one, so that what is seen is never older than the network makes it.
 */
export const IDLE_BYTES = 8_000;
const WAITING_AUDIO_BYTES = 4_000_000; // sound is thrown away only when it is minutes behind

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

/** Return the pause before attempt `n` (0, 1, …): doubled each time up to 60 s, `spread` in [0, 1) varies it by 20%. */
export function retryPauseMs(n, spread = 0.5) {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** n) * (0.8 + 0.4 * spread);
}

/**
 * Return the WebSocket address of `path` on `server` (http or https; also with a path, behind a proxy that puts it
 * under one), with those fields of `query` that are set.
 */
export function socketAddress(server, path, query = {}) {
  const url = new URL(server);
  url.protocol = ["https:", "wss:"].includes(url.protocol) ? "wss:" : "ws:";
  url.pathname = url.pathname.replace(/\/$/, "") + path;
  url.search = url.hash = "";
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return url.href;
}

/** Where a connection stands in its room's events. Pure: events in, what was lost out. */
export class RoomPlace {
  instance = "";
  seq = 0;
  #whole = false; // nothing of the snapshot is missing any more

  /** Return the address's fields that make the server go on from here; none while that would leave something out. */
  get query() {
    return this.instance && this.#whole ? { instance: this.instance, since: String(this.seq) } : {};
  }

  /** Take one event and return how many of the room's were lost before it. */
  take({ type, seq, instance, resumed }) {
    if (type === "room.state") {
      this.instance = instance;
      if (resumed) return 0;
      this.seq = seq;
      this.#whole = seq === 0;
      return 0;
    }
    if (seq <= this.seq) return 0; // of the snapshot, or (0) about this connection alone
    const lost = seq - this.seq - 1;
    this.seq = seq;
    this.#whole = true; // what is new comes behind the snapshot
    return lost;
  }
}

/** How often it was tried in vain. Pure: how a connection ended in, how long to wait before the next out. */
export class Retries {
  /** Tries in a row that were in vain. */
  failures = 0;
  /** Whether the server had said that it ends. */
  stopped = false;
  #most;

  constructor(most) {
    this.#most = most;
  }

  /** A connection ended with `code`, or did not come about; return the pause before the next in ms, null: give up. */
  lost(code, { steady = false, spread = 0.5 } = {}) {
    this.stopped ||= STOPPED.has(code);
    this.failures = steady ? 0 : this.failures + 1;
    return REFUSED.has(code) || this.failures >= this.#most ? null : retryPauseMs(this.failures, spread);
  }

  /** Why it was given up, as an error. */
  get error() {
    const what = this.stopped ? "The server was stopped and has not come back" : "The server does not answer";
    return { code: this.stopped ? "server.stopped" : "unreachable", message: `${what}: tried ${this.failures} times.` };
  }
}

/** The tab's memory, which outlives a reload; null where the browser's settings forbid it. */
function tabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

/** One connection to the server, kept open until `close` or `finish`. */
export class LiveClient extends EventTarget {
  #url;
  #settings;
  #token;
  #keys;
  #place = new RoomPlace();
  #socket = null;
  #timer = null;
  #attempts;
  #retries;
  #openedAt = 0;
  #error = null;

  /**
   * `settings` (docs/protocol.md, `session.update`) are sent first on each connection; none for a watcher. `token`
   * is what the server may ask for. `keys` (a Storage) keeps what proves, after a reload, that a participant of a
   * room is the same one. After `attempts` tries in vain, one after the other, it is given up; Infinity: never.
   */
  constructor(url, { settings = null, token = "", keys = tabStorage(), attempts = ATTEMPTS } = {}) {
    super();
    this.#url = new URL(url);
    this.#settings = settings;
    this.#token = token;
    this.#keys = keys;
    this.#attempts = attempts;
    this.#retries = new Retries(attempts);
    this.state = State.CLOSED;
    /** The id of the own session; "" for a watcher, and before the server has told it. */
    this.session = "";
    /** What was thrown away because the network was too slow or the connection lost. */
    this.dropped = { audio: 0, frames: 0 };
    this.sent = { audio: 0, frames: 0 };
  }

  /** How many bytes wait to be sent. */
  get waitingBytes() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Open the connection, and open it again whenever it is lost; while it is waited to be tried again, try now. */
  connect() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    if (this.state === State.CLOSED) this.#begin();
    this.#enter(State.CONNECTING);
    const socket = new WebSocket(this.#address(), this.#subprotocols());
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
    this.#socket = socket;
    this.#expectAnswer();
  }

  /** Close for good. */
  close(reason = "") {
    this.#drop();
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

  /** Send one JPEG frame, ArrayBuffer or Uint8Array; false when it was dropped (and counted). */
  sendFrame(timeMs, jpeg) {
    return this.#sendMedia("frames", IDLE_BYTES, packMedia(Kind.JPEG, timeMs, jpeg));
  }

  get #room() {
    return this.#url.searchParams.get("room");
  }

  get #keyName() {
    return `m2fnet.key ${this.#room} ${this.#url.searchParams.get("name")}`;
  }

  #address() {
    if (!this.#room) return this.#url.href;
    const url = new URL(this.#url);
    for (const [name, value] of Object.entries(this.#place.query)) url.searchParams.set(name, value);
    return url.href;
  }

  /** What proves that it is the same participant who comes back: not in the address, because addresses are logged. */
  #subprotocols() {
    const key = this.#room && this.#url.searchParams.has("name") && this.#keys?.getItem(this.#keyName);
    return key ? ["m2fnet", `m2fnet.key.${key}`] : [];
  }

  #sendMedia(what, mostWaiting, message) {
    const ready = this.#socket !== null && this.waitingBytes <= mostWaiting;
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
    this.#retries.stopped = false;
    this.#error = null;
    if (!this.#room) this.#place = new RoomPlace(); // a session of its own counts from 1
    if (this.#token) this.#send(JSON.stringify({ type: "auth", token: this.#token }));
    if (this.#settings) this.#send(JSON.stringify({ type: "session.update", settings: this.#settings }));
    clearTimeout(this.#timer);
    if (this.#takesMedia) this.#expectAnswer(); // a watcher may have nothing to be told
    this.#enter(State.CONNECTED);
  }

  #begin() {
    this.#retries = new Retries(this.#attempts);
    this.#error = null;
  }

  get #takesMedia() {
    return this.#url.pathname.endsWith("/stream");
  }

  /** Whoever accepts a connection and says nothing is as good as lost. */
  #expectAnswer() {
    this.#timer = setTimeout(() => this.#lost(0, "no answer"), ANSWER_MS);
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  #received(data) {
    clearTimeout(this.#timer);
    if (typeof data !== "string") {
      const media = unpackMedia(data);
      if (media) this.#tell("media", media);
      return;
    }
    const event = JSON.parse(data);
    this.#note(event);
    this.#tell("event", event);
    this.#tell(event.type, event);
  }

  #note(event) {
    const own = this.#takesMedia;
    if (event.type === "room.state") this.session = event.session;
    if (event.type === "room.state" && event.key) this.#keys?.setItem(this.#keyName, event.key);
    if (event.type === "session.created" && own && !this.#room) this.session = event.session;
    const mine = event.session === "" || event.session === this.session;
    if (event.type === "error" && event.fatal && mine) this.#error = { code: event.code, message: event.message };
    if (!this.#room && !own) return; // events of all sessions, each with a count of its own
    const lost = this.#place.take(event);
    if (lost > 0) this.#tell("gap", { lost, seq: event.seq });
  }

  #lost(code, reason) {
    this.#drop();
    const steady = this.state === State.CONNECTED && performance.now() - this.#openedAt > STEADY_MS;
    const pause = this.#retries.lost(code, { steady, spread: Math.random() });
    if (pause === null) {
      if (!REFUSED.has(code)) this.#error ??= this.#retries.error;
      this.#enter(State.CLOSED, { code, reason });
      return;
    }
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
      this.addEventListener("session.closed", ({ detail }) => detail.session === this.session && done());
      this.addEventListener("state", done, { once: true });
    });
  }

  #enter(state, { reason = "", code = 0, retryAt = 0 } = {}) {
    this.state = state;
    const { stopped, failures } = this.#retries;
    this.#tell("state", { state, reason, code, retryAt, error: this.#error, stopped, failures });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
