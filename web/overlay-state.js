/**
 * What the overlay shows: the last two utterances of each participant, and the faces of one. Pure: events in, what is
 * to be seen out; the clock (milliseconds) is an argument. As stream/overlay/state.py, for many participants.
 */

import { Forgotten, forgetGone } from "./bounded.js";
import { likeliest, shown } from "./emotions.js";

const ROWS = 2;
const KEPT = 8; // utterances of one session
const SESSION_LIMIT = 32; // those that have ended fade; more than so many at once are not to be seen
const OPEN_MS = 20_000; // an utterance of which nothing is heard for so long is no longer shown as going on
const FACES_MS = 1_500; // faces of an older frame are where they were, not where they are
const LAST_FADE_MS = 8_000; // what stays until the next goes when there can be no next
const SETTLE_MS = 300; // what comes so soon on a new connection is what has been

/** A name as the server compares them: composed, without needless space, whatever its case. */
const plain = (name) => name.normalize("NFC").trim().split(/\s+/).join(" ").toLowerCase();

/** What says that a session is there; all else may come late of one that has ended. */
const BEGINS = new Set(["session.created", "participant.joined"]);

const isFresh = ({ at, intervalMs }, nowMs) => nowMs - at <= Math.max(FACES_MS, 2 * intervalMs);

/** Return a card with the last of what was said, by one of several faces or by nobody known. */
function card(session, face, said) {
  const shown = said.slice(-ROWS);
  const rows = shown.map(({ key, text, label, final }) => ({ key, text, label, provisional: label !== null && !final }));
  const bars = shown.findLast(({ label }) => label !== null)?.probabilities ?? {};
  return { key: face === null ? session.id : `${session.id} ${face}`, session: session.id, speaker: shown.at(-1)?.speaker ?? session.speaker, rows, bars, face };
}

const newSession = (id) => ({ id, number: Infinity, speaker: "", closedAt: null, utterances: new Map(), faces: null });

export class OverlayState {
  #fadeMs;
  #byFace;
  #name;
  #sessions = new Map();
  #forgotten = new Forgotten(); // ids of sessions that have ended
  #settledAt = -Infinity;
  #roomMs = null; // the room's time at the beginning of what has been

  /**
   * `fade`: seconds an utterance stays, 0: until the next; `name`: of the only participant to be shown, "" for all;
   * `show`: with `faces` each of several has a card of its own.
   */
  constructor({ fade, name, show = [] }) {
    this.#fadeMs = fade * 1000;
    this.#byFace = show.includes("faces");
    this.#name = plain(name);
  }

  /** The connection was made: what follows is, for a moment, what has been. */
  connected(nowMs) {
    this.#settle(nowMs, null);
  }

