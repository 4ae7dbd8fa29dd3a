/** When a transfer that broke is gone on with, and when it is given up. */
import type { Calls } from "../calls.js";
import * as clock from "../clock.js";
import { HotplateError } from "../error.js";
import { backoff, jittered } from "../retry.js";

/** Failures in a row, without a byte of progress between them, after which a transfer is given up. */
const FAILURES_MAX = 8;
/** Wait before the first time a stream is opened again, in milliseconds. */
const PAUSE_FIRST_MS = 50;
/** Longest wait before that, unless the server asks for more, in milliseconds. */
const PAUSE_MAX_MS = 2_000;
/** Failures at one server after which another is tried, where there is one. */
export const FAILURES_PER_SERVER = 3;
/** Reason of what arrived otherwise than it was sent. */
const DAMAGED = "CHUNK_DAMAGED";

/** How often in a row a transfer failed. */
export class Failures {
  #count = 0;

  /** How often by now. */
  get count(): number {
    return this.#count;
  }

  /** Something arrived. */
  progress(): void {
    this.#count = 0;
  }

  /** Counts a failure; the one that is too many is thrown. */
  add(error: HotplateError): void {
    this.#count += 1;
    if (this.#count > FAILURES_MAX) throw error;
  }

  /** Waits before the next try, or throws the failure when there is none. */
  async pause(calls: Calls, error: HotplateError, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted || !isInterruption(error)) throw error;
    this.add(error);
    const own = jittered(backoff(this.#count, PAUSE_FIRST_MS, PAUSE_MAX_MS));
    const pauseMs = Math.max(own, error.retryAfterMs ?? 0);
    if (pauseMs > calls.bulkMs) throw error;
    await clock.sleep(pauseMs, signal);
  }
}

/**
 * Whether a stream that ended like this may go on in another one. Nobody else has the id of an upload: what took it over was an
 * older stream of its own, delivered late.
 */
export function isInterruption(error: HotplateError): boolean {
  switch (error.kind) {
    case "UNAVAILABLE":
    case "DEADLINE_EXCEEDED":
    case "CANCELLED":
      return true;
    case "RESOURCE_EXHAUSTED":
      return error.retryAfterMs !== null;
    case "INTERNAL":
      return error.reason === DAMAGED;
    case "FAILED_PRECONDITION":
      return error.reason === "UPLOAD_TAKEN_OVER";
    default:
      return false;
  }
}

/** What arrived otherwise than it was sent. */
export function damaged(what: string): HotplateError {
  return new HotplateError("INTERNAL", what, { reason: DAMAGED });
}
