/** What the address of the overlay page asks for (docs/overlay.md). Pure: an address in, options or problems out. */

export const ELEMENTS = Object.freeze(["name", "emotion", "transcript", "bars", "faces"]);
export const POSITIONS = Object.freeze(["top-left", "top", "top-right", "bottom-left", "bottom", "bottom-right"]);
export const THEMES = Object.freeze(["dark", "light", "outline"]);

export const DEFAULTS = Object.freeze({
  room: "",
  session: "",
  name: "",
  show: Object.freeze(["name", "emotion", "transcript"]),
  size: 28,
  position: "bottom",
  fade: 8,
  theme: "dark",
  mirror: false,
});

const LONGEST_NAME = 64;
const list = (words) => words.join(", ");

/** Each returns `[value, problem]`: what the text means, or what is wrong with it. */
const text = (given) => {
  const value = given.trim();
  const length = [...value].length;
  return length >= 1 && length <= LONGEST_NAME ? [value] : [null, `must have 1 to ${LONGEST_NAME} characters`];
};

const oneOf = (words) => (given) => (words.includes(given) ? [given] : [null, `is "${given}" but must be one of ${list(words)}`]);

const number = (least, most, unit) => (given) => {
  const value = given.trim() === "" ? NaN : Number(given);
  const fits = value >= least && value <= most;
  return fits ? [value] : [null, `is "${given}" but must be a number from ${least} to ${most} (${unit})`];
};

const elements = (given) => {
  const words = given.split(",").map((word) => word.trim()).filter(Boolean);
  const wrong = words.filter((word) => !ELEMENTS.includes(word));
  if (wrong.length > 0) return [null, `has "${wrong[0]}", which can't be shown; choose of ${list(ELEMENTS)}`];
  return words.length > 0 ? [ELEMENTS.filter((word) => words.includes(word))] : [null, `is empty; choose of ${list(ELEMENTS)}`];
};

const yesOrNo = (given) => {
  const [value, problem] = oneOf(["yes", "no"])(given);
  return problem ? [null, problem] : [value === "yes"];
};

const PARAMETERS = Object.freeze({
  room: text,
  session: text,
  name: text,
  show: elements,
  size: number(10, 200, "pixels, the height of the text"),
  position: oneOf(POSITIONS),
  fade: number(0, 600, "seconds; 0: until the next"),
  theme: oneOf(THEMES),
  mirror: yesOrNo,
});

/** Return `{ options, problems }` of a query such as `?room=R&size=40`; problems are sentences, empty when all is well. */
export function parseOptions(search) {
  const options = { ...DEFAULTS };
  const problems = [];
  const seen = new Set();
  for (const [key, given] of new URLSearchParams(search)) {
    if (!Object.hasOwn(PARAMETERS, key)) problems.push(`"${key}" is no parameter of this page; there are ${list(Object.keys(PARAMETERS))}.`);
    else if (seen.has(key)) problems.push(`"${key}" is there twice; leave one.`);
    else {
      const [value, problem] = PARAMETERS[key](given);
      if (problem) problems.push(`"${key}" ${problem}.`);
      else options[key] = value;
    }
    seen.add(key);
  }
  return { options, problems: [...problems, ...contradictions(options, seen)] };
}

function contradictions(options, seen) {
  const found = [];
  if (seen.has("room") && seen.has("session")) found.push('"room" and "session" are both there; leave one.');
  if (options.show.includes("faces") && !seen.has("name") && !seen.has("session"))
    found.push('"show" has faces, which are drawn over the frame of one participant; say whose with "name" or "session".');
  return found;
}

/** Return the token of an address's fragment, `#token=…`; "" for none. */
export const tokenOf = (hash) => new URLSearchParams(hash.replace(/^#/, "")).get("token") ?? "";
