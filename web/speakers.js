/** A colour for each speaker of a dialog: the same wherever the speaker is named, in the order in which they are first named. */

const COLOURS = 8;

/** Gives names their colours; beyond eight, colours come again. */
export class SpeakerColours {
  #places = new Map(); // by name

  /** Return the class that shows the colour of `name`. */
  classOf(name) {
    if (!this.#places.has(name)) this.#places.set(name, this.#places.size % COLOURS);
    return `speaker speaker-${this.#places.get(name)}`;
  }
}

/** Whether `speaker` speaks at the microphone of the participant called `name`: alone, or as one of several. */
export const speaksFor = (speaker, name) => speaker === name || speaker.startsWith(`${name} · `);

/** The colours of this page. */
export const colours = new SpeakerColours();
