/**
 * Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered
 * invalidation; what it remembers is carried out before anything is read or written again.
 */

import { create } from "@bufbuild/protobuf";
import { Breaker, PROBE_INTERVAL_MS } from "./breaker.js";
import type { CallOptions, Calls } from "./calls.js";
import * as clock from "./clock.js";
import { asError, cancelled, HotplateError, isOutage } from "./error.js";
import type { InvalidateRequestSchema, InvalidateResponse } from "./generated/hotplate/v1/cache_pb.js";
import { type Selector, SelectorSchema } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import type { Log } from "./log.js";
import type { MissReason } from "./lookup.js";
import { jittered } from "./retry.js";

/** Selectors that fit one Invalidate. */
const SELECTORS_PER_CALL = 128;

/** What typed reads and writes do when the cache is away: `miss` goes on without it, `raise` throws what kept it away. */
export type OnError = "miss" | "raise";

/** What came of a guarded call: an answer, or that the caller goes on without. */
export type Attempt<A> = { readonly answer: A; readonly away?: undefined } | { readonly away: MissReason };

/** How often the typed layer went on without the cache, since the client was made. */
export interface DegradationCounts {
  /** Reads that were misses because the cache was away. */
  readonly readsWithoutCache: number;
  /** Writes that were dropped. */
  readonly writesDropped: number;
  /** Invalidations that were remembered for later. */
  readonly invalidationsQueued: number;
  /** Remembered invalidations that were carried out. */
  readonly invalidationsReplayed: number;
  /** Times the cache was found to be away. */
  readonly outages: number;
}

/** How the guard is set up. */
export interface GateSetup {
  readonly onError: OnError;
  readonly disabled: boolean;
  readonly journalMax: number;
  readonly clientId: string;
  readonly log: Log;
  /** Aborted when the client is closed: what is asked afterwards is an error, and no miss. */
  readonly closing: AbortSignal;
  readonly changed: (available: boolean) => void;
}

interface Remembered {
  readonly namespace: string;
  readonly selector: Selector;
}

/** The guard of a client. */
export class Gate {
  readonly breaker: Breaker;
  readonly #setup: GateSetup;
  #journal: Remembered[] = [];
  #replaying = false;
  #reads = 0;
  #writes = 0;
  #queued = 0;
  #replayed = 0;

  constructor(setup: GateSetup) {
    this.#setup = setup;
    this.breaker = new Breaker(setup.changed);
  }

  /** A read; its absence is counted. */
  async read<A>(call: () => Promise<A>, options: CallOptions): Promise<Attempt<A>> {
    const attempt = await this.#guarded(call, options);
    if (attempt.away !== undefined) this.#reads += 1;
    return attempt;
  }

  /** A write; its absence is counted. */
  async write<A>(call: () => Promise<A>, options: CallOptions): Promise<Attempt<A>> {
    const attempt = await this.#guarded(call, options);
    if (attempt.away !== undefined) this.#writes += 1;
    return attempt;
  }

  async #guarded<A>(call: () => Promise<A>, options: CallOptions): Promise<Attempt<A>> {
    this.#refuse(options);
    if (this.disabled) return { away: "disabled" };
    if (this.pending > 0 || !this.breaker.admits()) {
      // What this client invalidated may still be stored: reading it would undo the invalidation.
      return this.#degraded(away());
    }
    try {
      return { answer: await this.#observed(call, options) };
    } catch (failure) {
      // Who gave up hears that, and not that the cache is away.
      if (options.signal?.aborted) throw failure;
      return this.#degraded(asError(failure));
    }
  }

  /** Who gave up, or closed the client, is not answered. */
  #refuse(options: CallOptions): void {
    if (options.signal?.aborted) throw cancelled(options.signal);
    if (this.#setup.closing.aborted) throw cancelled(this.#setup.closing);
  }

