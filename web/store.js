/** What the events have told so far: sessions and their utterances. Pure: events in, changes out. */

export const UTTERANCE_LIMIT = 300;
export const SESSION_LIMIT = 32;

/** Where an utterance stands: `waiting` for its emotion when the next has begun, `early` while it may be withdrawn. */
export const Status = Object.freeze({ SPEAKING: "speaking", WAITING: "waiting", EARLY: "early", FINAL: "final" });

function newSession(id) {
  return {
    id,
    number: null,
    speaker: "",
    engine: "",
    bundle: "",
    open: true,
    reason: "",
    totals: null,
    lastMs: 0,
    removed: 0,
    utterances: new Map(), // by id, in the order of their start
  };
}

function newUtterance({ utterance, speaker, start_ms: startMs }) {
  return {
    id: utterance,
    speaker,
    startMs,
    endMs: startMs,
    text: "",
    status: Status.SPEAKING,
    revision: -1,
    withdrawn: false,
    label: null,
    probabilities: {},
    modalities: [],
    latency: null,
  };
}

/** Add to a map that is ordered by start; a late watcher is told revised utterances last. */
function insertByStart(utterances, utterance) {
  const later = [...utterances.values()].filter(({ startMs }) => startMs > utterance.startMs);
  for (const { id } of later) utterances.delete(id);
  for (const each of [utterance, ...later]) utterances.set(each.id, each);
}

/** All sessions; the oldest utterances and the oldest closed sessions are forgotten beyond the limits. */
export class Store {
  constructor({ utteranceLimit = UTTERANCE_LIMIT, sessionLimit = SESSION_LIMIT } = {}) {
    this.sessions = new Map();
    this.utteranceLimit = utteranceLimit;
    this.sessionLimit = sessionLimit;
  }

  /** Return the session of media with `number`; the newest when numbers came round again. */
  byNumber(number) {
    return [...this.sessions.values()].findLast((session) => session.number === number) ?? null;
  }

  /**
   * Take one event. Returns `{ session, sessionChanged, utterances, removed }`: the session it concerns (null when
   * none), whether the session itself changed, the utterances that did, and the ids of those that are no more.
   */
  apply(event) {
    const change = { session: null, sessionChanged: false, utterances: [], removed: [] };
    if (!event.session) return change;
    change.session = this.#session(event.session, change);
    this.#handlers[event.type]?.(change, event);
    return change;
  }

  /** Mark what was open when the connection to the server went away; what still is comes again as created. */
  disconnected() {
    for (const session of this.sessions.values()) {
      if (!session.open) continue;
      session.open = false;
      session.reason = "connection lost";
    }
  }

  #handlers = {
    "session.created": (change, { number, speaker, engine, bundle }) => {
      Object.assign(change.session, { number, speaker, engine, bundle, open: true, reason: "", totals: null });
      change.sessionChanged = true;
    },
    "session.updated": (change, { speaker }) => {
      change.session.speaker = speaker;
      change.sessionChanged = true;
    },
    "session.closed": (change, { reason, totals }) => {
      Object.assign(change.session, { open: false, reason, totals });
      change.sessionChanged = true;
      for (const { id, status } of change.session.utterances.values())
        if (status === Status.SPEAKING || status === Status.WAITING) this.#remove(change, id);
    },
    "speech.started": (change, event) => {
      this.#endOthers(change, event);
      this.#utterance(change, event);
    },
    "transcript.partial": (change, event) => {
      const utterance = this.#utterance(change, event);
      if (utterance.status !== Status.FINAL) utterance.text = event.text;
    },
    "utterance.resumed": (change, event) => {
      const utterance = change.session.utterances.get(event.utterance);
      if (!utterance || utterance.status === Status.FINAL) return;
      Object.assign(utterance, { status: Status.SPEAKING, withdrawn: utterance.label !== null });
      change.utterances.push(utterance);
    },
    "utterance.discarded": (change, event) => this.#remove(change, event.utterance),
    emotion: (change, event) => this.#emotion(change, event),
    faces: (change, event) => this.#reached(change.session, event.time_ms),
  };

  #session(id, change) {
    if (!this.sessions.has(id)) {
      this.sessions.set(id, newSession(id));
      change.sessionChanged = true;
      this.#forgetSessions();
    }
    return this.sessions.get(id);
  }

  #forgetSessions() {
    const closed = [...this.sessions.values()].filter((session) => !session.open);
    const excess = Math.max(0, this.sessions.size - this.sessionLimit);
    for (const { id } of closed.slice(0, excess)) this.sessions.delete(id);
  }

  #utterance(change, event) {
    const { utterances } = change.session;
    if (!utterances.has(event.utterance)) insertByStart(utterances, newUtterance(event));
    const utterance = utterances.get(event.utterance);
    change.utterances.push(utterance);
    this.#reached(change.session, event.end_ms ?? event.start_ms);
    this.#forgetUtterances(change);
    return utterance;
  }

  /** One speaks at a time: who was speaking has ended where the next begins. */
  #endOthers(change, { utterance, start_ms: startMs }) {
    for (const other of change.session.utterances.values()) {
      if (other.status !== Status.SPEAKING || other.id === utterance || other.startMs > startMs) continue;
      Object.assign(other, { status: Status.WAITING, endMs: startMs });
      change.utterances.push(other);
    }
  }

  #forgetUtterances(change) {
    const { session } = change;
    for (const id of session.utterances.keys()) {
      if (session.utterances.size <= this.utteranceLimit) return;
      this.#remove(change, id);
      session.removed += 1;
    }
  }

  #emotion(change, event) {
    const utterance = this.#utterance(change, event);
    if (event.revision < utterance.revision) return;
    Object.assign(utterance, {
      speaker: event.speaker,
      startMs: event.start_ms,
      endMs: event.end_ms,
      text: event.text,
      status: event.final ? Status.FINAL : Status.EARLY,
      revision: event.revision,
      withdrawn: false,
      label: event.label,
      probabilities: event.probabilities,
      modalities: event.modalities,
      latency: event.latency,
    });
  }

  #remove(change, id) {
    if (change.session.utterances.delete(id)) change.removed.push(id);
  }

  #reached(session, timeMs) {
    session.lastMs = Math.max(session.lastMs, timeMs);
  }
}
