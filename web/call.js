/** The call page: one room, everyone's tile, one transcript with emotions, a lane of the timeline for each speaker. */

import { Captions } from "./captions.js";
import { Kind, LiveClient, State, socketAddress } from "./client.js";
import { ConnectionView } from "./connection.js";
import { Decoder } from "./decoder.js";
import { byId, clockTime, element } from "./dom.js";
import { FORMATS, saveDialog } from "./download.js";
import { showLegend } from "./emotions.js";
import { describeFault } from "./faults.js";
import { Lobby } from "./lobby.js";
import { Notices } from "./notices.js";
import { OwnSession, Phase } from "./own-session.js";
import { Rows } from "./rows.js";
import { SERVER, callAddress } from "./server.js";
import { Store } from "./store.js";
import { Tiles } from "./tiles.js";
import { Timeline } from "./timeline.js";
import { keepToken, takeToken } from "./token.js";
import { showUtterances } from "./views.js";

const store = new Store();
const decoder = new Decoder();
const own = new OwnSession();
const notices = new Notices(byId("notices"));
const tiles = new Tiles(byId("tiles"), byId("tile"));
const captions = new Captions(byId("captions"));
const rows = new Rows(byId("dialog"));
const timeline = new Timeline(byId("timeline"), (key) => rows.jump(key));
const views = [rows, captions, timeline];

let token = takeToken();
let dialog = null; // of the room that is shown
let ownName = null; // null for who only watches
let fault = null; // the error that ended the own session

// --- the room

function enter(room, name) {
  dialog = store.room(room);
  ownName = name;
  fault = null;
  byId("room-name").textContent = room;
  byId("call").hidden = false;
  byId("bar").hidden = false;
  byId("again").hidden = true;
  byId("left").hidden = true;
  byId("leave").hidden = false;
  for (const id of ["microphone", "camera"]) byId(id).hidden = true;
  render();
}

function render() {
  for (const view of views) view.render(dialog);
  showRoom();
}

function showRoom() {
  tiles.show(dialog, ownName);
  const here = [...dialog.participants.values()].filter(({ here }) => here).length;
  byId("people").textContent = here === 1 ? "1 person" : `${here} people`;
  byId("alone").hidden = here > 0;
  byId("recording").hidden = !dialog.recording;
  reach();
}

function reach() {
  timeline.reach(dialog.lastMs);
  const text = clockTime(dialog.lastMs);
  if (byId("clock").textContent !== text) byId("clock").textContent = text;
}

const SAID = {
  "participant.joined": ({ name, returning }) => `${name} ${returning ? "is back" : "joined"}`,
  "participant.left": ({ name }) => `${name} left`,
};

function take(event) {
  if (event.type === "warning") notices.show("warning", event.message, event.code);
  if (event.type === "error") takeError(event);
  if (SAID[event.type]) byId("coming").textContent = SAID[event.type](event);
  const change = store.apply(event);
  if (dialog === null || change.dialog !== dialog) return;
  if (event.type === "faces") {
    tiles.stage(change.session.speaker)?.addFaces(event);
    reach();
    return;
  }
  if (change.reset) render();
  showUtterances(change, views);
  rows.forgotten(dialog.removed);
  showRoom();
}

/** Others' errors end their sessions, not this page's. */
function takeError(event) {
  const mine = event.session === "" || event.session === own.id;
  if (mine && event.fatal) fault = event;
  else notices.show("error", describeFault(event), event.code);
}

function takeLost({ lost }) {
  notices.show("warning", `${lost} events did not arrive: this connection reads too slowly.`, "gap");
}

async function takeMedia({ kind, number, timeMs, payload }) {
  const name = store.byNumber(number)?.speaker;
  if (kind !== Kind.JPEG || name === undefined || name === ownName) return;
  const bitmap = await decoder.decode(payload);
  const stage = tiles.stage(name);
  if (bitmap && stage) stage.addFrame(timeMs, bitmap);
  else bitmap?.close();
}

// --- watching

function watch(room) {
  const watcher = new LiveClient(socketAddress(SERVER, "/v1/events", { room, media: "video" }), { token, attempts: Infinity });
  watcher.addEventListener("event", ({ detail }) => take(detail));
  watcher.addEventListener("media", ({ detail }) => takeMedia(detail));
  watcher.addEventListener("gap", ({ detail }) => takeLost(detail));
  watcher.addEventListener("state", ({ detail }) => {
    if (detail.state === State.CLOSED && detail.error) notices.show("error", describeFault(detail.error), detail.error.code);
  });
  new ConnectionView(byId("connection"), watcher);
  enter(room, null);
  byId("leave").hidden = true;
  watcher.connect();
}

// --- taking part

