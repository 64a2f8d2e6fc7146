/** Waiting that ends: with what was waited for, at a time limit with its reason, or when it is called off. */

/**
 * Return what the promise `work` gives. Throws an Error with `reason` after `limitMs`, and `signal`'s reason when that
 * is aborted. What comes later all the same is handed to `undo`.
 */
export async function within(work, { limitMs = Infinity, reason = "", signal = null, undo = () => {} }) {
  let timer = null;
  let called = null;
  const ended = new Promise((_, reject) => {
    if (limitMs < Infinity) timer = setTimeout(() => reject(new Error(reason)), limitMs);
    called = () => reject(signal.reason);
    if (signal?.aborted) called();
    signal?.addEventListener("abort", called);
  });
  try {
    return await Promise.race([work, ended]);
  } catch (error) {
    work.then(undo, () => {});
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", called);
  }
}
