/**
 * When a failed call is tried again: how often, how soon, and never more than a share of all calls. The numbers are those of
 * `client/service_config.json`, which every client shares; a test compares them.
 */
import type { HotplateError } from "./error.js";

/** Tries of one call, the first included. */
export const ATTEMPTS_MAX = 3;
/** Wait before the second try, in milliseconds. */
export const BACKOFF_FIRST_MS = 20;
/** Longest wait between tries that the client picks by itself, in milliseconds. */
export const BACKOFF_MAX_MS = 200;
/** By what each wait is longer than the one before. */
export const BACKOFF_MULTIPLIER = 2;
/** Tokens in the budget when all is well. */
export const BUDGET_TOKENS = 100;
/** Tokens a success gives back; a failure takes one. */
export const BUDGET_RATIO = 0.1;

/** Bounds what retries add to an overload: while more than one call in ten fails, the bucket drains, and below half nothing is retried. */
export class Budget {
  #tokens = BUDGET_TOKENS;

  /** Records a call that the server answered. */
  succeeded(): void {
    this.#tokens = Math.min(BUDGET_TOKENS, this.#tokens + BUDGET_RATIO);
  }

  /** Records a call that found the server away, and tells whether it may be tried again. */
  failed(): boolean {
    this.#tokens = Math.max(0, this.#tokens - 1);
    return this.#tokens > BUDGET_TOKENS / 2;
  }
}

/** Milliseconds to wait before try number `next` (2 or more), or null when the failure is final. */
export function waitBefore(next: number, attempts: number, error: HotplateError): number | null {
  if (next > attempts || error.kind !== "UNAVAILABLE" || isAnswer(error)) {
    return null;
  }
  return error.retryAfterMs ?? jittered(backoff(next - 1, BACKOFF_FIRST_MS, BACKOFF_MAX_MS));
}

/** Whether the server answered what it could: what is left is done by itself, and asking again at once changes nothing. */
export function isAnswer(error: HotplateError): boolean {
  return error.reason === "TIER_PENDING";
}

/** The full wait before retry number `retry` (1 or more): doubling from `first`, never above `max`. */
export function backoff(retry: number, first: number, max: number): number {
  return Math.min(max, first * BACKOFF_MULTIPLIER ** Math.min(Math.max(0, retry - 1), 32));
}

/** A random 80 to 120 % of a wait, so that clients that failed together do not come back together. */
export function jittered(ms: number): number {
  return ms * (0.8 + 0.4 * Math.random());
}
