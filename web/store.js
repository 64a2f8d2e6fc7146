/**
 * What the events have told so far: sessions, and the dialogs they belong to. Pure: events in, changes out.
 *
 * A dialog is what is said in one room, by everyone, in the order of its start; a session in no room has one of its
 * own. All times of a dialog are the room's (`room_start_ms`), or the session's where there is no room.
 */

import { Forgotten, forgetFirst, forgetGone } from "./bounded.js";
import { shown } from "./emotions.js";

export const UTTERANCE_LIMIT = 300; // of one dialog: what a page still shows without delay
export const SESSION_LIMIT = 32; // what one picks from; those that are open are kept beyond it (LIVE_LIMIT)
const PARTICIPANT_LIMIT = 64; // as many as the server tells of who have left
const QUIET_ROOM_LIMIT = 8; // rooms without a session: the one that is shown, and those seen before

/**
 * Where an utterance stands: `waiting` for its emotion when the next has begun, `early` while it may be withdrawn. What
 * is known while somebody speaks (`soFar`) is provisional, and never counts.
 */
export const Status = Object.freeze({ SPEAKING: "speaking", WAITING: "waiting", EARLY: "early", FINAL: "final" });

function newDialog(key, room) {
  return {
    key,
    room,
    recording: false,
    participants: new Map(), // by name: { name, session, number, here }
    lastMs: 0,
    removed: 0,
    utterances: new Map(), // by key, in the order of their start
    forgotten: new Forgotten(), // keys of utterances: a revision of one that is shown no more does not count again
  };
}

function newSession(id, dialog) {
  return {
    id,
    dialog,
    number: null,
    speaker: "",
    engine: "",
    bundle: "",
    recording: false,
    open: false, // until it is told that it was created: what comes of one that is not known may be late
    reason: "",
    totals: null,
    offsetMs: 0, // the dialog's time minus the session's
  };
}

const keyOf = ({ session, utterance }) => `${session} ${utterance}`;

const startOf = (event) => (event.room ? event.room_start_ms : event.start_ms);

function newUtterance(event) {
  return {
    key: keyOf(event),
    id: event.utterance,
    session: event.session,
    speaker: event.speaker,
    startMs: startOf(event),
    endMs: startOf(event),
    text: "",
    status: Status.SPEAKING,
    revision: -1,
    withdrawn: false,
    label: null,
    soFar: false, // the label was told while it was being said
    uncertain: false, // the label is less probable than what is relied upon
    was: null, // what was shown before the last revision, where that changed it
    probabilities: {},
    modalities: [],
    face: null, // id of the face that spoke, among those of its session
    baseline: 0, // earlier utterances of the speaker that the voice was told against
    latency: null,
  };
}

/** Return the id of the face that said `utterance`, the last of its session; null where that is not known. */
export const speakingFace = (utterance) => (utterance && utterance.label !== null && !utterance.withdrawn ? utterance.face : null);

/** The order of a dialog, the same on every page: by start, then (who began at once) by session and number. */
export function compareUtterances(a, b) {
  return a.startMs - b.startMs || (a.session === b.session ? a.id - b.id : a.session < b.session ? -1 : 1);
}

/** Put an utterance into its place in a map that is in order; a late watcher is told revised utterances last. */
function place(utterances, utterance) {
  utterances.delete(utterance.key);
  const later = [...utterances.values()].filter((other) => compareUtterances(other, utterance) > 0);
  for (const { key } of later) utterances.delete(key);
  for (const each of [utterance, ...later]) utterances.set(each.key, each);
}

/** All sessions; the oldest utterances, and the oldest of what has ended, are forgotten beyond the limits. */
export class Store {
  #forgotten = new Forgotten(); // ids of sessions

  constructor({ utteranceLimit = UTTERANCE_LIMIT, sessionLimit = SESSION_LIMIT } = {}) {
    this.sessions = new Map();
    this.dialogs = new Map();
    this.utteranceLimit = utteranceLimit;
    this.sessionLimit = sessionLimit;
  }

  /** Return the session of media with `number`; the newest when numbers came round again. */
  byNumber(number) {
    return [...this.sessions.values()].findLast((session) => session.number === number) ?? null;
  }

