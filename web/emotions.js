/** How the emotions look: MELD's seven labels in their order, and what is not sure, each with a sign; signs.css gives
 * all their colour. */

import { element, percent, svgElement } from "./dom.js";
import { NOT_SURE, NOT_SURE_SIGN, SIGNS } from "./signs.js";

export const LABELS = Object.freeze(Object.keys(SIGNS));

const DRAWN = { ...SIGNS, [NOT_SURE]: NOT_SURE_SIGN };

/** Return what an utterance, or its event, is shown to feel: its label, or that it is not sure. */
export function shown({ label, uncertain }) {
  return uncertain ? NOT_SURE : label;
}

/** Return a new drawing of what is `shown`, a dot where there is none; it says nothing, the word stands beside it. */
export function sign(shown) {
  const known = Object.hasOwn(DRAWN, shown);
  const features = known ? Object.entries(DRAWN[shown]).map(([name, d]) => svgElement("path", { class: name, d })) : [];
  const ground = svgElement("circle", { r: known ? 1 : 0.3 });
  return svgElement("svg", { class: "sign", viewBox: "-1 -1 2 2", "aria-hidden": "true" }, ground, ...features);
}

/** Return the class that carries the colour of what is `shown`. */
export function emotionClass(shown) {
  if (shown === NOT_SURE) return "emotion-unsure";
  return Object.hasOwn(SIGNS, shown) ? `emotion-${shown}` : "emotion-neutral";
}

/** Fill the list `root` with every label, and what is not sure, in its colour, beside its sign. */
export function showLegend(root) {
  for (const shown of [...LABELS, NOT_SURE])
    root.append(element("li", { className: emotionClass(shown) }, sign(shown), shown));
}

/** Return how probable the emotion of an utterance is, and which that is where it is not sure. */
export function share({ label, uncertain, probabilities }) {
  const probable = percent(probabilities[label] ?? 0);
  return uncertain ? `perhaps ${label}, ${probable}` : probable;
}

/** Return `[label, probability]` of the likeliest, or null when there is none. */
export function likeliest(probabilities) {
  const pairs = Object.entries(probabilities ?? {});
  return pairs.reduce((best, pair) => (best === null || pair[1] > best[1] ? pair : best), null);
}
