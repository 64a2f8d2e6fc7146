/** Where the server is that this page came from: also behind a proxy that shows it under a path of its own. */

/** Its address, with a slash at the end. */
export const SERVER = new URL("..", import.meta.url).href;

/** Return the address of the page of a call, with the fields of `query`. */
export const callAddress = (query) => new URL(`call?${new URLSearchParams(query)}`, SERVER).href;
