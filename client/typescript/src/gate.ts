/**
 * Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered
 * invalidation; what it remembers is carried out before anything is read or written again.
 */

import { create } from "@bufbuild/protobuf";
import { Breaker } from "./breaker.js";
import { type CallOptions, type Calls, type InnerCallOptions, timeoutOf } from "./calls.js";
import { asError, cancelled, HotplateError, isOutage, isUnsent } from "./error.js";
import {
  type InvalidateRequestSchema,
  type InvalidateResponse,
  InvalidateResponseSchema,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Selector } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import { type Carry, Journal } from "./journal.js";
import type { Log } from "./log.js";
import type { MissReason } from "./lookup.js";
import type { Profile } from "./profile.js";
import { isAnswer } from "./retry.js";

/** The reason of a server that does not take a message, for all that is in it. */
export const MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE";

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
  /** The times that calls usually have: who gave less proves nothing by not waiting. */
  readonly profile: Profile;
  /** Aborted when the client is closed: what is asked afterwards is an error, and no miss. */
  readonly closing: AbortSignal;
  /** Aborted a moment later: invalidations that are under way may still end. */
  readonly late: AbortSignal;
  /** Wait between two tries to carry out what is remembered, in milliseconds. Default: that of the breaker's probes. */
  readonly probeMs?: number | undefined;
  readonly changed: (available: boolean) => void;
}

/** The guard of a client. */
export class Gate {
  readonly breaker: Breaker;
  readonly #setup: GateSetup;
  readonly #journal: Journal;
  #replaying = false;
  #reads = 0;
  #writes = 0;

  constructor(setup: GateSetup) {
    this.#setup = setup;
    this.breaker = new Breaker(setup.changed);
    this.#journal = new Journal(setup);
  }

  /** A read, of one key or of `many`; its absence is counted. */
  async read<A>(call: () => Promise<A>, options: CallOptions, many = false): Promise<Attempt<A>> {
    const attempt = await this.#guarded(call, options, many);
    if (attempt.away !== undefined) this.#reads += 1;
    return attempt;
  }

  /** A write, of one key or of `many`; its absence is counted. */
  async write<A>(call: () => Promise<A>, options: CallOptions, many = false): Promise<Attempt<A>> {
    const attempt = await this.#guarded(call, options, many);
    if (attempt.away !== undefined) this.#writes += 1;
    return attempt;
  }

  async #guarded<A>(call: () => Promise<A>, options: CallOptions, many: boolean): Promise<Attempt<A>> {
    this.refuse(options);
    if (this.disabled) return { away: "disabled" };
    if (this.pending > 0 || !this.breaker.admits()) {
      // What this client invalidated may still be stored: reading it would undo the invalidation.
      return this.#degraded(away(), many);
    }
    try {
      return { answer: await this.#observed(call, options, many) };
    } catch (failure) {
      // Who gave up hears that, and not that the cache is away; and so does who is called after the client was closed.
      if (options.signal?.aborted || this.#setup.closing.aborted) throw failure;
      return this.#degraded(asError(failure), many);
    }
  }

  /**
   * Refuses what is not to be begun.
   *
   * @throws {HotplateError} `CANCELLED` for who gave up, or closed the client; `INVALID_ARGUMENT` for a timeout that is none.
   */
  refuse(options: CallOptions): void {
    if (options.signal?.aborted) throw cancelled(options.signal);
    if (this.#setup.closing.aborted) throw cancelled(this.#setup.closing);
    timeoutOf(options, this.#setup.profile.callMs);
  }

  /** Makes a call and tells the breaker whether anyone answered. */
  async #observed<A>(call: () => Promise<A>, options: CallOptions, many: boolean): Promise<A> {
    try {
      const answer = await call();
      this.breaker.succeeded();
      return answer;
    } catch (failure) {
      const error = asError(failure);
      if (!options.signal?.aborted) this.#judge(error, options, many);
      throw error;
    }
  }

  /** What a failure says of the cache: what was never sent, and what the caller did not wait for, says nothing. */
  #judge(error: HotplateError, options: CallOptions, many: boolean): void {
    if (isUnsent(error) || error.kind === "CANCELLED") return;
    const { callMs, bulkMs } = this.#setup.profile;
    const isShort = options.timeoutMs !== undefined && options.timeoutMs < (many ? bulkMs : callMs);
    if (error.kind === "DEADLINE_EXCEEDED" && isShort) return;
    const silent = error.kind === "UNAVAILABLE" || error.kind === "DEADLINE_EXCEEDED";
    // That a slower tier has still to be told is an answer of a server that is there.
    if (silent && !isAnswer(error)) this.breaker.failed();
    else this.breaker.succeeded();
  }

  #degraded<A>(error: HotplateError, many: boolean): Attempt<A> {
    const away = this.fallback(error, many);
    if (away === null) throw error;
    return { away };
  }

