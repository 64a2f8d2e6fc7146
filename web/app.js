/** Puts the page together: events into the store, changes into the views. */

import { Captions } from "./captions.js";
import { loudness } from "./capture.js";
import { Kind, LiveClient, State, socketAddress } from "./client.js";
import { ConnectionView } from "./connection.js";
import { Decoder } from "./decoder.js";
import { byId, clockTime, element } from "./dom.js";
import { showLegend } from "./emotions.js";
import { Notices } from "./notices.js";
import { OwnSession, Phase } from "./own-session.js";
import { Player } from "./player.js";
import { FULL_SCALE } from "./resampler.js";
import { Rows } from "./rows.js";
import { SERVER } from "./server.js";
import { Stage } from "./stage.js";
import { Store, speakingFace } from "./store.js";
import { Timeline } from "./timeline.js";
import { takeToken } from "./token.js";
import { showUtterances } from "./views.js";

const token = takeToken();

const store = new Store();
const decoder = new Decoder();
const watcher = new LiveClient(socketAddress(SERVER, "/v1/events", { media: "video,audio" }), { token, attempts: Infinity });
const own = new OwnSession();
const player = new Player();
const notices = new Notices(byId("notices"));
const stage = new Stage(byId("stage"));
const captions = new Captions(byId("captions"));
const rows = new Rows(byId("dialog"));
const timeline = new Timeline(byId("timeline"), (id) => rows.jump(id));

let selected = null; // the session that is shown
let picked = false; // by the reader, who then is not taken elsewhere

// --- sessions

function select(session) {
  selected = session;
  stage.clear({ mirrored: session !== null && session.id === own.id });
  for (const view of [captions, rows, timeline]) view.render(session?.dialog ?? null);
  showSessions();
}

const sessionName = ({ speaker, number, open }) =>
  `${speaker || "unnamed"}${number === null ? "" : ` #${number}`} (${open ? "live" : "ended"})`;

function showSessions() {
  const picker = byId("session");
  picker.replaceChildren(
    ...[...store.sessions.values()].map((session) =>
      element("option", { value: session.id, text: sessionName(session), selected: session === selected }),
    ),
  );
  byId("session-field").hidden = store.sessions.size < 2;
  showFacts();
}

function showFacts() {
  byId("no-session").hidden = selected !== null;
  byId("clock").hidden = selected === null;
  byId("stage").classList.toggle("idle", !selected?.open);
  byId("speaker").textContent = selected?.speaker ?? "";
  byId("status").textContent = selected === null ? "" : selected.open ? "live" : `ended: ${selected.reason || "closed"}`;
  byId("status").dataset.open = selected?.open ?? false;
  byId("recording").hidden = !(selected?.open && selected.recording);
  byId("engine").textContent = selected?.engine ? `${selected.engine} · ${selected.bundle}` : "";
  byId("placeholder-text").textContent = placeholderText();
  showCounts();
}

function placeholderText() {
  if (selected === null) return "Nothing to show yet. Start your camera, or start the server with a --source.";
  if (!selected.open) return "This session has ended.";
  return "No picture: sound only";
}

function totalsText({ utterances, dropped_video_frames: frames, dropped_audio_chunks: sounds, skipped_partials: partials, skipped_provisional: provisional }) {
  const dropped = `${frames} frames, ${sounds} sounds, ${partials} partial transcripts, ${provisional} emotions while speaking`;
  return `${utterances} utterances; server dropped ${dropped}`;
}

function showCounts() {
  const parts = [];
  const counts = own.counts;
  if (counts) {
    parts.push(`sent ${counts.sent.frames} frames, ${counts.sent.audio} sounds`);
    parts.push(`dropped ${counts.dropped.frames} frames, ${counts.dropped.audio} sounds`);
  }
  if (decoder.skipped > 0) parts.push(`${decoder.skipped} previews not shown`);
  if (selected?.totals) parts.push(totalsText(selected.totals));
  const text = parts.join(" · ");
  if (byId("counts").textContent !== text) byId("counts").textContent = text;
}

/** A session that begins is shown unless another one is live. */
function maybeSelect(session) {
  const free = selected === null || (!selected.open && !picked);
  if (session !== selected && session.open && free) select(session);
}

// --- events

function take(event) {
  if (event.type === "warning") notices.show("warning", event.message, event.code);
  if (event.type === "error") notices.show("error", event.message, event.code);
  const change = store.apply(event);
  if (change.sessionChanged) {
    maybeSelect(change.session);
    showSessions();
  }
  if (change.dialog === null || change.dialog !== selected?.dialog) return;
  if (event.type === "faces" && change.session === selected) stage.addFaces(event);
  showChange(change);
}

function showChange(change) {
  const said = [...selected.dialog.utterances.values()];
  stage.speaks(speakingFace(said.findLast(({ session }) => session === selected.id)));
  showUtterances(change, [rows, captions, timeline]);
  rows.forgotten(change.dialog.removed);
  reach(change.dialog.lastMs);
}

