/** Puts the overlay page together: what its address asks for, events, what is to be seen (docs/overlay.md). */

import { LiveClient, State, socketAddress } from "./client.js";
import { element, hiddenText, percent } from "./dom.js";
import { LABELS, emotionClass, sign } from "./emotions.js";
import { NOT_SURE } from "./signs.js";
import { OverlayState } from "./overlay-state.js";
import { parseOptions, tokenOf } from "./overlay-options.js";
import { SERVER } from "./server.js";

const LEAVING_MS = 400; // as long as the transition in overlay.css
const TITLE = document.title;
const LOOK_MS = 250; // how often it is seen to what has faded

const byId = (id) => document.getElementById(id);

/** Say what has to be put right, so that it can be read on any background. */
function showMessage(title, sentences) {
  byId("message").replaceChildren(element("h2", { text: title }), ...sentences.map((text) => element("p", { text })));
  byId("message").hidden = false;
}

const emotionWords = ({ label, provisional }) => (provisional && label !== NOT_SURE ? `maybe ${label}` : label);

function emotionOf(row) {
  if (row.label === null)
    return element("span", { className: "emotion unknown" }, element("i", { text: "•••", attributes: { "aria-hidden": "true" } }), hiddenText("listening"));
  return element(
    "span",
    { className: "emotion" },
    element("i", {}, sign(row.label)),
    element("b", { text: emotionWords(row) }),
  );
}

function rowOf(row, shown) {
  const line = element("p", { className: `row ${row.label ? emotionClass(row.label) : ""}` });
  line.classList.toggle("provisional", row.provisional);
  if (shown.has("emotion")) line.append(emotionOf(row));
  if (shown.has("transcript")) line.append(element("span", { className: "text" }, element("span", { text: row.text })));
  return line;
}

function barsOf(probabilities) {
  const columns = LABELS.map((label) => {
    const fill = element("i");
    fill.style.height = percent(probabilities[label] ?? 0);
    const track = element("span", { className: "track" }, fill);
    return element("span", { className: `bar ${emotionClass(label)}` }, track, element("small", {}, sign(label)));
  });
  const spoken = LABELS.map((label) => `${label} ${percent(probabilities[label] ?? 0)}`).join(", ");
  return element("div", { className: "bars" }, element("div", { attributes: { "aria-hidden": "true" } }, ...columns), hiddenText(spoken));
}

function contentOf({ speaker, rows, bars }, shown) {
  const content = [];
  if (shown.has("name") && speaker) content.push(element("h2", { text: speaker }));
  if (shown.has("emotion") || shown.has("transcript")) content.push(element("div", { className: "rows" }, ...rows.map((row) => rowOf(row, shown))));
  if (shown.has("bars") && Object.keys(bars).length > 0) content.push(barsOf(bars));
  return content;
}

/** The plates, one for each participant who speaks or spoke just now, and one for each of several faces that did. */
class Cards {
  #root;
  #shown;
  #cards = new Map(); // by their keys: { element, told }

  constructor(root, shown) {
    this.#root = root;
    this.#shown = shown;
  }

  show(cards) {
    const gone = new Set(this.#cards.keys());
    for (const card of cards) {
      gone.delete(card.key);
      this.#put(card);
    }
    this.#order(cards);
    for (const key of gone) this.#take(key);
  }

  /** Whoever came first stands first, also where another spoke first; what stands right is not moved. */
  #order(cards) {
    let after = null;
    for (const { key } of cards.toReversed()) {
      const { element: here } = this.#cards.get(key);
      if (after && after.compareDocumentPosition(here) & Node.DOCUMENT_POSITION_FOLLOWING) after.before(here);
      after = here;
    }
  }

  /** Put a card at its face, given as shares of the frame, or where the cards are for null. */
  place(key, at, frame) {
    const card = this.#cards.get(key)?.element;
    if (!card) return;
    card.classList.toggle("at-face", at !== null);
    const { left, top, width, height } = frame.getBoundingClientRect();
    card.style.left = at === null ? "" : `${left + at.x * width}px`;
    card.style.top = at === null ? "" : `min(${top + at.y * height}px + 0.4rem, 100vh - ${card.offsetHeight}px - 0.4rem)`;
  }

  #put(card) {
    const content = JSON.stringify(card);
    const known = this.#cards.get(card.key) ?? this.#add(card.key);
    if (known.content === content) return;
    known.content = content;
    const newest = card.rows.findLast(({ label }) => label !== null) ?? card.rows.at(-1);
    known.element.className = `card ${newest.label ? emotionClass(newest.label) : ""}`;
    known.element.classList.toggle("provisional", newest.provisional || newest.label === null);
    known.element.replaceChildren(...contentOf(card, this.#shown));
    known.element.hidden = known.element.childElementCount === 0;
  }

  #add(key) {
    const card = { element: element("section"), content: "" };
    this.#cards.set(key, card);
    this.#root.append(card.element);
    return card;
  }