  /** Return the dialog of `room`, empty when nothing was told of it. */
  room(room) {
    return this.#dialog(`room ${room}`, room);
  }

  /**
   * Take one event. Returns `{ session, dialog, sessionChanged, dialogChanged, reset, utterances, removed }`: what it
   * concerns (null when nothing), whether the session itself, or who is in the room, changed, whether the dialog
   * begins anew, the utterances that changed, and the keys of those that are no more.
   */
  apply(event) {
    const change = {
      session: null,
      dialog: null,
      sessionChanged: false,
      dialogChanged: false,
      reset: false,
      utterances: [],
      removed: [],
    };
    if (event.type === "room.state") this.#roomState(change, event);
    else if (event.session) {
      change.session = this.#session(event, change);
      change.dialog = change.session?.dialog ?? null;
      if (this.#concerns(change.dialog, event)) this.#handlers[event.type]?.(change, event);
    }
    this.#forget();
    return change;
  }

  /** Nothing more comes of `dialog`: forget, and return as a change, what is still without an emotion. */
  end(dialog) {
    const change = { utterances: [], removed: [], dialog };
    for (const { key, label } of dialog.utterances.values()) if (label === null) this.#remove(change, key);
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
    "session.created": (change, { number, speaker, engine, bundle, recording = false }) => {
      const opened = { open: true, reason: "", totals: null };
      Object.assign(change.session, { number, speaker, engine, bundle, recording, ...opened });
      change.sessionChanged = true;
    },
    "session.updated": (change, { speaker }) => {
      change.session.speaker = speaker;
      change.sessionChanged = true;
    },
    "session.closed": (change, { reason, totals }) => {
      Object.assign(change.session, { open: false, reason, totals });
      change.sessionChanged = true;
      for (const { key, session, status } of change.dialog.utterances.values())
        if (session === change.session.id && (status === Status.SPEAKING || status === Status.WAITING)) this.#remove(change, key);
    },
    "participant.joined": (change, { name, session, number }) => {
      change.dialog.participants.set(name, { name, session, number, here: true });
      this.#forgetParticipants(change.dialog);
      change.dialogChanged = true;
    },
    "participant.left": (change, { name, session }) => {
      const participant = change.dialog.participants.get(name);
      if (participant?.session !== session) return; // has come back already, in another session
      change.dialog.participants.delete(name); // who left last is forgotten last
      change.dialog.participants.set(name, { ...participant, here: false });
      change.dialogChanged = true;
    },
    "clock.offset": (change, { offset_ms: offsetMs }) => {
      change.session.offsetMs = offsetMs;
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
      const utterance = change.dialog.utterances.get(keyOf(event));
      if (!utterance || utterance.status === Status.FINAL) return;
      Object.assign(utterance, { status: Status.SPEAKING, withdrawn: utterance.label !== null });
      change.utterances.push(utterance);
    },
    "utterance.discarded": (change, event) => this.#remove(change, keyOf(event)),
    emotion: (change, event) => this.#emotion(change, event),
    faces: (change, event) => this.#reached(change.dialog, event.time_ms + change.session.offsetMs),
  };

  /** Where the room stands; with `resumed` what is known goes on, without it a snapshot follows. */
  #roomState(change, { room, resumed, recording, participants, now_ms: nowMs }) {
    const dialog = this.room(room);
    if (!resumed) {
      for (const session of [...this.sessions.values()]) if (session.dialog === dialog) this.sessions.delete(session.id);
      dialog.utterances.clear();
      dialog.forgotten.clear();
      Object.assign(dialog, { lastMs: 0, removed: 0 });
    }
    dialog.recording = recording;
    dialog.participants = new Map(participants.map((each) => [each.name, { ...each }]));
    this.#forgetParticipants(dialog);
    this.#reached(dialog, nowMs);
    Object.assign(change, { dialog, dialogChanged: true, reset: !resumed });
  }