function reach(timeMs) {
  timeline.reach(timeMs);
  const text = clockTime(timeMs);
  if (byId("clock").textContent !== text) byId("clock").textContent = text;
}

/** Media of the shown session has come to `timeMs`. */
function advance(timeMs) {
  const { dialog, offsetMs } = selected;
  dialog.lastMs = Math.max(dialog.lastMs, timeMs + offsetMs);
  reach(dialog.lastMs);
}

// --- previews

function toFloat({ kind, payload }) {
  const { buffer, byteOffset, byteLength } = payload;
  if (kind === Kind.PCM32) return new Float32Array(buffer, byteOffset, Math.floor(byteLength / 4));
  return Float32Array.from(new Int16Array(buffer, byteOffset, Math.floor(byteLength / 2)), (s) => s / FULL_SCALE);
}

function takeSound(media) {
  const samples = toFloat(media);
  stage.addSound(media.timeMs, loudness(samples.map((s) => s * FULL_SCALE)));
  player.play(samples, media.timeMs - stage.mediaNow());
}

async function takeFrame({ timeMs, payload }) {
  const session = selected;
  const bitmap = await decoder.decode(payload);
  if (session === selected && bitmap) stage.addFrame(timeMs, bitmap);
  else bitmap?.close();
}

function takeMedia(media) {
  if (selected === null || store.byNumber(media.number) !== selected || own.tells(selected.id)) return;
  advance(media.timeMs);
  if (media.kind === Kind.JPEG) takeFrame(media);
  else takeSound(media);
}

// --- connections

watcher.addEventListener("event", ({ detail }) => own.tells(detail.session) || take(detail));
watcher.addEventListener("media", ({ detail }) => takeMedia(detail));
watcher.addEventListener("state", ({ detail }) => {
  if (detail.state === State.RECONNECTING || detail.state === State.CLOSED) {
    store.disconnected();
    showSessions();
  }
});

own.addEventListener("event", ({ detail }) => {
  take(detail);
  if (detail.type === "session.created") select(store.sessions.get(own.id));
});
own.addEventListener("state", ({ detail }) => {
  if (detail.state === State.RECONNECTING) {
    const what = detail.stopped ? "The server was stopped" : "The connection was lost";
    notices.show("warning", `${what}; what you say now is not analyzed until it is back.`, "connection");
  }
  if (detail.state === State.CLOSED && own.phase === Phase.ON) {
    const why = detail.error?.message ?? `The server closed the connection${detail.reason ? `: ${detail.reason}` : "."}`;
    notices.show("error", why, "connection");
    own.stop();
  }
});
own.addEventListener("step", ({ detail }) => {
  byId("opening").textContent = detail;
});
own.addEventListener("notice", ({ detail }) => notices.show(detail.kind, detail.message));
own.addEventListener("level", ({ detail: { timeMs, value } }) => {
  if (selected?.id !== own.id) return;
  advance(timeMs);
  stage.level(value);
});
own.addEventListener("frame", ({ detail: { timeMs, bitmap } }) => {
  if (selected?.id !== own.id) {
    bitmap.close();
    return;
  }
  advance(timeMs);
  stage.addFrame(timeMs, bitmap);
});

// --- controls

const BUTTON = { [Phase.OFF]: "Start", [Phase.OPENING]: "Cancel", [Phase.ON]: "Stop", [Phase.FINISHING]: "Finishing…" };

own.addEventListener("phase", ({ detail: phase }) => {
  const button = byId("start");
  button.textContent = BUTTON[phase];
  button.disabled = phase === Phase.FINISHING;
  button.classList.toggle("on", phase === Phase.ON);
  for (const input of byId("you").querySelectorAll("input")) input.disabled = phase !== Phase.OFF;
  showCounts();
});

byId("you").addEventListener("submit", (event) => {
  event.preventDefault();
  if (own.phase !== Phase.OFF) {
    own.stop();
    return;
  }
  const speaker = byId("name").value.trim();
  const devices = { video: byId("use-camera").checked, audio: byId("use-microphone").checked };
  if (!devices.video && !devices.audio) notices.show("error", "Tick camera, microphone or both.");
  else own.start(socketAddress(SERVER, "/v1/stream"), { ...devices, token, settings: speaker ? { speaker } : null });
});

byId("session").addEventListener("change", ({ target }) => {
  picked = true;
  select(store.sessions.get(target.value));
});

byId("sound").addEventListener("click", async ({ currentTarget: button }) => {
  button.disabled = true;
  try {
    if (player.enabled) player.disable();
    else await player.enable();
  } catch (error) {
    notices.show("error", error.message);
  }
  button.disabled = false;
  button.setAttribute("aria-pressed", player.enabled);
  button.querySelector("span").textContent = player.enabled ? "Sound on" : "Sound off";
});

showLegend(byId("legend"));

new ConnectionView(byId("connection"), watcher);
setInterval(showCounts, 1000);
showFacts();
watcher.connect();