  #take(key) {
    const { element: leaving } = this.#cards.get(key);
    this.#cards.delete(key);
    leaving.classList.add("leaving");
    setTimeout(() => leaving.remove(), LEAVING_MS);
  }
}

/** The boxes around the faces of one participant, over a frame that fills the page as far as its shape allows. */
class Faces {
  #root;
  #mirror;
  #boxes = new Map();

  constructor(root, mirror) {
    this.#root = root;
    this.#mirror = mirror;
  }

  /** Return where below a face its card goes, in shares of the frame, or null. */
  below(seen, id) {
    const face = seen?.faces.find((each) => each.id === id);
    if (!face) return null;
    const x = (face.box[0] + face.box[2]) / 2 / seen.width;
    return { x: this.#mirror ? 1 - x : x, y: face.box[3] / seen.height };
  }

  show(seen) {
    const gone = new Set(this.#boxes.keys());
    if (seen) this.#root.style.setProperty("--aspect", `${seen.width} / ${seen.height}`);
    for (const face of seen?.faces ?? []) {
      gone.delete(face.id);
      this.#put(face, seen);
    }
    for (const id of gone) {
      this.#boxes.get(id).remove();
      this.#boxes.delete(id);
    }
  }

  #put({ id, box: [left, top, right, bottom], label, speaking }, { width, height }) {
    if (!this.#boxes.has(id)) {
      const made = element("div", {}, element("span"));
      this.#boxes.set(id, made);
      this.#root.append(made);
    }
    const box = this.#boxes.get(id);
    box.className = `face ${emotionClass(label)}`;
    box.classList.toggle("speaking", speaking);
    box.classList.toggle("label-inside", top / height < 0.12);
    box.style.left = `${(100 * (this.#mirror ? width - right : left)) / width}%`;
    box.style.top = `${(100 * top) / height}%`;
    box.style.width = `${(100 * (right - left)) / width}%`;
    box.style.height = `${(100 * (bottom - top)) / height}%`;
    const word = label ?? "";
    if (box.firstChild.textContent !== word) box.firstChild.replaceChildren(...(word ? [sign(word), word] : []));
  }
}

function run(options) {
  const shown = new Set(options.show);
  const state = new OverlayState(options);
  const cards = new Cards(byId("cards"), shown);
  const faces = new Faces(byId("faces"), options.mirror);
  const address = socketAddress(SERVER, "/v1/events", { room: options.room, session: options.session });
  const client = new LiveClient(address, { token: tokenOf(location.hash), attempts: Infinity });
  let refused = null; // the last error that ends the connection
  let waiting = false;

  const show = () => {
    waiting = false;
    const now = performance.now();
    const told = state.cards(now);
    cards.show(told);
    if (!shown.has("faces")) return;
    const seen = state.faces(now);
    faces.show(seen);
    for (const { key, session, face } of told) cards.place(key, session === seen?.session ? faces.below(seen, face) : null, byId("faces"));
  };
  const showSoon = () => {
    if (!waiting) requestAnimationFrame(show);
    waiting = true;
  };

  client.addEventListener("event", ({ detail }) => {
    if (detail.type === "error" && detail.fatal && !detail.session) refused = detail;
    state.apply(detail, performance.now());
    showSoon();
  });
  client.addEventListener("state", ({ detail }) => {
    document.body.dataset.state = detail.state;
    document.title = titleOf(detail);
    if (detail.state === State.CONNECTED) state.connected(performance.now());
    if (detail.state === State.RECONNECTING || detail.state === State.CLOSED) state.disconnected(performance.now());
    if (detail.state === State.CLOSED) showMessage("The server refused this overlay", [refused?.message || detail.reason || `code ${detail.code}`, advice(refused?.code || detail.reason)]);
    showSoon();
  });
  setInterval(show, LOOK_MS);
  client.connect();
}

/** What can't be told on the frame, which others see: in OBS it stands where one interacts with the page. */
function titleOf({ state, stopped }) {
  if (state !== State.RECONNECTING) return TITLE;
  return `${TITLE}: ${stopped ? "the server was stopped" : "no answer from the server"}, it is tried again`;
}

function advice(code) {
  if (String(code).startsWith("auth")) return "Put the server's token at the end of the address: #token=… (docs/overlay.md).";
  return "Put the address right and load the page again (docs/overlay.md).";
}

const { options, problems } = parseOptions(location.search);
document.documentElement.style.fontSize = `${options.size}px`;
document.body.classList.add(`theme-${options.theme}`, `at-${options.position}`);
if (problems.length > 0) showMessage("The address of this overlay needs a correction", [...problems, "docs/overlay.md tells what there is."]);
else run(options);
