/** Brings the views of a dialog (rows, captions, timeline) up to date with a change of the store. */

/** Let each of `views` forget what was removed and show what changed. */
export function showUtterances({ utterances, removed }, views) {
  for (const view of views) {
    for (const key of removed) view.remove(key);
    for (const utterance of utterances.filter(({ key }) => !removed.includes(key))) view.update(utterance);
  }
}