const lobby = new Lobby({
  token,
  onJoin: (wanted) => {
    if (own.phase !== Phase.OFF) {
      own.stop(); // the button says "Cancel"
      return;
    }
    token = wanted.token;
    keepToken(token);
    const { room, name, video, audio } = wanted;
    const address = socketAddress(SERVER, "/v1/stream", { room, name, media: "video" });
    history.replaceState(null, "", callAddress({ room }));
    joining = { room, name };
    own.start(address, { video, audio, token, settings: { consent: true } });
  },
});

let joining = null; // what was asked for, until the room lets one in
let inside = false;

own.addEventListener("phase", ({ detail: phase }) => {
  byId("join-button").disabled = phase === Phase.FINISHING;
  byId("join-button").textContent = phase === Phase.OFF ? "Join" : "Cancel";
  byId("leave").disabled = phase === Phase.FINISHING;
  byId("leave").textContent = phase === Phase.FINISHING ? "Finishing…" : "Leave";
  if (phase === Phase.OFF) ended();
});

own.addEventListener("event", ({ detail }) => {
  if (detail.type === "room.state" && !inside) letIn();
  take(detail);
});

function letIn() {
  inside = true;
  lobby.close();
  enter(joining.room, joining.name);
  for (const [id, kind] of Object.entries(SWITCHES)) showSwitch(id, kind);
  byId("room-name").focus();
}

/** Sending has ended: by leaving, or because the server refused or broke. */
function ended() {
  if (!inside) {
    byId("connection").hidden = true;
    if (fault) lobby.open(fault);
    fault = null;
    return;
  }
  inside = false;
  byId("connection").hidden = true;
  if (fault) notices.show("error", describeFault(fault), fault.code);
  showUtterances(store.end(dialog), views);
  tiles.clear();
  byId("people").textContent = "";
  byId("recording").hidden = true;
  byId("alone").hidden = true;
  byId("left").hidden = false;
  byId("leave").hidden = true;
  byId("again").hidden = false;
  for (const id of Object.keys(SWITCHES)) byId(id).hidden = true;
  byId("again").focus();
}

own.addEventListener("state", ({ detail }) => {
  if (detail.error) fault = detail.error;
  else if (detail.state === State.RECONNECTING && !inside) fault = { code: "unreachable" };
  else if (detail.state === State.CLOSED && detail.code) fault = { code: detail.reason };
  // Refused, or ended by the server: trying again by itself would be answered the same.
  if (own.phase === Phase.ON && (detail.state === State.CLOSED || fault)) own.stop();
});
own.addEventListener("media", ({ detail }) => takeMedia(detail));
own.addEventListener("gap", ({ detail }) => takeLost(detail));
own.addEventListener("step", ({ detail }) => {
  byId("opening").textContent = detail;
});
own.addEventListener("notice", ({ detail }) => {
  if (inside || detail.kind !== "error") notices.show(detail.kind, detail.message);
  else lobby.open(detail);
});
own.addEventListener("level", ({ detail: { value } }) => tiles.stage(ownName)?.level(value));
own.addEventListener("frame", ({ detail: { timeMs, bitmap } }) => {
  const stage = tiles.stage(ownName);
  if (stage) stage.addFrame(timeMs, bitmap);
  else bitmap.close();
});

// --- controls

const SWITCHES = { microphone: "audio", camera: "video" };

function showSwitch(id, kind) {
  byId(id).hidden = !own.has(kind);
  byId(id).setAttribute("aria-pressed", "true");
}

for (const [id, kind] of Object.entries(SWITCHES))
  byId(id).addEventListener("click", ({ currentTarget: button }) => {
    const on = button.getAttribute("aria-pressed") !== "true";
    own.hold(kind, !on);
    button.setAttribute("aria-pressed", String(on));
  });

byId("leave").addEventListener("click", () => own.stop());
byId("again").addEventListener("click", () => {
  byId("call").hidden = true;
  byId("bar").hidden = true;
  lobby.open();
  byId("join-button").focus();
});

byId("copy").addEventListener("click", async () => {
  const link = callAddress({ room: dialog.room });
  try {
    await navigator.clipboard.writeText(link);
    notices.show("info", `Copied: ${link}`);
  } catch {
    notices.show("info", `The link of this room: ${link}`); // only pages over HTTPS or of localhost may copy
  }
});

for (const [format, text] of Object.entries(FORMATS)) {
  const button = element("button", { type: "button", text });
  button.addEventListener("click", async () => {
    byId("save").open = false;
    try {
      await saveDialog(dialog.room, format, token);
    } catch (error) {
      notices.show("error", error.message);
    }
  });
  byId("formats").append(element("li", {}, button));
}

byId("save").addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !byId("save").open) return;
  byId("save").open = false;
  byId("save").querySelector("summary").focus();
});

showLegend(byId("legend"));

const asked = new URLSearchParams(location.search);
if (asked.get("watch") && asked.get("room")) watch(asked.get("room"));
else {
  new ConnectionView(byId("connection"), own);
  lobby.open();
}
