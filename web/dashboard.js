/** The dashboard: reads `/v1/status` again and again and shows it; says so when there is no answer. */

import { byId, clockTime, element } from "./dom.js";
import { SERVER } from "./server.js";
import { keepToken, takeToken, tokenHeaders } from "./token.js";

const EVERY_MS = 2_000;
const PATIENCE_MS = 5_000;
const UNAUTHORIZED = 401;
const SVG = "http://www.w3.org/2000/svg";

const main = document.querySelector("main");
const shown = new Map(); // what each table shows, so that it is only touched where something changed

let token = takeToken();
let timer = null;
let lostAt = null;

/** Return a duration in milliseconds for people. */
export function duration(ms) {
  if (ms >= 10_000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 10 || ms === 0 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

const number = (value) => value.toLocaleString("en");
const words = (name) => name.replaceAll("_", " ");
const timeOfDay = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Say how the server stands; read out by screen readers, so it changes only when that does. */
function say(state, text) {
  const root = byId("connection");
  root.dataset.state = state;
  const told = root.querySelector(".text");
  if (told.textContent !== text) told.textContent = text;
}

function put(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

/** Show a figure with something smaller after it. */
function putWith(id, figure, after) {
  const place = byId(id);
  if (place.textContent !== `${figure} ${after}`) place.replaceChildren(`${figure} `, element("small", { text: after }));
}

function putLimited(id, { now, limit }) {
  putWith(id, number(now), `of ${number(limit)}`);
  byId(id).parentElement.classList.toggle("full", now >= limit);
}

/** Fill the body of a table: rows of cells, the first of which heads its row; a table without rows is hidden. */
function fill(id, rows, { textColumns = [], decorate = null } = {}) {
  const table = byId(id);
  const scroller = table.parentElement;
  scroller.hidden = rows.length === 0;
  scroller.nextElementSibling.hidden = rows.length > 0;
  const wanted = JSON.stringify(rows);
  if (shown.get(id) === wanted) return;
  shown.set(id, wanted);
  const made = rows.map(([heading, ...cells]) => {
    const head = element("th", { text: heading, attributes: { scope: "row" }, className: textColumns.includes(0) ? "words" : "" });
    const rest = cells.map((text, index) => element("td", { text, className: textColumns.includes(index + 1) ? "words" : "" }));
    return element("tr", {}, head, ...rest);
  });
  if (decorate) made.forEach(decorate);
  table.tBodies[0].replaceChildren(...made);
}

/** Return a bar of the usual duration in front of that of the slow ones; the table has the figures. */
function bar(usual, slow, longest) {
  const chart = document.createElementNS(SVG, "svg");
  chart.setAttribute("aria-hidden", "true");
  for (const [name, value] of [["slow", slow], ["usual", usual]]) {
    const rectangle = document.createElementNS(SVG, "rect");
    rectangle.setAttribute("class", name);
    rectangle.setAttribute("width", `${(100 * value) / Math.max(longest, 1)}%`);
    rectangle.setAttribute("height", "14");
    rectangle.setAttribute("rx", "3");
    chart.append(rectangle);
  }
  return chart;
}

function showLatency(stages) {
  const longest = Math.max(0, ...stages.map(({ p95_ms: slow }) => slow));
  fill(
    "latency",
    stages.map(({ stage, p50_ms: usual, p95_ms: slow }) => [stage, duration(usual), duration(slow)]),
    {
      decorate: (row, index) => {
        const { stage, p50_ms: usual, p95_ms: slow } = stages[index];
        row.classList.toggle("whole", stage === "total");
        row.append(element("td", { className: "chart" }, bar(usual, slow, longest)));
      },
    },
  );
}

function showEngine(engine) {
  put("engine-name", engine.name);
  put("engine-building", engine.building ?? "nothing");
  put("bundle", engine.bundle);
  const reasons = engine.fallbacks.map(({ engine: name, reason }) => `${name} was given up: ${reason}`);
  const list = byId("fallbacks");
  if ([...list.children].map((item) => item.textContent).join("\n") !== reasons.join("\n")) {
    list.replaceChildren(...reasons.map((text) => element("li", { text })));
  }
  fill(
    "networks",
    engine.networks.map((one) => [one.network, number(one.requests), number(one.batches), duration(one.mean_ms), number(one.dropped)]),
  );
}

function showSpeech(speech) {
  put("speech-model", speech.model);
  put("speech-heard", number(speech.heard));
  put("speech-again", number(speech.heard_again));
  put("speech-failed", number(speech.failed));
  put("speech-sound", clockTime(speech.sound_s * 1000));
  put("speech-busy", `${Math.round(speech.busy * 100)}% of the time`);
}

function roomState({ participants, recording }) {
  if (participants === 0) return "empty, remembered for a while";
  return recording ? "open, being recorded" : "open";
}

function show(status) {
  putLimited("sessions-now", status.sessions);
  putLimited("rooms-now", status.rooms);
  putLimited("watchers-now", status.watchers);
  const { utterances, emotions, uncertain } = status;
  putWith("utterances", number(utterances), uncertain > 0 ? `${number(uncertain)} of ${number(emotions)} emotions not sure` : "");
  put("speech-waiting", number(status.speech.waiting));
  put("engine-waiting", number(status.engine.waiting));
  const { p99_ms: usually, max_ms: most } = status.event_loop;
  putWith("loop", duration(usually), `p99, ${duration(most)} at most`);
  put("uptime", clockTime(status.uptime_s * 1000));
  showLatency(status.latency);
  const sessions = status.open_sessions.map((one) => [
    number(one.number), one.room || "none", one.streaming ? clockTime(one.media_s * 1000) : "none yet",
    number(one.utterances), `${number(one.analyzed_frames)} of ${number(one.video_frames)}`, number(one.dropped),
  ]);
  fill("sessions", sessions, { textColumns: [1] });
  fill(
    "rooms",
    status.open_rooms.map((room) => [room.name, number(room.participants), roomState(room)]),
    { textColumns: [0, 2] },
  );
  showEngine(status.engine);
  showSpeech(status.speech);
  const drops = status.dropped.filter(({ count }) => count > 0);
  fill(
    "drops",
    drops.map(({ what, reason, count }) => [words(what), words(reason), number(count)]),
    { textColumns: [1] },
  );
  const trouble = [["error", status.errors], ["warning", status.warnings]].flatMap(([kind, counts]) =>
    Object.entries(counts).map(([code, count]) => [code, kind, number(count)]),
  );
  fill("trouble", trouble, { textColumns: [1] });
}

function sayState({ ready, reason }) {
  if (ready) say("connected", "Ready for sessions");
  else say(reason.includes("stopping") ? "stopping" : "full", `Not ready: ${reason}`);
}

function wantToken(wanted) {
  byId("door").hidden = !wanted;
  if (!wanted) return;
  main.hidden = true;
  say("closed", token ? "This token is not right" : "A token is needed");
}

function lost(why) {
  lostAt ??= new Date();
  main.classList.add("stale");
  const old = main.hidden ? "" : " What is shown is from before.";
  say("closed", `No answer from the server since ${timeOfDay(lostAt)} (${why}).${old}`);
}

async function read() {
  const response = await fetch(new URL("v1/status", SERVER), {
    headers: tokenHeaders(token), cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS),
  });
  wantToken(response.status === UNAUTHORIZED);
  if (response.status === UNAUTHORIZED) return;
  if (!response.ok) throw new Error(`it answers ${response.status}`);
  const status = await response.json();
  lostAt = null;
  main.classList.remove("stale");
  main.hidden = false;
  sayState(status);
  show(status);
}

function reason(error) {
  if (error.name === "TimeoutError") return "it takes too long";
  return error instanceof TypeError ? "it can't be reached" : error.message;
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    await read();
  } catch (error) {
    lost(reason(error));
  }
  clearTimeout(timer);
  timer = setTimeout(poll, EVERY_MS);
}

byId("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  keepToken(token);
  poll();
});
document.addEventListener("visibilitychange", poll);
poll();
