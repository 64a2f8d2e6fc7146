/** How the emotions look: MELD's seven labels in their order, each with a sign; signs.css gives both their colour. */

import { element, svgElement } from "./dom.js";
import { SIGNS } from "./signs.js";

export const LABELS = Object.freeze(Object.keys(SIGNS));

/** Return a new drawing of the face of `label`, a dot where there is none; it says nothing, the word stands beside it. */
export function sign(label) {
  const known = Object.hasOwn(SIGNS, label);
  const features = known ? Object.entries(SIGNS[label]).map(([name, d]) => svgElement("path", { class: name, d })) : [];
  const ground = svgElement("circle", { r: known ? 1 : 0.3 });
  return svgElement("svg", { class: "sign", viewBox: "-1 -1 2 2", "aria-hidden": "true" }, ground, ...features);
}

/** Return the class that carries `label`'s colour. */
export function emotionClass(label) {
  return Object.hasOwn(SIGNS, label) ? `emotion-${label}` : "emotion-neutral";
}

/** Fill the list `root` with every label in its colour, beside its sign. */
export function showLegend(root) {
  for (const label of LABELS)
    root.append(element("li", { className: emotionClass(label) }, sign(label), label));
}

/** Return `[label, probability]` of the likeliest, or null when there is none. */
export function likeliest(probabilities) {
  const pairs = Object.entries(probabilities ?? {});
  return pairs.reduce((best, pair) => (best === null || pair[1] > best[1] ? pair : best), null);
}
