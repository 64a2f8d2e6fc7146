/** Everyone in the room: a tile each, with picture, faces and the emotion of what was said last. */

import { element, percent } from "./dom.js";
import { emotionClass, sign } from "./emotions.js";
import { Stage } from "./stage.js";
import { Status } from "./store.js";

const PENDING = { [Status.SPEAKING]: "listening…", [Status.WAITING]: "working…" };

/** What of the emotion is not settled, in a word. */
function standing({ status, withdrawn }) {
  if (withdrawn) return "withdrawn, speech goes on";
  return status === Status.EARLY ? "early" : "";
}

function emotionParts(utterance) {
  if (!utterance) return [element("small", { text: "nothing said yet" })];
  const { label, probabilities, status } = utterance;
  if (label === null) return [element("small", { text: PENDING[status] ?? "" })];
  return [
    element("span", { text: sign(label), attributes: { "aria-hidden": "true" } }),
    element("b", { text: label }),
    element("small", { text: percent(probabilities[label] ?? 0) }),
    element("small", { className: "mark", text: standing(utterance) }),
  ];
}

/** One participant. */
class Tile {
  #emotion;
  #own;
  #session = null;
  #shown;

  constructor(template, name, own) {
    this.root = template.content.firstElementChild.cloneNode(true);
    this.root.dataset.name = name;
    this.root.querySelector(".tile-name").textContent = own ? `${name} (you)` : name;
    this.#emotion = this.root.querySelector(".tile-emotion");
    this.#own = own;
    this.stage = new Stage(this.root.querySelector(".stage"), { title: `Video of ${name}` });
  }

  /** Show the `utterance` that counts now; in another `session` media begins anew. */
  show(session, utterance) {
    if (session !== this.#session) this.stage.clear({ mirrored: this.#own });
    this.#session = session;
    const shown = [utterance?.key, utterance?.status, utterance?.revision, utterance?.withdrawn].join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#emotion.className = `tile-emotion ${utterance?.label ? emotionClass(utterance.label) : ""}`;
    this.#emotion.classList.toggle("provisional", utterance !== null && utterance.status !== Status.FINAL);
    this.#emotion.replaceChildren(...emotionParts(utterance));
  }
}

/** The latest utterance of `speaker` that says something: the one being said, or the last with an emotion. */
function latest(dialog, speaker) {
  return [...dialog.utterances.values()].findLast((utterance) => utterance.speaker === speaker) ?? null;
}

/** All tiles, in the list `root`; made from `template`. */
export class Tiles {
  #root;
  #template;
  #tiles = new Map(); // by participant's name

  constructor(root, template) {
    this.#root = root;
    this.#template = template;
  }

  /** Show who is in `dialog`'s room; `ownName` is the reader's own, or null. */
  show(dialog, ownName) {
    const present = [...dialog.participants.values()].filter(({ here }) => here);
    for (const name of [...this.#tiles.keys()]) if (!present.some((each) => each.name === name)) this.#remove(name);
    for (const { name, session } of present) this.#tile(name, name === ownName).show(session, latest(dialog, name));
    this.#root.dataset.count = String(Math.min(this.#tiles.size, 9));
  }

  /** Return the stage of the participant called `name`, or null. */
  stage(name) {
    return this.#tiles.get(name)?.stage ?? null;
  }

  clear() {
    for (const name of [...this.#tiles.keys()]) this.#remove(name);
  }

  #tile(name, own) {
    if (!this.#tiles.has(name)) {
      const tile = new Tile(this.#template, name, own);
      this.#tiles.set(name, tile);
      this.#root.append(tile.root);
    }
    return this.#tiles.get(name);
  }

  #remove(name) {
    const tile = this.#tiles.get(name);
    tile.stage.close();
    tile.root.remove();
    this.#tiles.delete(name);
  }
}
