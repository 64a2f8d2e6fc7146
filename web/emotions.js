/** How the emotions look: MELD's seven labels in their order, each with a sign; the colours are in style.css. */

import { element } from "./dom.js";

const SIGNS = { neutral: "😐", surprise: "😮", fear: "😨", sadness: "😢", joy: "😄", disgust: "🤢", anger: "😠" };

export const LABELS = Object.freeze(Object.keys(SIGNS));

const IN_COLOUR = "\uFE0F";

/** Return the emoji of `label`. */
export function sign(label) {
  return Object.hasOwn(SIGNS, label) ? SIGNS[label] + IN_COLOUR : "•";
}

/** Return the class that carries `label`'s colour. */
export function emotionClass(label) {
  return Object.hasOwn(SIGNS, label) ? `emotion-${label}` : "emotion-neutral";
}

/** Fill the list `root` with every label in its colour, beside its sign. */
export function showLegend(root) {
  for (const label of LABELS)
    root.append(element("li", { className: emotionClass(label) }, element("i"), `${sign(label)} ${label}`));
}

/** Return `[label, probability]` of the likeliest, or null when there is none. */
export function likeliest(probabilities) {
  const pairs = Object.entries(probabilities ?? {});
  return pairs.reduce((best, pair) => (best === null || pair[1] > best[1] ? pair : best), null);
}
