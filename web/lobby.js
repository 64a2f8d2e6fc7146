/** The form one joins with, and who is in the room already: told before anything of oneself is sent. */

import { LiveClient, State, socketAddress } from "./client.js";
import { byId } from "./dom.js";
import { FIELD_OF, describeFault } from "./faults.js";
import { SERVER, callAddress } from "./server.js";
import { Store } from "./store.js";

const TYPING_MS = 400;
const KEPT = "m2fnet.join";

/** Watches a room from outside, without its frames, until `stop`. */
class Peek {
  #client = null;
  #store = new Store();

  /** `onState(dialog)` is told who is there; `onLost` that it can't be known now, `onError({ code, message })` at all. */
  constructor(room, token, { onState, onLost, onError }) {
    this.#client = new LiveClient(socketAddress(SERVER, "/v1/events", { room }), { token, attempts: Infinity });
    this.#client.addEventListener("event", ({ detail }) => {
      const { dialogChanged, dialog } = this.#store.apply(detail);
      if (dialogChanged) onState(dialog);
    });
    this.#client.addEventListener("state", ({ detail }) => {
      if (detail.state === State.CONNECTED) onState(this.#store.room(room)); // until the server tells of the room
      if (detail.state === State.RECONNECTING) onLost(detail);
      if (detail.state === State.CLOSED && detail.error) onError(detail.error);
    });
    this.#client.connect();
  }

  stop() {
    this.#client.close();
  }
}

const listed = (names) => new Intl.ListFormat("en").format(names);

function roomText({ participants, recording }) {
  const here = [...participants.values()].filter(({ here }) => here).map(({ name }) => name);
  const who = here.length === 0 ? "Nobody is in this room yet." : `In this room: ${listed(here)}.`;
  return recording ? `${who} It is being recorded: sound, pictures and results are kept.` : who;
}

/** What was entered in this tab before, so that a page that was reloaded is joined again with one click. */
function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

function remember(wanted) {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(wanted));
  } catch {
    // The browser's settings forbid it: the form is filled in again.
  }
}

/** The form `#join`. */
export class Lobby {
  #form = byId("join");
  #peek = null;
  #timer = null;
  #token;
  #onJoin;

  /** `onJoin({ room, name, video, audio, token })` is called with what was entered. */
  constructor({ token, onJoin }) {
    this.#token = token;
    this.#onJoin = onJoin;
    this.#fill();
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("watch-button").addEventListener("click", () => {
      const room = byId("room").value.trim();
      if (byId("room").reportValidity()) location.assign(callAddress({ room, watch: 1 }));
    });
    byId("room").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#look(), TYPING_MS);
    });
    byId("token").addEventListener("change", ({ target }) => {
      this.#token = target.value;
      this.#look();
    });
  }

  /** Show the form; with `error` (`{ code, message }`) what has to be put right. */
  open(error = null) {
    byId("lobby").hidden = false;
    this.#look();
    if (error) this.#showError(error);
  }

  close() {
    byId("lobby").hidden = true;
    this.#stopLooking();
  }

  #fill() {
    const asked = new URLSearchParams(location.search);
    const before = remembered();
    byId("room").value = asked.get("room") ?? before.room ?? "";
    byId("name").value = asked.get("name") ?? before.name ?? "";
    byId("use-camera").checked = before.video ?? true;
    byId("use-microphone").checked = before.audio ?? true;
    byId("consent").checked = before.consentTo === byId("room").value && before.consentTo !== undefined;
  }

  #submit() {
    const wanted = {
      room: byId("room").value.trim(),
      name: byId("name").value.trim(),
      video: byId("use-camera").checked,
      audio: byId("use-microphone").checked,
      token: this.#token,
    };
    this.#clearError();
    const { room, name, video, audio } = wanted;
    remember({ room, name, video, audio, consentTo: room });
    this.#onJoin(wanted);
  }

  #look() {
    this.#stopLooking();
    const room = byId("room").value.trim();
    byId("room-state").textContent = "";
    if (!room) return;
    this.#peek = new Peek(room, this.#token, {
      onState: (dialog) => {
        byId("room-state").textContent = roomText(dialog);
        byId("room-state").classList.toggle("recorded", dialog.recording);
      },
      onLost: ({ stopped }) => {
        const what = stopped ? "The server was stopped" : "The server can't be reached";
        byId("room-state").textContent = `${what}; it is tried again.`;
      },
      onError: (error) => this.#showError(error),
    });
  }

  #stopLooking() {
    clearTimeout(this.#timer);
    this.#peek?.stop();
    this.#peek = null;
  }

  #showError(error) {
    const field = byId(FIELD_OF[error.code] ?? "");
    byId("join-error").textContent = describeFault(error);
    byId("join-error").hidden = false;
    if (FIELD_OF[error.code] === "token") byId("token-field").hidden = false;
    field?.setAttribute("aria-invalid", "true");
    field?.focus();
  }

  #clearError() {
    byId("join-error").hidden = true;
    for (const field of this.#form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  }
}