  /** The connection was lost: what was going on is unknown, and the rest fades. */
  disconnected(nowMs) {
    for (const session of this.#sessions.values()) this.#close(session, nowMs);
  }

  /** Take one event. */
  apply(event, nowMs) {
    if (event.type === "room.state") this.#roomState(event, nowMs);
    if (BEGINS.has(event.type)) this.#forgotten.delete(event.session);
    if (event.type === "participant.joined") this.#session(event).speaker = event.name;
    const isKnown = event.session && !this.#forgotten.has(event.session);
    if (isKnown && Object.hasOwn(this.#handlers, event.type)) this.#handlers[event.type](event, nowMs);
    this.#forgotten.add(forgetGone(this.#sessions, SESSION_LIMIT, ({ closedAt }) => closedAt !== null));
  }

  /**
   * Return `[{ key, session, speaker, rows, bars, face }]`, in the order of joining; each row `{ key, text, label, provisional }`,
   * the label as it is shown. Of several faces in view each has a card of its own, by its id, and `face` is null for the
   * card with what none of them is known to have said.
   */
  cards(nowMs) {
    const shown = [...this.#sessions.values()].filter((session) => this.#wanted(session));
    shown.sort((a, b) => a.number - b.number);
    return shown.flatMap((session) => this.#cards(session, nowMs)).filter(({ rows }) => rows.length > 0);
  }

  /**
   * Return `{ session, width, height, faces: [{ id, box, label, speaking }] }` of the participant's last frame; null: none,
   * or too old. `speaking`: it said what was told last.
   */
  faces(nowMs) {
    const sessions = [...this.#sessions.values()].filter((session) => this.#wanted(session) && session.closedAt === null);
    const seen = sessions.map(({ faces }) => faces).filter((faces) => faces !== null);
    const newest = seen.reduce((best, faces) => (best === null || faces.at >= best.at ? faces : best), null);
    if (newest === null || !isFresh(newest, nowMs)) return null;
    const said = this.#current(this.#sessions.get(newest.session), nowMs).findLast(({ label }) => label !== null);
    return { ...newest, faces: newest.faces.map((face) => ({ ...face, speaking: face.id === said?.face })) };
  }

  #handlers = {
    "session.created": (event) => {
      Object.assign(this.#session(event), { number: event.number, speaker: event.speaker, closedAt: null });
    },
    "session.updated": (event) => {
      this.#session(event).speaker = event.speaker;
    },
    "session.closed": (event, nowMs) => {
      const isPast = nowMs < this.#settledAt;
      if (isPast) this.#forget(event.session);
      else this.#close(this.#session(event), nowMs);
    },
    "speech.started": (event, nowMs) => {
      this.#utterance(event, nowMs);
    },
    "transcript.partial": (event, nowMs) => {
      const utterance = this.#utterance(event, nowMs);
      if (!utterance.final) Object.assign(utterance, { text: event.text, changedAt: nowMs });
    },
    "utterance.resumed": (event, nowMs) => {
      const utterance = this.#session(event).utterances.get(event.utterance);
      if (utterance && !utterance.final) Object.assign(utterance, { label: null, face: null, changedAt: nowMs });
    },
    "utterance.discarded": (event) => {
      this.#session(event).utterances.delete(event.utterance);
    },
    emotion: (event, nowMs) => this.#emotion(event, nowMs),
    faces: (event, nowMs) => {
      const { width, height, interval_ms: intervalMs = 0 } = event;
      const faces = event.faces.map(({ id, box, expression }) => ({ id, box, label: likeliest(expression)?.[0] ?? null }));
      this.#session(event).faces = { session: event.session, at: nowMs, width, height, intervalMs, faces };
    },
  };

  #roomState({ resumed, now_ms: roomMs, participants = [] }, nowMs) {
    if (!resumed) this.#sessions.clear();
    for (const participant of participants) this.#participant(participant, nowMs);
    this.#settle(nowMs, roomMs);
  }

  /** Who is here is so again after the connection was lost; that their sessions were created is not told again. */
  #participant({ session: id, name, number, here }, nowMs) {
    if (here) {
      this.#forgotten.delete(id);
      Object.assign(this.#session({ session: id }), { speaker: name, number, closedAt: null });
    } else if (this.#sessions.has(id)) this.#close(this.#sessions.get(id), nowMs);
    else this.#forgotten.add([id]);
  }

  #forget(id) {
    this.#sessions.delete(id);
    this.#forgotten.add([id]);
  }

  #settle(nowMs, roomMs) {
    this.#settledAt = nowMs + SETTLE_MS;
    this.#roomMs = roomMs;
  }

  #session({ session: id }) {
    if (!this.#sessions.has(id)) this.#sessions.set(id, newSession(id));
    return this.#sessions.get(id);
  }

  #close(session, nowMs) {
    session.closedAt ??= nowMs;
    session.faces = null;
    for (const [id, { final }] of session.utterances) if (!final) session.utterances.delete(id);
  }

  #utterance(event, nowMs) {
    const { id: session, utterances } = this.#session(event);
    if (!utterances.has(event.utterance)) {
      const key = `${session} ${event.utterance}`;
      const known = { key, startMs: event.start_ms, text: "", label: null, face: null, probabilities: {}, revision: -1, final: false };
      utterances.set(event.utterance, { ...known, speaker: event.speaker, changedAt: nowMs });
      const oldest = [...utterances].sort(([, a], [, b]) => a.startMs - b.startMs).slice(0, -KEPT);
      for (const [id] of oldest) utterances.delete(id);
    }
    this.#session(event).speaker ||= event.speaker; // else the participant's name, whoever speaks there
    return utterances.get(event.utterance) ?? {};
  }

  #emotion(event, nowMs) {
    const utterance = this.#utterance(event, nowMs);
    if (event.revision < utterance.revision) return;
    // What a later utterance changes in an earlier one does not bring it back.
    const changedAt = utterance.final ? utterance.changedAt : nowMs - this.#ageMs(event, nowMs);
    const { probabilities, revision, speaker, face = null } = event;
    const text = (event.speaking && utterance.text) || event.text; // the words may have come further than those it rests on
    Object.assign(utterance, { text, speaker, face, label: shown(event), probabilities, revision, changedAt, final: event.final || utterance.final });
  }

  /** How long ago an emotion was told for the first time, as far as can be known. */
  #ageMs(event, nowMs) {
    if (nowMs >= this.#settledAt || !event.final) return 0;
    if (this.#roomMs === null) return Infinity;
    return Math.max(0, this.#roomMs - (event.room_start_ms + event.end_ms - event.start_ms));
  }

  #wanted({ speaker }) {
    return this.#name === "" || plain(speaker) === this.#name;
  }

  /** What is shown of a session, in the order of its start. */
  #current(session, nowMs) {
    const inOrder = [...session.utterances.values()].sort((a, b) => a.startMs - b.startMs);
    const current = inOrder.filter((utterance) => this.#isCurrent(utterance, session, nowMs));
    // Of an utterance without a word yet only that it has begun is known, which is news only of the newest.
    return current.filter((utterance) => utterance.text || utterance.label || utterance === current.at(-1));
  }

  #cards(session, nowMs) {
    const said = this.#current(session, nowMs);
    const seen = this.#byFace && session.faces !== null && isFresh(session.faces, nowMs) ? session.faces.faces : [];
    const several = seen.length > 1 ? seen.map(({ id }) => id) : [];
    const others = card(session, null, said.filter(({ face }) => !several.includes(face)));
    return [others, ...several.map((id) => card(session, id, said.filter(({ face }) => face === id)))];
  }

  #isCurrent({ final, changedAt }, { closedAt }, nowMs) {
    if (!final) return nowMs - changedAt < OPEN_MS;
    if (this.#fadeMs > 0) return nowMs - changedAt < this.#fadeMs;
    return changedAt > -Infinity && (closedAt === null || nowMs - closedAt < LAST_FADE_MS);
  }
}
