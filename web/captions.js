/** The transcript as it grows: the last lines that stand, and what is being said. */

import { element } from "./dom.js";
import { Status } from "./store.js";

const LINES = 4;

/** Two lists: only the one with finished lines is read out by screen readers. */
export class Captions {
  #finished;
  #open;
  #lines = new Map();
  #empty;

  constructor(root) {
    this.#finished = root.querySelector(".finished");
    this.#open = root.querySelector(".open");
    this.#empty = root.querySelector(".empty");
  }

  render(session) {
    this.#finished.replaceChildren();
    this.#open.replaceChildren();
    this.#lines.clear();
    const utterances = session ? [...session.utterances.values()].slice(-LINES) : [];
    for (const utterance of utterances) this.update(utterance);
    this.#showEmpty();
  }

  update(utterance) {
    if (!utterance.text) return;
    if (!this.#lines.has(utterance.id)) this.#lines.set(utterance.id, this.#makeLine());
    const line = this.#lines.get(utterance.id);
    line.children[0].textContent = utterance.speaker;
    line.children[1].textContent = utterance.text;
    const list = utterance.status === Status.FINAL ? this.#finished : this.#open;
    if (line.parentNode !== list) list.append(line);
    this.#trim();
    this.#showEmpty();
  }

  remove(id) {
    this.#lines.get(id)?.remove();
    this.#lines.delete(id);
    this.#showEmpty();
  }

  #makeLine() {
    return element("p", {}, element("b"), element("span"));
  }

  #trim() {
    while (this.#lines.size > LINES) this.remove(this.#lines.keys().next().value);
  }

  #showEmpty() {
    this.#empty.hidden = this.#lines.size > 0;
  }
}