  /** Makes a call and tells the breaker whether anyone answered. */
  async #observed<A>(call: () => Promise<A>, options: CallOptions): Promise<A> {
    try {
      const answer = await call();
      this.breaker.succeeded();
      return answer;
    } catch (failure) {
      if (options.signal?.aborted) throw failure;
      const error = asError(failure);
      if (error.kind === "UNAVAILABLE" || error.kind === "DEADLINE_EXCEEDED") {
        // That a slower tier has still to be told is an answer of a server that is there.
        if (error.reason === "TIER_PENDING") this.breaker.succeeded();
        else this.breaker.failed();
      } else if (error.kind !== "CANCELLED") {
        this.breaker.succeeded();
      }
      throw error;
    }
  }

  #degraded<A>(error: HotplateError): Attempt<A> {
    if (this.#setup.onError === "raise" || !isOutage(error.kind)) throw error;
    return { away: error.kind === "DEADLINE_EXCEEDED" ? "timeout" : "unavailable" };
  }

  /**
   * An invalidation. Null means that it was remembered, and that a replay has to be started by the caller when
   * {@link Gate.beginReplay} says so.
   */
  async invalidate(
    calls: Calls,
    request: Init<typeof InvalidateRequestSchema>,
    options: CallOptions,
  ): Promise<InvalidateResponse | null> {
    this.#refuse(options);
    let error: HotplateError;
    if (this.pending === 0 && this.breaker.admits()) {
      try {
        return await this.#observed(() => calls.invalidate(request, options), options);
      } catch (failure) {
        if (options.signal?.aborted) throw failure;
        error = asError(failure);
      }
    } else {
      error = away();
    }
    if (this.#setup.onError === "raise" || !isOutage(error.kind)) throw error;
    this.#remember(request.namespace ?? "", request.selectors ?? []);
    return null;
  }

  #remember(namespace: string, selectors: readonly (Init<typeof SelectorSchema> | Selector)[]): void {
    if (this.#journal.length + selectors.length > this.#setup.journalMax) {
      const full = "the cache is away and no more invalidations can be remembered: raise `journalMax`";
      throw new HotplateError("RESOURCE_EXHAUSTED", full, { reason: "JOURNAL_FULL" });
    }
    this.#queued += selectors.length;
    for (const selector of selectors) {
      this.#journal.push({ namespace, selector: create(SelectorSchema, selector) });
    }
  }

  /** Invalidations that wait. */
  get pending(): number {
    return this.#journal.length;
  }

  /** Whether the caller is the one to start the replay. */
  beginReplay(): boolean {
    if (this.#journal.length === 0 || this.#replaying) return false;
    this.#replaying = true;
    return true;
  }

  /**
   * Carries out what waits, oldest first, trying once a probe interval while the server is away. Ends when nothing waits any
   * more, or the signal is aborted.
   */
  async replay(calls: Calls, signal: AbortSignal): Promise<void> {
    try {
      while (this.#journal.length > 0) {
        await this.#replayBatch(calls, signal);
      }
    } finally {
      this.#replaying = false;
    }
  }

  async #replayBatch(calls: Calls, signal: AbortSignal): Promise<void> {
    const namespace = this.#journal[0]?.namespace ?? "";
    const other = this.#journal.findIndex((one) => one.namespace !== namespace);
    const count = Math.min(SELECTORS_PER_CALL, other === -1 ? this.#journal.length : other);
    const selectors = this.#journal.slice(0, count).map((one) => one.selector);
    const error = await this.#carryOut(calls, namespace, selectors, signal);
    if (error === null) {
      this.#carriedOut(count);
    } else if (isOutage(error.kind)) {
      await clock.sleep(jittered(PROBE_INTERVAL_MS), signal);
    } else if (count === 1) {
      this.#refused(error);
    } else {
      // One bad selector must not take the rest of its batch with it.
      for (const selector of selectors) {
        const alone = await this.#carryOut(calls, namespace, [selector], signal);
        if (alone === null) this.#carriedOut(1);
        else if (isOutage(alone.kind)) return;
        else this.#refused(alone);
      }
    }
  }

  async #carryOut(
    calls: Calls,
    namespace: string,
    selectors: Selector[],
    signal: AbortSignal,
  ): Promise<HotplateError | null> {
    const reason = "made while the server was away";
    const request = { namespace, selectors, reason, clientId: this.#setup.clientId };
    try {
      await this.#observed(() => calls.invalidate(request, { signal }), { signal });
      return null;
    } catch (failure) {
      if (signal.aborted) throw failure;
      return asError(failure);
    }
  }

  #carriedOut(count: number): void {
    this.#replayed += count;
    this.#journal = this.#journal.slice(count);
  }

  #refused(error: HotplateError): void {
    this.#setup.log.error("the server refused an invalidation made while it was away", error);
    this.#journal = this.#journal.slice(1);
  }

  /** How often the typed layer went on without the cache. */
  get counts(): DegradationCounts {
    return {
      readsWithoutCache: this.#reads,
      writesDropped: this.#writes,
      invalidationsQueued: this.#queued,
      invalidationsReplayed: this.#replayed,
      outages: this.breaker.opened,
    };
  }

  /** Whether the cache is turned off in this process. */
  get disabled(): boolean {
    return this.#setup.disabled;
  }
}

function away(): HotplateError {
  return new HotplateError("UNAVAILABLE", "the cache was away a moment ago");
}
