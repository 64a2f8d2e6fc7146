/** Types of client.js; what each does is said there and in docs/protocol.md. */

export const Kind: Readonly<{ PCM16: 1; PCM32: 2; JPEG: 3 }>;

export const State: Readonly<{
  CONNECTING: "connecting";
  CONNECTED: "connected";
  RECONNECTING: "reconnecting";
  CLOSED: "closed";
}>;
export type StateName = (typeof State)[keyof typeof State];

export const IDLE_BYTES: number;

export interface Media {
  kind: number;
  /** `number` of the sender's `session.created`. */
  number: number;
  timeMs: number;
  payload: Uint8Array;
}

/** What every event has; `seq` 0: about this connection alone. */
export interface EventBase {
  type: string;
  room: string;
  session: string;
  seq: number;
}

export interface Participant {
  name: string;
  session: string;
  number: number;
  here: boolean;
}

export interface RoomState extends EventBase {
  type: "room.state";
  instance: string;
  resumed: boolean;
  now_ms: number;
  recording: boolean;
  key: string;
  participants: Participant[];
}

export interface ParticipantJoined extends EventBase {
  type: "participant.joined";
  name: string;
  number: number;
  returning: boolean;
}

export interface ParticipantLeft extends EventBase {
  type: "participant.left";
  name: string;
  reason: string;
}

export interface ClockOffset extends EventBase {
  type: "clock.offset";
  offset_ms: number;
}

export interface SessionCreated extends EventBase {
  type: "session.created";
  protocol: number;
  number: number;
  labels: string[];
  speaker: string;
  engine: string;
  bundle: string;
  recording: boolean;
}

export interface SessionUpdated extends EventBase {
  type: "session.updated";
  speaker: string;
  settings: Record<string, unknown>;
}

export interface SessionClosed extends EventBase {
  type: "session.closed";
  reason: string;
  totals: Record<string, number>;
}

export interface SpeechStarted extends EventBase {
  type: "speech.started";
  utterance: number;
  speaker: string;
  start_ms: number;
  room_start_ms: number;
}

export interface TranscriptPartial extends EventBase {
  type: "transcript.partial";
  utterance: number;
  speaker: string;
  start_ms: number;
  room_start_ms: number;
  text: string;
}

export interface UtteranceResumed extends EventBase {
  type: "utterance.resumed";
  utterance: number;
}

export interface UtteranceDiscarded extends EventBase {
  type: "utterance.discarded";
  utterance: number;
  reason: string;
}

export interface Emotion extends EventBase {
  type: "emotion";
  utterance: number;
  revision: number;
  final: boolean;
  /** Told of what was said so far, while it was being said: provisional, never final. */
  speaking: boolean;
  speaker: string;
  start_ms: number;
  end_ms: number;
  room_start_ms: number;
  text: string;
  label: string;
  uncertain: boolean;
  probabilities: Record<string, number>;
  modalities: ("text" | "audio" | "face" | "scene")[];
  /** The id of the face that spoke, in the session's `faces`; null where that is not told. */
  face: number | null;
  baseline_utterances: number;
  latency: Record<"endpoint_ms" | "transcript_ms" | "features_ms" | "fusion_ms" | "total_ms", number>;
}

export interface Faces extends EventBase {
  type: "faces";
  time_ms: number;
  width: number;
  height: number;
  interval_ms: number;
  faces: { id: number; box: [number, number, number, number]; expression: Record<string, number> }[];
}

export interface ServerWarning extends EventBase {
  type: "warning";
  code: string;
  message: string;
}

export interface ServerError extends EventBase {
  type: "error";
  code: string;
  message: string;
  fatal: boolean;
}

export type ServerEvent =
  | RoomState
  | ParticipantJoined
  | ParticipantLeft
  | ClockOffset
  | SessionCreated
  | SessionUpdated
  | SessionClosed
  | SpeechStarted
  | TranscriptPartial
  | UtteranceResumed
  | UtteranceDiscarded
  | Emotion
  | Faces
  | ServerWarning
  | ServerError;

export interface StateDetail {
  state: StateName;
  reason: string;
  /** The close code, 0 for none. */
  code: number;
  /** When it is tried again, in milliseconds of `performance.now()`; 0 unless reconnecting. */
  retryAt: number;
  /** The fatal error that ended the connection, or why no more tries are made. */
  error: { code: string; message: string } | null;
  /** Whether the server had said that it ends. */
  stopped: boolean;
  /** Tries in a row that were in vain. */
  failures: number;
}

/** What the client dispatches, by name, with the type of `detail`. */
export type ClientEvents = { [E in ServerEvent as E["type"]]: E } & {
  event: ServerEvent;
  media: Media;
  gap: { lost: number; seq: number };
  state: StateDetail;
};

/** `session.update`'s settings. */
export interface Settings {
  speaker?: string;
  segmenter?: Record<string, number>;
  language?: string | null;
  partial_transcripts?: boolean;
  speaking_interval_ms?: number;
  faces?: boolean;
  consent?: boolean;
}

export interface Query {
  room?: string;
  name?: string;
  session?: string;
  media?: "video" | "audio" | "video,audio";
}

export function packMedia(kind: number, timeMs: number, payload: ArrayBuffer | ArrayBufferView): Uint8Array;
export function unpackMedia(buffer: ArrayBuffer): Media | null;
export function retryPauseMs(n: number, spread?: number): number;
export function socketAddress(server: string, path: "/v1/stream" | "/v1/events", query?: Query): string;

export class RoomPlace {
  instance: string;
  seq: number;
  readonly query: { instance?: string; since?: string };
  take(event: Pick<EventBase, "type" | "seq"> & Partial<RoomState>): number;
}

export class Retries {
  constructor(most: number);
  failures: number;
  stopped: boolean;
  readonly error: { code: string; message: string };
  lost(code: number, how?: { steady?: boolean; spread?: number }): number | null;
}

export class LiveClient extends EventTarget {
  constructor(
    url: string,
    options?: {
      settings?: Settings | null;
      token?: string;
      keys?: Pick<Storage, "getItem" | "setItem"> | null;
      attempts?: number;
    },
  );
  readonly state: StateName;
  readonly session: string;
  readonly sent: { audio: number; frames: number };
  readonly dropped: { audio: number; frames: number };
  readonly waitingBytes: number;
  connect(): void;
  close(reason?: string): void;
  finish(): Promise<void>;
  sendAudio(timeMs: number, samples: Int16Array | Float32Array): boolean;
  sendFrame(timeMs: number, jpeg: ArrayBuffer | ArrayBufferView): boolean;
  addEventListener<K extends keyof ClientEvents>(
    type: K,
    listener: (event: CustomEvent<ClientEvents[K]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
