/** A bound on how many computed values are being stored, each behind its callers when that takes long, and what ends one. */
import { linked } from "./either.js";
import { HotplateError } from "./error.js";
import { Slots } from "./slots.js";

const OUTDATED = "OUTDATED";

/** Whether storing a value ended because that no longer holds. */
export function isOutdated(failure: unknown): boolean {
  return failure instanceof HotplateError && failure.kind === "CANCELLED" && failure.reason === OUTDATED;
}

/** A value that is being stored. */
export interface Stored {
  readonly namespace: string;
  readonly key: string;
  /** Ended by what outdates it: nothing but this client tells that it no longer holds. One under a lease the server refuses. */
  readonly endsOutdated: boolean;
}

/** The values of a client that are being stored. */
export class Storings {
  readonly #slots: Slots;
  readonly #running = new Map<Stored, AbortController>();

  /** At most so many at once. */
  constructor(places: number) {
    this.#slots = new Slots(places);
  }

  /**
   * Stores a value as soon as there is a place for it; `false` when there was none within some time. `work` is told by its signal
   * when the value no longer holds; `ends` is for who waits for a place.
   *
   * @throws {HotplateError} `CANCELLED` when it was ended; what storing it fails with.
   */
  async run(
    stored: Stored,
    waitMs: number,
    ends: AbortSignal,
    work: (outdated: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const own = new AbortController();
    this.#running.set(stored, own);
    try {
      const release = await this.#place(waitMs, [own.signal, ends]);
      if (release === null) return false;
      try {
        await work(own.signal);
        return true;
      } finally {
        release();
      }
    } finally {
      this.#running.delete(stored);
    }
  }

  /** Ends what concerns values that no longer hold. */
  outdate(concerns: (stored: Stored) => boolean): void {
    for (const [stored, running] of this.#running) {
      if (stored.endsOutdated && concerns(stored)) {
        const text = "the value was outdated while it was stored";
        running.abort(new HotplateError("CANCELLED", text, { reason: OUTDATED }));
      }
    }
  }

  async #place(waitMs: number, signals: readonly AbortSignal[]): Promise<(() => void) | null> {
    const { signal, unlink } = linked(signals);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, waitMs);
    try {
      return await this.#slots.take(late.promise, signal);
    } finally {
      clearTimeout(timer);
      unlink();
    }
  }
}
