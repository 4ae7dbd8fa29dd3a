/** A lease this process holds: kept while the computation runs, used up by one Put, or given back, whatever happens. */

import { putWhole } from "./blob/whole.js";
import type { InnerCallOptions } from "./calls.js";
import * as clock from "./clock.js";
import type { Core } from "./core.js";
import { linked } from "./either.js";
import { asError, type HotplateError, isOutage } from "./error.js";
import {
  type Lease,
  LeaseOutcome,
  PutOutcome,
  type PutRequestSchema,
  type ReleaseLeaseRequestSchema,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Init } from "./init.js";
import { setOfKey } from "./near/selects.js";
import { expirationOf, type WriteOptions } from "./options.js";
import { fromWire, type Ttl, wireDuration } from "./ttl.js";

/** A lease is extended each time this part of its duration is over: two calls may fail before it is lost. */
const EXTEND_AFTER = 3;
/** Shortest time between two calls that extend a lease, in milliseconds. */
const EXTEND_INTERVAL_MIN_MS = 10;
/** Bytes of a failure's text that are remembered: the server's bound. */
const MESSAGE_BYTES_MAX = 1024;
/** A lease is given back also when the client ends now: for others that is worth the time of a call. */
const AS_LONG_AS_IT_TAKES: InnerCallOptions = { ends: null };
/** The reason of a failure that was remembered by `getOrCompute`. */
export const COMPUTE_FAILED = "COMPUTE_FAILED";

/** How a lease is given back: for the next who waits, for nobody for a while, or with a failure that those who wait get. */
export type GiveBack =
  | { readonly how: "next" }
  | { readonly how: "hold_off"; readonly ms: number }
  | { readonly how: "failure"; readonly error: HotplateError; readonly ttl: Ttl; readonly options: WriteOptions };

/**
 * A lease that is held, and extended from now on. Exactly one of {@link Held.put} and {@link Held.giveBack} ends it; giving
 * back what is used already does nothing, so that it may be done in a `finally`.
 */
export class Held {
  readonly #core: Core;
  readonly #request: { readonly namespace: string; readonly key: string; readonly token: string };
  readonly #heartbeat = new AbortController();
  #lost = false;
  #used = false;

  constructor(core: Core, namespace: string, key: string, lease: Lease) {
    this.#core = core;
    this.#request = { namespace, key, token: lease.token };
    const durationMs = fromWire(lease.duration) ?? 0;
    core.tasks.spawn(async (closing) => {
      const { signal, unlink } = linked([closing, this.#heartbeat.signal]);
      try {
        await this.#keep(durationMs, signal);
      } finally {
        unlink();
      }
    });
  }

  /**
   * Stores a value under the lease. A lease that was lost stores nothing, which is no failure: someone else is about to store
   * a newer value. When the client is closed meanwhile, that has a moment to end.
   *
   * @throws {HotplateError} What the server refused; the lease is still to be given back.
   */
  async put(request: Init<typeof PutRequestSchema>): Promise<void> {
    if (this.#lost) {
      this.#used = true;
      this.#heartbeat.abort();
      this.#core.log.debug("a lease was lost: its value is not stored");
      return;
    }
    const { core, namespace, key, token } = { core: this.#core, ...this.#request };
    const write = core.nears.of(namespace)?.write([setOfKey(key)]);
    try {
      const call = { ends: core.tasks.late };
      const attempt = await core.gate.write(() => putWhole(core, { ...request, leaseToken: token }, call), {});
      if (attempt.away === undefined) {
        write?.answered();
        // A condition that does not hold leaves the lease as it was.
        this.#used = attempt.answer.outcome !== PutOutcome.PRECONDITION_FAILED;
      }
    } finally {
      write?.end();
      if (this.#used) this.#heartbeat.abort();
    }
  }

  /** Gives the lease back without a value, unless it is used or lost. Nobody waits for that. */
  giveBack(how: GiveBack): void {
    this.#heartbeat.abort();
    if (this.#used || this.#lost) return;
    this.#used = true;
    this.#core.tasks.lastWord(() => this.#release(how));
  }

  async #release(how: GiveBack): Promise<void> {
    const { calls, log } = this.#core;
    const plain = this.#request;
    try {
      await calls.releaseLease({ ...plain, ...released(how) }, AS_LONG_AS_IT_TAKES);
      return;
    } catch (failure) {
      const error = asError(failure);
      if (isOutage(error) || how.how === "next") {
        log.warn("a lease could not be given back: it lapses", error);
        return;
      }
      log.warn("a failure could not be remembered, and is not", error);
    }
    try {
      await calls.releaseLease(plain, AS_LONG_AS_IT_TAKES);
    } catch (failure) {
      log.warn("a lease could not be given back: it lapses", asError(failure));
    }
  }

  /** Extends the lease until it is lost or ended. A server that does not answer may still hold it. */
  async #keep(durationMs: number, signal: AbortSignal): Promise<void> {
    const { calls, log } = this.#core;
    let lastsMs = durationMs;
    try {
      for (;;) {
        await clock.sleep(Math.max(EXTEND_INTERVAL_MIN_MS, lastsMs / EXTEND_AFTER), signal);
        try {
          const response = await calls.extendLease(this.#request, { signal });
          if (response.outcome !== LeaseOutcome.HELD) {
            this.#lost = true;
            return;
          }
          lastsMs = fromWire(response.lease?.duration) ?? lastsMs;
        } catch (failure) {
          const error = asError(failure);
          if (signal.aborted || !isOutage(error)) throw error;
        }
      }
    } catch (failure) {
      // To be ended is how a heartbeat ends.
      if (!signal.aborted) log.warn("a lease cannot be extended", asError(failure));
    }
  }
}

function released(how: GiveBack): Init<typeof ReleaseLeaseRequestSchema> {
  switch (how.how) {
    case "next":
      return {};
    case "hold_off":
      return { holdOff: wireDuration(how.ms) };
    case "failure": {
      const { error, ttl, options } = how;
      const expiration = expirationOf({ ttl });
      // Described as the value would have been: what drops that drops the failure.
      return {
        failure: { reason: COMPUTE_FAILED, message: shortened(error.message) },
        ...(expiration === undefined ? {} : { expiration }),
        kind: options.kind ?? "",
        tags: [...(options.tags ?? [])],
        dependsOn: [...(options.dependsOn ?? [])],
      };
    }
  }
}

/** The beginning of a text, at most {@link MESSAGE_BYTES_MAX} long and whole characters. */
export function shortened(text: string): string {
  const bytes = Buffer.from(text.toWellFormed());
  let end = Math.min(bytes.length, MESSAGE_BYTES_MAX);
  while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
