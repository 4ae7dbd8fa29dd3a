/**
 * Knows whether the cache is worth asking: after a run of failures calls are refused at once, and one at a time is let through
 * to find out whether it is back.
 */
import * as clock from "./clock.js";
import { jittered } from "./retry.js";

/** Failures in a row after which the cache counts as away. */
export const FAILURES_MAX = 5;
/** Milliseconds between two calls that are let through while it is away, before jitter. */
export const PROBE_INTERVAL_MS = 1_000;

/** Counts failures in a row. */
export class Breaker {
  #failures = 0;
  /** When the next call is let through; set while the cache counts as away. */
  #probeAt: number | null = null;
  #opened = 0;
  readonly #changed: (available: boolean) => void;
  readonly #now: () => number;

  /** `changed` hears each change of {@link Breaker.available}. */
  constructor(changed: (available: boolean) => void = () => undefined, now: () => number = clock.now) {
    this.#changed = changed;
    this.#now = now;
  }

  /**
   * Whether a call may go out now. While away, one call a probe interval may; it need not report back, so a caller that gives
   * up leaves nothing stuck.
   */
  admits(): boolean {
    if (this.#probeAt === null) return true;
    if (this.#now() < this.#probeAt) return false;
    this.#probeAt = this.#nextProbe();
    return true;
  }

  /** Records an answer, whatever it said. */
  succeeded(): void {
    this.#failures = 0;
    if (this.#probeAt !== null) {
      this.#probeAt = null;
      this.#changed(true);
    }
  }

  /** Records that no answer came. */
  failed(): void {
    this.#failures += 1;
    if (this.#failures < FAILURES_MAX) return;
    const was = this.#probeAt;
    this.#probeAt = this.#nextProbe();
    if (was === null) {
      this.#opened += 1;
      this.#changed(false);
    }
  }

  /** Whether the cache counts as there. */
  get available(): boolean {
    return this.#probeAt === null;
  }

  /** Times the cache was found to be away. */
  get opened(): number {
    return this.#opened;
  }

  #nextProbe(): number {
    return this.#now() + jittered(PROBE_INTERVAL_MS);
  }
}
