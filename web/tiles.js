/** Everyone in the room: a tile each, with frame, faces and the emotion of what was said last. */

import { speaksFor } from "./speakers.js";
import { element } from "./dom.js";
import { emotionClass, share, shown, sign } from "./emotions.js";
import { Stage } from "./stage.js";
import { Status, speakingFace } from "./store.js";

const PENDING = { [Status.SPEAKING]: "listening…", [Status.WAITING]: "working…" };

/** What is not settled: of the emotion that is shown (`felt`), or that more is being said (`latest`). */
function standing(felt, latest) {
  if (felt?.withdrawn) return "withdrawn";
  if (felt?.status === Status.EARLY) return "early";
  if (felt?.soFar && felt.status === Status.SPEAKING) return "so far";
  return PENDING[latest?.status] ?? "";
}

function emotionParts(felt, latest) {
  const mark = element("small", { className: "mark", text: standing(felt, latest) });
  if (!latest) return [element("small", { text: "nothing said yet" })];
  if (!felt) return [mark];
  return [
    element("span", {}, sign(shown(felt))),
    element("b", { text: shown(felt) }),
    element("small", { text: share(felt) }),
    mark,
  ];
}

/** One participant. */
class Tile {
  #emotion;
  #own;
  #session = null;
  #told; // what the line says at present

  constructor(template, name, own) {
    this.root = template.content.firstElementChild.cloneNode(true);
    this.root.dataset.name = name;
    this.root.querySelector(".tile-name").textContent = own ? `${name} (you)` : name;
    this.#emotion = this.root.querySelector(".tile-emotion");
    this.#own = own;
    this.stage = new Stage(this.root.querySelector(".stage"), { title: `Video of ${name}` });
  }

  /** Show the last emotion among `utterances`, and whether more is being said; in another `session` media begins anew. */
  show(session, utterances) {
    if (session !== this.#session) this.stage.clear({ mirrored: this.#own });
    this.#session = session;
    const felt = utterances.findLast(({ label }) => label !== null);
    const latest = utterances.at(-1);
    this.stage.speaks(speakingFace(latest));
    const told = [felt?.key, felt?.revision, standing(felt, latest)].join();
    if (told === this.#told) return;
    this.#told = told;
    this.#emotion.className = `tile-emotion ${felt ? emotionClass(shown(felt)) : ""}`;
    this.#emotion.classList.toggle("provisional", felt !== undefined && felt.status !== Status.FINAL);
    this.#emotion.replaceChildren(...emotionParts(felt, latest));
  }
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
    const said = [...dialog.utterances.values()];
    for (const { name, session } of present)
      this.#tile(name, name === ownName).show(session, said.filter((each) => each.session === session || speaksFor(each.speaker, name)));
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