  /**
   * The reason why a caller goes on without the cache after a failure of a call on one key, or on `many`; null where the failure
   * is theirs.
   */
  fallback(error: HotplateError, many: boolean): MissReason | null {
    if (this.#setup.onError === "raise" || !isOutage(error)) return null;
    // How many go in one message this client says, and the next call would go the same way.
    if (many && error.reason === MESSAGE_TOO_LARGE) return null;
    return error.kind === "DEADLINE_EXCEEDED" ? "timeout" : "unavailable";
  }

  /**
   * An invalidation. Null means that it was remembered, and that a replay has to be started by the caller when
   * {@link Gate.beginReplay} says so. One that is under way when the client is closed has a moment to end; nothing is remembered
   * then.
   */
  async invalidate(
    calls: Calls,
    request: Init<typeof InvalidateRequestSchema>,
    options: CallOptions,
  ): Promise<InvalidateResponse | null> {
    this.refuse(options);
    const { onError, closing, late, log } = this.#setup;
    let error: HotplateError;
    if (this.pending === 0 && this.breaker.admits()) {
      try {
        const call = { ...options, ends: late };
        return await this.#observed(() => calls.invalidate(request, call), options, true);
      } catch (failure) {
        if (options.signal?.aborted) throw failure;
        error = asError(failure);
      }
      if (closing.aborted && isOutage(error)) throw cancelled(closing);
    } else {
      error = away();
    }
    if (onError === "raise" || !isOutage(error)) throw error;
    if (isAnswer(error)) {
      log.warn("an invalidation is done, but a slower tier of the server has still to be told", error);
      return create(InvalidateResponseSchema);
    }
    this.#journal.remember(request.namespace ?? "", request.selectors ?? []);
    return null;
  }

  /** Invalidations that wait. */
  get pending(): number {
    return this.#journal.size;
  }

  /** Whether the caller is the one to start the replay. */
  beginReplay(): boolean {
    if (this.#journal.size === 0 || this.#replaying) return false;
    this.#replaying = true;
    return true;
  }

  /** Carries out what waits. Ends when nothing waits any more, or, after what is under way, when the signal is aborted. */
  async replay(calls: Calls, signal: AbortSignal): Promise<void> {
    try {
      await this.#journal.replay(this.#carrier(calls), signal);
    } finally {
      this.#replaying = false;
    }
  }

  /** The client is closed: tries once more to carry out what waits. What is left is lost, and counted in the log. */
  async lastTry(calls: Calls): Promise<void> {
    const { log } = this.#setup;
    // A try that is under way is that one.
    await (this.#journal.underWay ?? this.#journal.once(this.#carrier(calls)));
    const { size } = this.#journal;
    if (size > 0)
      log.error(`the client was closed while the cache was away: ${size} remembered invalidations are lost`);
  }

  /** Carries out one call of the journal: null when it is done, else why not. */
  #carrier(calls: Calls): Carry {
    const options: InnerCallOptions = { ends: this.#setup.late };
    return async (namespace: string, selectors: Selector[]): Promise<HotplateError | null> => {
      const reason = "made while the server was away";
      const request = { namespace, selectors, reason, clientId: this.#setup.clientId };
      try {
        await this.#observed(() => calls.invalidate(request, options), options, true);
        return null;
      } catch (failure) {
        const error = asError(failure);
        return isAnswer(error) ? null : error;
      }
    };
  }

  /** How often the typed layer went on without the cache. */
  get counts(): DegradationCounts {
    return {
      readsWithoutCache: this.#reads,
      writesDropped: this.#writes,
      invalidationsQueued: this.#journal.queued,
      invalidationsReplayed: this.#journal.replayed,
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
