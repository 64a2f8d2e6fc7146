/** Relayed JPEG frames become bitmaps; when too many wait to be decoded, the newest are left out and counted. */

const MOST_DECODING = 8;

export class Decoder {
  #decoding = 0;
  /** How many frames were not shown. */
  skipped = 0;

  /** Return the frame (ImageBitmap) of `jpeg`, or null when there is no time, nobody looks, or it is none. */
  async decode(jpeg) {
    if (document.hidden) return null;
    if (this.#decoding >= MOST_DECODING) {
      this.skipped += 1;
      return null;
    }
    this.#decoding += 1;
    try {
      return await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    } catch {
      this.skipped += 1;
      return null;
    } finally {
      this.#decoding -= 1;
    }
  }
}