  /** Return the dialog with `key`; the one that was asked for last is forgotten last. */
  #dialog(key, room) {
    const dialog = this.dialogs.get(key) ?? newDialog(key, room);
    this.dialogs.delete(key);
    this.dialogs.set(key, dialog);
    return dialog;
  }

  /** Return the session of an event; of one that was forgotten only what its room still shows: null where it is in none. */
  #session({ type, session: id, room = "" }, change) {
    if (this.sessions.has(id)) return this.sessions.get(id);
    if (this.#forgotten.has(id) && type !== "session.created") return room ? newSession(id, this.room(room)) : null;
    this.#forgotten.delete(id);
    this.sessions.set(id, newSession(id, room ? this.room(room) : this.#dialog(`session ${id}`, "")));
    change.sessionChanged = true;
    return this.sessions.get(id);
  }

  /** Whether an event is about something of `dialog` that is not forgotten. */
  #concerns(dialog, event) {
    return dialog !== null && !(event.utterance !== undefined && dialog.forgotten.has(keyOf(event)));
  }

  #forget() {
    this.#forgotten.add(forgetGone(this.sessions, this.sessionLimit, ({ open }) => !open));
    const used = new Set([...this.sessions.values()].map(({ dialog }) => dialog));
    const quiet = new Map([...this.dialogs].filter(([, dialog]) => !used.has(dialog)));
    for (const { key, room } of quiet.values()) if (!room) this.dialogs.delete(key);
    for (const key of forgetFirst(quiet, QUIET_ROOM_LIMIT)) this.dialogs.delete(key);
  }

  #forgetParticipants({ participants }) {
    forgetGone(participants, PARTICIPANT_LIMIT, ({ here }) => !here);
  }

  #utterance(change, event) {
    const { dialog } = change;
    const key = keyOf(event);
    if (!dialog.utterances.has(key)) place(dialog.utterances, newUtterance(event));
    const utterance = dialog.utterances.get(key);
    change.utterances.push(utterance);
    const lastsMs = (event.end_ms ?? event.start_ms) - event.start_ms;
    this.#reached(dialog, startOf(event) + lastsMs);
    this.#forgetUtterances(change);
    return utterance;
  }

  /** In a session one speaks at a time: who was speaking has ended where the next begins. */
  #endOthers(change, event) {
    const startMs = startOf(event);
    for (const other of change.dialog.utterances.values()) {
      if (other.session !== event.session || other.status !== Status.SPEAKING) continue;
      if (other.id === event.utterance || other.startMs > startMs) continue;
      Object.assign(other, { status: Status.WAITING, endMs: startMs });
      change.utterances.push(other);
    }
  }

  #forgetUtterances(change) {
    const { dialog } = change;
    const keys = forgetFirst(dialog.utterances, this.utteranceLimit);
    change.removed.push(...keys);
    dialog.forgotten.add(keys);
    dialog.removed += keys.length;
  }

  #emotion(change, event) {
    const utterance = this.#utterance(change, event);
    if (event.revision < utterance.revision) return;
    const counted = utterance.label !== null && !utterance.withdrawn && !utterance.soFar;
    const revised = counted && shown(utterance) !== shown(event);
    const soFar = event.speaking ?? false;
    const was = revised ? shown(utterance) : utterance.was;
    Object.assign(utterance, {
      speaker: event.speaker,
      startMs: startOf(event),
      endMs: startOf(event) + event.end_ms - event.start_ms,
      text: (soFar && utterance.text) || event.text, // the words may have come further than those it rests on
      status: event.final ? Status.FINAL : soFar ? Status.SPEAKING : Status.EARLY,
      revision: event.revision,
      withdrawn: false,
      label: event.label,
      soFar,
      uncertain: event.uncertain ?? false,
      was,
      probabilities: event.probabilities,
      modalities: event.modalities,
      face: event.face ?? null,
      baseline: event.baseline_utterances ?? 0,
      latency: event.latency,
    });
    if (change.dialog.utterances.has(utterance.key)) place(change.dialog.utterances, utterance);
  }

  #remove(change, key) {
    if (change.dialog.utterances.delete(key)) change.removed.push(key);
  }

  #reached(dialog, timeMs) {
    dialog.lastMs = Math.max(dialog.lastMs, timeMs);
  }
}
