/** Saves a dialog as a file: `/v1/rooms/NAME/export`, fetched with the token in a header, never in an address. */

import { describeFault } from "./faults.js";
import { SERVER } from "./server.js";
import { tokenHeaders } from "./token.js";

const LIMIT_MS = 60_000;

/** What can be had: the name of the format, and what it is for people. */
export const FORMATS = Object.freeze({
  html: "Report (HTML)",
  json: "All data (JSON)",
  csv: "Table (CSV)",
  vtt: "Subtitles (WebVTT)",
  srt: "Subtitles (SRT)",
});

/** Return why the server gave no file, as an Error with words for people. */
async function refusal(response) {
  if (response.status === 401) return new Error(describeFault({ code: "auth.required" }));
  const said = (await response.text()).trim();
  return new Error(`The dialog could not be saved: ${said || `the server answered ${response.status}`}`);
}

/** Save the dialog of `room` as `format`. Throws an Error that says what to do. */
export async function saveDialog(room, format, token) {
  const address = new URL(`v1/rooms/${encodeURIComponent(room)}/export?format=${format}`, SERVER);
  const signal = AbortSignal.timeout(LIMIT_MS);
  const response = await fetch(address, { headers: tokenHeaders(token), signal }).catch(() => {
    throw new Error(describeFault({ code: "unreachable" }));
  });
  if (!response.ok) throw await refusal(response);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = `${room}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // Safari reads it after the click
}
