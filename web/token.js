/** The token a server may ask for: kept for this tab, and never left in the address bar, the history or a link. */

const KEPT = "m2fnet.token";

function storage() {
  try {
    return window.sessionStorage;
  } catch {
    return null; // the browser's settings forbid it: the token lasts until the page is reloaded
  }
}

/** Return the token of the address's `#token=`, which is taken out of the address, or the one kept; "" for none. */
export function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return storage()?.getItem(KEPT) ?? "";
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(history.state, "", location.pathname + location.search + (rest && `#${rest}`));
  keepToken(token);
  return token;
}

/** Remember `token` for this tab. */
export function keepToken(token) {
  storage()?.setItem(KEPT, token);
}

/** Return the headers that carry `token` in a plain request. */
export function tokenHeaders(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}
