/** What the page says about its connection. */

import { State } from "./client.js";

const cause = ({ reason, code }) => reason || (code && code !== 1006 ? `code ${code}` : "");

function sentence(detail) {
  switch (detail.state) {
    case State.CONNECTED:
      return "Connected";
    case State.RECONNECTING: {
      const seconds = Math.max(0, Math.ceil((detail.retryAt - performance.now()) / 1000));
      return `Reconnecting in ${seconds} s${cause(detail) ? ` (${cause(detail)})` : ""}`;
    }
    case State.CLOSED:
      return `Closed${cause(detail) ? `: ${cause(detail)}` : ""}`;
    default:
      return "Connecting…";
  }
}

/**
 * Shows the state of `client` (whatever dispatches "state" and can `connect`) in `root`, counting down to the next
 * attempt, with a button once it is closed.
 */
export class ConnectionView {
  #root;
  #detail = { state: State.CONNECTING };

  constructor(root, client) {
    this.#root = root;
    client.addEventListener("state", ({ detail }) => {
      this.#detail = detail;
      this.#show();
    });
    root.querySelector("button").addEventListener("click", () => client.connect());
    setInterval(() => this.#detail.state === State.RECONNECTING && this.#show(), 500);
  }

  #show() {
    this.#root.hidden = false;
    this.#root.dataset.state = this.#detail.state;
    const text = this.#root.querySelector(".text");
    const said = sentence(this.#detail);
    if (text.textContent !== said) text.textContent = said;
    this.#root.querySelector("button").hidden = this.#detail.state !== State.CLOSED;
  }
}
