/** The dialog: one row per utterance, replaced in place by its later revisions. */

import { colours } from "./speakers.js";
import { clockTime, element, hiddenText, percent } from "./dom.js";
import { LABELS, emotionClass, share, shown, sign } from "./emotions.js";
import { Status, compareUtterances } from "./store.js";

const MODALITIES = { text: "words", audio: "voice", face: "face", scene: "scene" };
const NEAR_END_PX = 80;

function latencyText(latency) {
  const rows = [
    ["silence waited for", latency.endpoint_ms],
    ["transcript", latency.transcript_ms],
    ["features", latency.features_ms],
    ["fusion", latency.fusion_ms],
  ];
  return ["From the end of speech to this result:", ...rows.map(([name, ms]) => `${name} ${Math.round(ms)} ms`)].join("\n");
}

function bars(utterance) {
  const columns = LABELS.map((label) => {
    const probability = utterance.probabilities[label] ?? 0;
    const fill = element("i");
    fill.style.height = percent(probability);
    const likeliest = label === utterance.label ? " likeliest" : "";
    return element(
      "span",
      { className: `bar ${emotionClass(label)}${likeliest}`, title: `${label} ${percent(probability)}` },
      element("span", { className: "track" }, fill),
      element("small", {}, sign(label)),
    );
  });
  const spoken = LABELS.map((label) => `${label} ${percent(utterance.probabilities[label] ?? 0)}`).join(", ");
  return element(
    "div",
    { className: "bars" },
    element("div", { className: "columns", attributes: { "aria-hidden": "true" } }, ...columns),
    hiddenText(`Probabilities: ${spoken}`),
  );
}

const against = ({ baseline }) =>
  baseline > 0 ? `, told against ${baseline} earlier ${baseline === 1 ? "utterance" : "utterances"} of the speaker` : "";

function modalities(utterance) {
  const tags = Object.entries(MODALITIES).map(([key, name]) => {
    const present = utterance.modalities.includes(key);
    const title = present ? `${name}: used${key === "audio" ? against(utterance) : ""}` : `${name}: not available`;
    return element("span", { className: present ? "tag" : "tag absent", text: name, title }, hiddenText(present ? "" : " absent"));
  });
  return element("span", { className: "tags" }, ...tags);
}

function emotion(utterance) {
  const { label, withdrawn, status } = utterance;
  const pending = status === Status.WAITING ? "working…" : "listening…";
  if (label === null) return element("p", { className: "emotion pending", text: pending });
  const name = element("b", { text: shown(utterance) });
  const line = element("p", { className: "emotion" }, element("span", {}, sign(shown(utterance))), name);
  if (withdrawn) {
    line.classList.add("withdrawn");
    line.append(element("small", { text: "withdrawn, speech goes on" }));
    return line;
  }
  line.append(element("small", { className: "share", text: share(utterance) }));
  if (utterance.soFar) line.append(element("small", { className: "mark", text: "so far", title: "Told while it is being said: it will be told anew" }));
  if (status === Status.EARLY) line.append(element("small", { className: "mark", text: "early", title: "May change: speech can go on" }));
  if (utterance.was) line.append(element("small", { className: "mark", text: `was ${utterance.was}`, title: "Revised as more was known" }));
  return line;
}

function heading(utterance) {
  const line = element(
    "p",
    { className: "heading" },
    element("time", { text: clockTime(utterance.startMs) }),
    element("b", { className: colours.classOf(utterance.speaker), text: utterance.speaker }),
  );
  if (utterance.revision > 0 && !utterance.soFar) line.append(element("small", { text: `rev. ${utterance.revision}`, title: "Told so often before: early, and as more was known" }));
  return line;
}

function details(utterance) {
  const line = element("p", { className: "details" }, modalities(utterance));
  if (utterance.latency?.total_ms > 0) {
    const total = `${(utterance.latency.total_ms / 1000).toFixed(1)} s`;
    line.append(element("small", { className: "latency", text: `after ${total}`, title: latencyText(utterance.latency) }));
  }
  return line;
}

function content(utterance) {
  const text = element("p", { className: "text", text: utterance.text || (utterance.label && !utterance.soFar ? "(no words)" : "…") });
  const left = element("div", { className: "said" }, heading(utterance), text);
  const right = element("div", { className: "felt" }, emotion(utterance));
  if (utterance.label !== null) {
    left.append(details(utterance));
    right.append(bars(utterance));
  }
  return [left, right];
}

/** The list of rows; it follows the newest unless the reader has scrolled away. */
export class Rows {
  #list;
  #note;
  #empty;
  #rows = new Map();

  constructor(root) {
    this.#list = root.querySelector("ol");
    this.#note = root.querySelector(".forgotten");
    this.#empty = root.querySelector(".empty");
  }

  render(dialog) {
    this.#list.replaceChildren();
    this.#rows.clear();
    for (const utterance of dialog?.utterances.values() ?? []) this.update(utterance);
    this.forgotten(dialog?.removed ?? 0);
    this.#empty.hidden = this.#rows.size > 0;
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  update(utterance) {
    const follow = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR_END_PX;
    const row = this.#rows.get(utterance.key) ?? this.#make(utterance);
    this.#place(row, utterance);
    row.className = `row ${utterance.label ? emotionClass(shown(utterance)) : ""} ${utterance.status}`;
    row.classList.toggle("is-withdrawn", utterance.withdrawn);
    row.classList.toggle("so-far", utterance.soFar);
    row.replaceChildren(...content(utterance));
    this.#empty.hidden = true;
    if (follow) this.#list.scrollTop = this.#list.scrollHeight;
  }

  remove(key) {
    this.#rows.get(key)?.remove();
    this.#rows.delete(key);
    this.#empty.hidden = this.#rows.size > 0;
  }

  /** Tell that `count` rows were taken away to keep the page small. */
  forgotten(count) {
    this.#note.hidden = count === 0;
    this.#note.textContent = `${count} earlier ${count === 1 ? "utterance is" : "utterances are"} no longer shown.`;
  }

  /** Bring the row of the utterance with `key` into view and mark it for a moment. */
  jump(key) {
    const row = this.#rows.get(key);
    if (!row) return;
    row.scrollIntoView({ block: "nearest" });
    row.focus({ preventScroll: true });
    row.classList.remove("flash");
    requestAnimationFrame(() => row.classList.add("flash"));
  }

  #make({ key, id }) {
    const row = element("li", { tabIndex: -1 });
    row.dataset.utterance = id;
    this.#rows.set(key, row);
    return row;
  }

  /** Put the row where its utterance belongs; most are the last, and stay where they are. */
  #place(row, utterance) {
    row.place = { startMs: utterance.startMs, session: utterance.session, id: utterance.id };
    const others = [...this.#list.children].filter((other) => other !== row);
    const before = others.findLast((other) => compareUtterances(other.place, row.place) < 0) ?? null;
    if (row.parentNode && row.previousElementSibling === before) return;
    if (before) before.after(row);
    else this.#list.prepend(row);
  }
}
