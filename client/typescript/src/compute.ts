/**
 * Computing what is missing, once, and storing it for everyone. Who waits for whom in this process lives in `flight.ts`, who
 * computes of all processes is found out in `claim.ts`.
 */
import { timeoutOf } from "./calls.js";
import { type Claiming, claim, type Right } from "./claim.js";
import * as clock from "./clock.js";
import { either, linked } from "./either.js";
import { asError, HotplateError, invalidArgument } from "./error.js";
import type { Course } from "./flight.js";
import { StalePolicy } from "./generated/hotplate/v1/cache_pb.js";
import { COMPUTE_FAILED, type GiveBack, Held } from "./lease.js";
import type { Lookup } from "./lookup.js";
import { type CacheMode, type ComputeOptions, writeRequest } from "./options.js";
import { isOutdated } from "./storing.js";
import { checkTexts } from "./text.js";
import { durationMs, durationOrZeroMs, parseTtl } from "./ttl.js";

/**
 * How long callers wait for their value to be stored, in milliseconds: then that goes on behind them. A value that found no place
 * among those being stored by then is not stored.
 */
const STORING_MS = 1_000;
/** For how long nobody tries again to renew a value when that failed, where the options do not say. */
const RENEWAL_PAUSE = "1s";

const MODES: readonly CacheMode[] = ["use", "bypass", "refresh", "only"];

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
  readonly store: (value: T, options: ComputeOptions, signal: AbortSignal) => Promise<void>;
  /** Stores a value under a lease. */
  readonly storeHeld: (held: Held, value: T, options: ComputeOptions) => Promise<void>;
  /** Reads what is there. */
  readonly read: (stale: StalePolicy) => Promise<Lookup<T>>;
  /** Told when the function of this very call ran. */
  readonly ran?: (() => void) | undefined;
}

/** How a computation ended, for all who wait: with a value, or with a failure that each of them may have a stale value for. */
export type Outcome<T> =
  | { readonly is: "value"; readonly value: T }
  | { readonly is: "failed"; readonly error: HotplateError; readonly stale: Stale<T> | undefined };

/** What a look for a stale value found, where one was made: one, or none. */
export type Stale<T> = { readonly value: T } | null;

/** Runs a function for a caller who uses no cache. */
export async function bypass<T>(computing: Computing<T>, signal: AbortSignal | undefined): Promise<T> {
  const own = linked([signal, computing.core.tasks.signal]);
  try {
    return await either(runFunction(computing, own.signal), [own.signal]);
  } finally {
    own.unlink();
  }
}

/**
 * Looks up, computes and stores, for all callers of this process who ask for the same.
 *
 * @throws {HotplateError} What the server refused, and what is remembered as absent or failed.
 */
export async function lookComputeStore<T>(computing: Computing<T>, course: Course): Promise<Outcome<T>> {
  const { options } = computing;
  const claimed =
    options.mode === "refresh" ? ({ is: "compute", right: "free" } as const) : await claim(computing, course);
  switch (claimed.is) {
    case "found":
      if (claimed.held !== null) renew(computing, claimed.held);
      return { is: "value", value: claimed.value };
    case "negative":
      throw remembered(claimed.negative.reason, claimed.negative.message);
    case "compute":
      return await computeAndStore(computing, claimed.right, course);
  }
}

async function computeAndStore<T>(first: Computing<T>, right: Right, course: Course): Promise<Outcome<T>> {
  const { core } = first;
  let computing = first;
  // When the client is closed, all who wait leave: that is told by the same signal.
  const signal = course.abandoned;
  let value: T;
  const began = { at: 0 };
  try {
    const release = await core.flights.turn(course);
    // Who began it may have left, and what its function needs may be gone with it.
    computing = (course.member as Computing<T> | undefined) ?? first;
    began.at = clock.now();
    const running = runFunction(computing, signal);
    // A function that does not heed its signal keeps its place for as long as it runs.
    const done = release ?? (() => undefined);
    running.then(done, done);
    value = await either(running, [signal]);
  } catch (failure) {
    const error = asError(failure);
    if (signal.aborted) {
      if (right instanceof Held) right.giveBack({ how: "next" });
      throw error;
    }
    return await failed(computing, right, error);
  }
  course.computed();
  if (course.mayStore) {
    const storing = core.tasks.waitFor(store(computing, right, value, clock.now() - began.at));
    await atMost(STORING_MS, storing);
  } else if (right instanceof Held) {
    right.giveBack({ how: "next" });
  }
  return { is: "value", value };
}

