/** Who computes what, and who waits for it. */
import { newId } from "../../calls.js";

/** How long a lease lasts, in milliseconds. */
export const LEASE_MS = 10_000;

/** A lease that is held. */
export interface HeldLease {
  readonly token: string;
  /** When it lapses, on the cache's clock. */
  lapsesAt: number;
  /** Where the log of sets was when it was granted. */
  readonly sets: bigint;
}

/** The leases of one namespace. */
export class Leases {
  readonly #held = new Map<string, HeldLease>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Grants the lease of a key, unless another has it. */
  grant(key: string, now: number, sets: bigint): HeldLease | null {
    const held = this.#held.get(key);
    if (held !== undefined && now < held.lapsesAt) return null;
    const lease = { token: newId(), lapsesAt: now + LEASE_MS, sets };
    this.#held.set(key, lease);
    return lease;
  }

  /** The lease of this token, if it is held. */
  held(key: string, token: string, now: number): HeldLease | null {
    const held = this.#held.get(key);
    return held?.token === token && now < held.lapsesAt ? held : null;
  }

  /** Milliseconds until the lease of a key lapses; zero when nobody has it. */
  lapsesIn(key: string, now: number): number {
    return Math.max(0, (this.#held.get(key)?.lapsesAt ?? now) - now);
  }

  /** Ends a lease, and wakes who waits for the key. Answers how many those are. */
  end(key: string): number {
    this.#held.delete(key);
    return this.wake(key);
  }

  /** Ends the leases of all keys that are meant. */
  endAll(meant: (key: string) => boolean): number {
    const keys = [...this.#held.keys()].filter(meant);
    for (const key of keys) this.end(key);
    return keys.length;
  }

  /** Wakes who waits for a key. */
  wake(key: string): number {
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    for (const wake of waiting ?? []) wake();
    return waiting?.size ?? 0;
  }

  /** Wakes all who wait. */
  wakeAll(): void {
    for (const key of [...this.#waiting.keys()]) this.wake(key);
  }

  /** Waits until something happens to a key, the time is over, or the caller gives up. */
  async wait(key: string, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    waiting.add(resolve);
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => resolve(), { once: true });
    if (signal?.aborted) resolve();
    await promise;
    clearTimeout(timer);
    waiting.delete(resolve);
  }
}
