/** A flag that one waits for: notified once or often, it wakes once. */

/** A flag that stays up until it is cleared, and whom its rise wakes: one at a time. */
export class Signal {
  #up = false;
  #listener: (() => void) | null = null;

  /** Raises it. */
  notify(): void {
    this.#up = true;
    this.#listener?.();
  }

  /** Calls back when it is up, at once when it is up already; answers how to stop that. */
  listen(listener: () => void): () => void {
    this.#listener = listener;
    if (this.#up) listener();
    return () => {
      if (this.#listener === listener) this.#listener = null;
    };
  }

  /** Takes it down. */
  clear(): void {
    this.#up = false;
  }
}
