/** What the page says about its connection. */

import { State } from "./client.js";

const MANY = 4; // tries in vain after which it is said that there may be no server

const cause = ({ reason, code }) => reason || (code && code !== 1006 ? `code ${code}` : "");

/** Return what is known of a connection that is tried again. */
function trouble(detail) {
  const again = detail.failures > 1 ? ` (tried ${detail.failures} times)` : "";
  if (detail.stopped) return `The server was stopped${again}.`;
  if (detail.failures >= MANY) return `The server does not answer${again}. Is it running?`;
  return `Connection lost${cause(detail) ? `: ${cause(detail)}` : ""}.`;
}

function sentence(detail) {
  switch (detail.state) {
    case State.CONNECTED:
      return "Connected";
    case State.RECONNECTING:
      return trouble(detail);
    case State.CLOSED:
      return `Closed${cause(detail) ? `: ${cause(detail)}` : ""}`;
    default:
      return "Connecting…";
  }
}

function countdown({ state, retryAt }) {
  if (state !== State.RECONNECTING) return "";
  return `Next try in ${Math.max(0, Math.ceil((retryAt - performance.now()) / 1000))} s`;
}

const BUTTON = { [State.RECONNECTING]: "Try now", [State.CLOSED]: "Connect" };

/**
 * Shows the state of `client` (whatever dispatches "state" and can `connect`) in `root`, counting down to the next
 * try, with a button to try at once.
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
    setInterval(() => this.#detail.state === State.RECONNECTING && this.#count(), 500);
  }

  #show() {
    this.#root.hidden = false;
    this.#root.dataset.state = this.#detail.state;
    const said = sentence(this.#detail);
    const text = this.#root.querySelector(".text");
    if (text.textContent !== said) text.textContent = said;
    const button = this.#root.querySelector("button");
    button.textContent = BUTTON[this.#detail.state] ?? "";
    button.hidden = button.textContent === "";
    this.#count();
  }

  /** Not read out by screen readers second by second; the button tells them that it is tried again. */
  #count() {
    this.#root.querySelector(".wait").textContent = countdown(this.#detail);
  }
}
