/**
 * Computing what is missing, once, and storing it for everyone. Who waits for whom in this process lives in `flight.ts`, who
 * computes of all processes is found out in `claim.ts`.
 */
import { type Claiming, claim, type Right } from "./claim.js";
import * as clock from "./clock.js";
import { either } from "./either.js";
import { asError, HotplateError } from "./error.js";
import type { Course } from "./flight.js";
import { StalePolicy } from "./generated/hotplate/v1/cache_pb.js";
import { COMPUTE_FAILED, type GiveBack, Held } from "./lease.js";
import type { Lookup } from "./lookup.js";
import type { ComputeOptions } from "./options.js";
import { durationMs } from "./ttl.js";

/** For how long nobody tries again to renew a value when that failed, where the options do not say. */
const RENEWAL_PAUSE = "1s";

/** What a computation is given. */
export interface Computation {
  /** Aborted when nobody waits any more, or the client is closed: what is computed then is for nobody. */
  readonly signal: AbortSignal;
}

/** A function that computes a value. */
export type Compute<T> = (computation: Computation) => T | Promise<T>;

/** What a computation needs of its namespace. */
export interface Computing<T> extends Claiming<T> {
  readonly compute: Compute<T>;
  /** Stores a value without a lease. */
  readonly store: (value: T, options: ComputeOptions) => Promise<void>;
  /** Stores a value under a lease. */
  readonly storeHeld: (held: Held, value: T, options: ComputeOptions) => Promise<void>;
  /** Reads what is there. */
  readonly read: (stale: StalePolicy) => Promise<Lookup<T>>;
  /** Told when the function of this very call ran. */
  readonly ran?: (() => void) | undefined;
}

/** Runs a function for a caller who uses no cache. */
export async function bypass<T>(computing: Computing<T>, signal: AbortSignal | undefined): Promise<T> {
  const never = signal ?? new AbortController().signal;
  return await either(runFunction(computing, never), [signal]);
}

/**
 * Looks up, computes and stores, for all callers of this process who ask for the same.
 *
 * @throws {HotplateError} `COMPUTE` with the computation's own message; what the server refused.
 */
export async function lookComputeStore<T>(computing: Computing<T>, course: Course): Promise<T> {
  const { options } = computing;
  // When the client is closed, all who wait leave: that is told by the same signal.
  const signal = course.abandoned;
  const claimed =
    options.mode === "refresh" ? ({ is: "compute", right: "free" } as const) : await claim(computing, signal);
  switch (claimed.is) {
    case "found":
      if (claimed.held !== null) renew(computing, claimed.held);
      return claimed.value;
    case "negative":
      throw remembered(claimed.negative.reason, claimed.negative.message);
    case "compute":
      return await computeAndStore(computing, claimed.right, course, signal);
  }
}

async function computeAndStore<T>(
  computing: Computing<T>,
  right: Right,
  course: Course,
  signal: AbortSignal,
): Promise<T> {
  const { core } = computing;
  let value: T;
  const began = { at: 0 };
  try {
    const release = await core.flights.turn(course);
    began.at = clock.now();
    const running = runFunction(computing, signal);
    // A function that does not heed its signal keeps its place for as long as it runs.
    running.then(release ?? undefined, release ?? undefined);
    value = await either(running, [signal]);
  } catch (failure) {
    const error = asError(failure);
    if (signal.aborted) {
      if (right instanceof Held) right.giveBack({ how: "next" });
      throw error;
    }
    return await fallBack(computing, right, error);
  }
  course.computed();
  if (course.mayStore) {
    await store(computing, right, value, clock.now() - began.at);
  } else if (right instanceof Held) {
    right.giveBack({ how: "next" });
  }
  return value;
}

/**
 * Computes the next value behind the current one, in a task of its own. When as many computations run as may, the lease goes
 * to someone else.
 */
