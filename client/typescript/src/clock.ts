/**
 * The one place that reads the time and sleeps. Monotonic milliseconds, and milliseconds that also count while the machine
 * sleeps.
 */
import { setTimeout as delay } from "node:timers/promises";
import { cancelled } from "./error.js";

/** The longest time that a timer of Node takes, in milliseconds: about 24 days. */
export const TIMER_MAX_MS = 2 ** 31 - 1;
/** A difference between the two clocks that is no more than their slewing. */
const SKEW_MS = 500;

/** Monotonic milliseconds, which stand still while the machine sleeps. */
export function now(): number {
  return performance.now();
}

let sleptMs = 0;
let offset = Date.now() - performance.now();

/**
 * Monotonic milliseconds that count the machine's sleep: what was known before a sleep is old after it. Node reads no such
 * clock, so a wall clock that ran ahead counts as sleep; one that was set ahead by hand makes things look older than they
 * are, which is the safe side.
 */
export function sinceBoot(): number {
  const monotonic = performance.now();
  const skew = Date.now() - monotonic - offset;
  if (skew > SKEW_MS || skew < -SKEW_MS) {
    offset += skew;
    sleptMs += Math.max(0, skew);
  }
  return monotonic + sleptMs;
}

/**
 * Waits. With `idle`, the wait alone does not keep the process alive.
 *
 * @throws {HotplateError} `CANCELLED` when the signal is aborted first.
 */
export async function sleep(ms: number, signal?: AbortSignal, idle = false): Promise<void> {
  if (signal?.aborted) {
    throw cancelled(signal);
  }
  try {
    const how = { ref: !idle, ...(signal === undefined ? {} : { signal }) };
    await delay(Math.min(Math.max(0, ms), TIMER_MAX_MS), undefined, how);
  } catch (failure) {
    throw signal?.aborted ? cancelled(signal) : failure;
  }
}
