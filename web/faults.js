/** Why the server refused or ended something, in words for who uses the page, with what to do. */

const WORDS = {
  "name.taken": "Somebody in this room has that name already. Choose another one; if it was you a moment ago, wait a few seconds and try again.",
  "name.invalid": "This name can't be used. Choose one of 1 to 64 characters.",
  "room.invalid": "This room name can't be used. Choose one of 1 to 64 characters.",
  "room.full": "This room is full. Wait until somebody leaves, or choose another room.",
  "rooms.full": "The server has as many rooms as it may. Join one that exists, or try again later.",
  "auth.required": "This server asks for a token. Enter the one you were given.",
  "auth.failed": "The token is not the right one. Check it and enter it again.",
  "auth.late": "The token was not sent in time. Try again.",
  "address.full": "As many people as may have come from your network already. Try again when one of them has left.",
  "media.idle": "Nothing was sent for so long that the server let go. Join again; who only wants to see the call can watch it.",
  "rate.exceeded": "This page sent more than a microphone and a camera give. Join again; close other pages that use them.",
  too_large: "This page sent a message that is larger than the server takes. Join again.",
  "frames.too_many": "This page sent more pictures than the server takes. Join again.",
  "messages.too_many": "This page sent more messages than the server takes. Join again.",
  overloaded: "The server has as many people as it can serve, or is stopping. Try again later.",
  "session.closing": "The call was ended already.",
  "errors.too_many": "The server did not understand this page. Reload it; they may be of different versions.",
  "query.invalid": "The server did not understand the page's address. Reload the page; they may be of different versions.",
  internal: "Something broke on the server while it analyzed this. Join again; whoever runs the server finds the cause in its log.",
  too_slow: "The connection is too slow to keep up with the call. Join again, or watch it without pictures.",
  failed: "The analysis broke on the server. Join again; whoever runs the server finds the cause in its log.",
  "server.stopped": "The server was stopped. Join again when it has been started.",
  replaced: "You have joined this room again in another tab or after a reload, so this page has left it.",
  unreachable: "The server can't be reached. Check that it runs and that this device is connected to it, then join again.",
};

/** Reasons of an end that come of an error, by its code. */
const COME_OF = { idle: "media.idle", rate: "rate.exceeded", errors: "errors.too_many" };

/** The field of the form that a code is about, if any. */
export const FIELD_OF = Object.freeze({
  "name.taken": "name",
  "name.invalid": "name",
  "room.invalid": "room",
  "room.full": "room",
  "rooms.full": "room",
  "auth.required": "token",
  "auth.failed": "token",
});

/** Return the sentence for an error's `code`; one that is not known is told in the server's own words. */
export function describeFault({ code, message = "" }) {
  return WORDS[COME_OF[code] ?? code] ?? (message || `The server refused this (${code}).`);
}
