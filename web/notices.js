/** Warnings and errors, each until it is dismissed; the same one again is counted, not repeated. */

import { element } from "./dom.js";

const MOST = 5;

/** The notices at the top of the page. */
export class Notices {
  #root;
  #shown = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** Show `message`; `kind` is "warning", "error" or "info", `code` the protocol's. */
  show(kind, message, code = "") {
    const key = `${kind} ${code} ${message}`;
    const known = this.#shown.get(key);
    if (known) {
      known.times += 1;
      known.count.textContent = `× ${known.times}`;
      return;
    }
    this.#shown.set(key, this.#make(key, kind, message, code));
    while (this.#shown.size > MOST) this.#dismiss(this.#shown.keys().next().value);
  }

  #make(key, kind, message, code) {
    const count = element("span", { className: "count" });
    const close = element("button", { type: "button", text: "×", title: "Dismiss", attributes: { "aria-label": "Dismiss" } });
    close.addEventListener("click", () => this.#dismiss(key));
    const node = element(
      "div",
      { className: `notice ${kind}`, attributes: { role: kind === "error" ? "alert" : "status" } },
      element("p", {}, element("b", { text: kind }), element("span", { text: message }), element("code", { text: code })),
      count,
      close,
    );
    this.#root.append(node);
    return { node, count, times: 1 };
  }

  #dismiss(key) {
    this.#shown.get(key)?.node.remove();
    this.#shown.delete(key);
  }
}
