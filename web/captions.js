/** The transcript as it grows: the last lines that stand, and what is being said. */

import { element, hiddenText } from "./dom.js";
import { shown } from "./emotions.js";
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

  render(dialog) {
    this.#finished.replaceChildren();
    this.#open.replaceChildren();
    this.#lines.clear();
    const utterances = dialog ? [...dialog.utterances.values()].slice(-LINES) : [];
    for (const utterance of utterances) this.update(utterance);
    this.#showEmpty();
  }

  update(utterance) {
    if (!utterance.text) return;
    if (!this.#lines.has(utterance.key)) this.#lines.set(utterance.key, this.#makeLine());
    const line = this.#lines.get(utterance.key);
    const finished = utterance.status === Status.FINAL;
    line.children[0].textContent = utterance.speaker;
    line.children[1].textContent = utterance.text;
    line.children[2].textContent = finished ? ` (${shown(utterance)})` : "";
    const list = finished ? this.#finished : this.#open;
    if (line.parentNode !== list) list.append(line);
    this.#trim();
    this.#showEmpty();
  }

  remove(key) {
    this.#lines.get(key)?.remove();
    this.#lines.delete(key);
    this.#showEmpty();
  }

  #makeLine() {
    return element("p", {}, element("b"), element("span"), hiddenText(""));
  }

  #trim() {
    while (this.#lines.size > LINES) this.remove(this.#lines.keys().next().value);
  }

  #showEmpty() {
    this.#empty.hidden = this.#lines.size > 0;
  }
}