function renew<T>(computing: Computing<T>, held: Held): void {
  const { core, options } = computing;
  const release = core.flights.slot();
  if (release === null || core.tasks.isOver) {
    release?.();
    held.giveBack({ how: "next" });
    return;
  }
  core.tasks.spawn(async (signal) => {
    try {
      const began = clock.now();
      const running = core.flights.runAlone(() => runFunction(computing, signal));
      running.then(release, release);
      const value = await either(running, [signal]);
      await store(computing, held, value, clock.now() - began);
    } catch (failure) {
      if (signal.aborted) {
        held.giveBack({ how: "next" });
        return;
      }
      const error = asError(failure);
      core.log.warn("a value could not be renewed and is used while it may be", error);
      // A failure beside a value that may still be used: the server keeps both, and lets nobody try again for a while.
      const ttl = options.rememberFailure ?? options.holdOff ?? RENEWAL_PAUSE;
      held.giveBack({ how: "failure", error, ttl, options });
    }
  });
}

/** Stores a value, if there is a right to. Best effort: its failure is logged and never the caller's. */
async function store<T>(computing: Computing<T>, right: Right, value: T, tookMs: number): Promise<void> {
  if (right === "none") return;
  const { options } = computing;
  const write: ComputeOptions = {
    ...options,
    cost: options.cost ?? Math.max(1, Math.round(tookMs)) / 1_000,
    signal: undefined,
    timeoutMs: undefined,
  };
  try {
    if (right === "free") await computing.store(value, write);
    else await computing.storeHeld(right, value, write);
  } catch (failure) {
    computing.core.log.warn("a computed value could not be stored", asError(failure));
  } finally {
    if (right !== "free") right.giveBack({ how: "next" });
  }
}

/** What the caller gets whose computation failed, and what becomes of the lease. */
async function fallBack<T>(computing: Computing<T>, right: Right, error: HotplateError): Promise<T> {
  const { core, options } = computing;
  const stale = options.staleIfError === true && options.mode !== "refresh" ? await staleOf(computing) : null;
  if (right instanceof Held) {
    right.giveBack(howToGiveBack(options, error, stale !== null));
  }
  if (stale === null) throw error;
  core.log.warn("a computation failed and a stale value is used", error);
  return stale.value;
}

function howToGiveBack(options: ComputeOptions, error: HotplateError, hasStale: boolean): GiveBack {
  if (!hasStale && options.rememberFailure !== undefined) {
    return { how: "failure", error, ttl: options.rememberFailure, options };
  }
  // Who would rather have the failure than the stale value tries for itself.
  if (options.holdOff === undefined) return { how: "next" };
  return { how: "hold_off", ms: durationMs("hold_off", options.holdOff) };
}

async function staleOf<T>(computing: Computing<T>): Promise<{ value: T } | null> {
  try {
    const found = await computing.read(StalePolicy.IF_ERROR);
    return found.hit ? { value: found.value } : null;
  } catch (failure) {
    const unknown = "a computation failed and whether there is a stale value is not known";
    computing.core.log.warn(unknown, asError(failure));
    return null;
  }
}

async function runFunction<T>(computing: Computing<T>, signal: AbortSignal): Promise<T> {
  computing.ran?.();
  try {
    return await computing.compute({ signal });
  } catch (cause) {
    // An error of this client that passes through keeps what it says, as the cause.
    const message = cause instanceof Error ? cause.message : "the computation threw something that is no error";
    throw new HotplateError("COMPUTE", message, { cause });
  }
}

/** A failure or absence that was remembered. */
export function remembered(reason: string, message: string): HotplateError {
  return reason === COMPUTE_FAILED
    ? new HotplateError("COMPUTE", message, { reason })
    : new HotplateError("NOT_FOUND", `remembered as absent: ${message}`, { reason });
}

/** Checks what would otherwise only show when a computation fails. */
export function checkComputeOptions(options: ComputeOptions): void {
  if (options.holdOff !== undefined) durationMs("hold_off", options.holdOff);
  if (options.maxAge !== undefined) durationMs("max_age", options.maxAge);
}
