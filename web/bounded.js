/** What a page that stays open for days may keep: a bound for everything that grows with who comes and goes. */

/** More than any server lets in: who seems to be live beyond it has gone without the end being told. */
export const LIVE_LIMIT = 512;

/** Ids of what was forgotten, so that what comes late of it is known as such; older ones are not told of any more. */
export const FORGOTTEN_LIMIT = 1_024;

/** Delete the first of `kept` (a Map or a Set) that `mayGo`, until `limit` are left, and return their keys. */
export function forgetFirst(kept, limit, mayGo = () => true) {
  const forgotten = [];
  for (const [key, value] of kept.entries()) {
    if (kept.size <= limit) break;
    if (!mayGo(value)) continue;
    kept.delete(key);
    forgotten.push(key);
  }
  return forgotten;
}

/** Keep `limit` of the Map `kept`: the first that `isGone` go first, and what is live only beyond LIVE_LIMIT. */
export function forgetGone(kept, limit, isGone) {
  return [...forgetFirst(kept, limit, isGone), ...forgetFirst(kept, LIVE_LIMIT)];
}

/** The ids of what was forgotten last. */
export class Forgotten {
  #ids = new Set();

  get size() {
    return this.#ids.size;
  }

  add(ids) {
    for (const id of ids) this.#ids.add(id);
    forgetFirst(this.#ids, FORGOTTEN_LIMIT);
  }

  has(id) {
    return this.#ids.has(id);
  }

  delete(id) {
    this.#ids.delete(id);
  }

  clear() {
    this.#ids.clear();
  }
}
