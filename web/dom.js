/** Making elements. Text is always set as text: nothing that came over the wire is ever parsed as HTML. */

/** Return a new element with `className`, `text`, `title` and other properties, and `children`. */
export function element(tag, properties = {}, ...children) {
  const { text, attributes = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Return a new element of a drawing with `attributes` and `children`. */
export function svgElement(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Return the element of the page with `id`. */
export const byId = (id) => document.getElementById(id);

/** Return text that only screen readers are told. */
export function hiddenText(text) {
  return element("span", { className: "visually-hidden", text });
}

/** Return media time as m:ss, or h:mm:ss. */
export function clockTime(timeMs) {
  const seconds = Math.floor(timeMs / 1000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((n) => String(n).padStart(2, "0"));
  const hours = Math.floor(seconds / 3600);
  return hours > 0 ? [hours, ...parts].join(":") : `${Number(parts[0])}:${parts[1]}`;
}

/** Return a probability as whole percent. */
export function percent(probability) {
  return `${Math.round(probability * 100)}%`;
}