/** Waits for work that does not fail, but no longer than this. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
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
      const { namespace, key } = computing;
      const running = core.flights.runAlone(namespace, key, () => runFunction(computing, signal));
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

/**
 * Stores a value, if there is a right to. Best effort: its failure is logged and never the caller's. When the client is closed
 * meanwhile, that has a moment to end.
 */
async function store<T>(computing: Computing<T>, right: Right, value: T, tookMs: number): Promise<void> {
  if (right === "none") return;
  const { options, core, namespace, key } = computing;
  const write: ComputeOptions = {
    ...options,
    cost: options.cost ?? Math.max(1, Math.round(tookMs)) / 1_000,
    signal: undefined,
    timeoutMs: undefined,
  };
  const stored = { namespace, key, endsOutdated: right === "free" };
  try {
    const isStored = await core.flights.storings.run(stored, STORING_MS, core.tasks.late, async (outdated) => {
      if (right === "free") await computing.store(value, write, outdated);
      else await computing.storeHeld(right, value, write);
    });
    if (!isStored) core.log.warn("as many computed values as may are being stored: this one is not");
  } catch (failure) {
    if (isOutdated(failure)) core.log.debug("a computed value was outdated while it was stored, and is not");
    else if (!core.tasks.isOver) core.log.warn("a computed value could not be stored", asError(failure));
  } finally {
    if (right !== "free") right.giveBack({ how: "next" });
  }
}

/** What becomes of the lease when a computation failed, and what its callers get. */
async function failed<T>(computing: Computing<T>, right: Right, error: HotplateError): Promise<Outcome<T>> {
  const { options } = computing;
  const stale = mayBeStale(options) ? await staleOf(computing) : undefined;
  if (right instanceof Held) {
    right.giveBack(howToGiveBack(options, error, stale != null));
  }
  return { is: "failed", error, stale };
}

/** What one of the callers gets: a stale value in place of a failure is for who asked for that. */
export async function resultOf<T>(computing: Computing<T>, outcome: Outcome<T>): Promise<T> {
  if (outcome.is === "value") return outcome.value;
  const { core, options } = computing;
  const stale = mayBeStale(options) ? (outcome.stale ?? (await staleOf(computing))) : null;
  if (stale === null) throw outcome.error;
  core.log.warn("a computation failed and a stale value is used", outcome.error);
  return stale.value;
}

function mayBeStale(options: ComputeOptions): boolean {
  return options.staleIfError === true && options.mode !== "refresh";
}

function howToGiveBack(options: ComputeOptions, error: HotplateError, hasStale: boolean): GiveBack {
  if (!hasStale && options.rememberFailure !== undefined) {
    return { how: "failure", error, ttl: options.rememberFailure, options };
  }
  // Who would rather have the failure than the stale value tries for itself.
  if (options.holdOff === undefined) return { how: "next" };
  return { how: "hold_off", ms: durationMs("hold_off", options.holdOff) };
}

async function staleOf<T>(computing: Computing<T>): Promise<Stale<T>> {
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

/**
 * Checks what would otherwise only show when a value is stored, or a computation fails.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT`, with the field.
 */
export function checkComputeOptions(options: ComputeOptions): void {
  checkTexts(writeRequest(options));
  const { mode } = options;
  if (mode !== undefined && !MODES.includes(mode)) {
    throw invalidArgument("mode", "a mode is `use`, `bypass`, `refresh` or `only`");
  }
  timeoutOf(options, 1);
  if (options.holdOff !== undefined) durationMs("hold_off", options.holdOff);
  if (options.maxAge !== undefined) durationMs("max_age", options.maxAge);
  if (options.wait !== undefined) durationOrZeroMs("wait", options.wait);
  if (options.rememberFailure !== undefined) parseTtl(options.rememberFailure);
}
