/**
 * Finding out who computes: looks a key up, takes its lease when nobody has it, or waits for who has. What is done with the
 * answer is decided in `compute.ts`, what becomes of a lease in `lease.ts`.
 */

import { withLarge } from "./blob/whole.js";
import { type InnerCallOptions, timeoutOf } from "./calls.js";
import * as clock from "./clock.js";
import type { Codec } from "./codec.js";
import type { Core } from "./core.js";
import { asError, cancelled, HotplateError } from "./error.js";
import type { Course } from "./flight.js";
import type { Attempt } from "./gate.js";
import {
  GetOutcome,
  type GetRequestSchema,
  type GetResponse,
  MissPolicy,
  StalePolicy,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Init } from "./init.js";
import { Held } from "./lease.js";
import { lookup, type Negative } from "./lookup.js";
import { type ComputeOptions, readRequest } from "./options.js";
import { jittered } from "./retry.js";
import { durationOrZeroMs, fromWire, wireDuration } from "./ttl.js";

/** When to ask again, where the server does not say, in milliseconds. */
const RETRY_AFTER_MS = 100;
/** How long a caller waits for another process, when nothing is said, in milliseconds. */
const WAIT_MS = 30_000;

/** What a caller has to do: return a value (and, with a lease, renew it), return that it is known to be absent, or compute. */
export type Claim<T> =
  | { readonly is: "found"; readonly value: T; readonly held: Held | null }
  | { readonly is: "negative"; readonly negative: Negative }
  | { readonly is: "compute"; readonly right: Right };

/**
 * The right by which a computed value is stored: a lease; `free`, as none is needed; `none`, as another process computes the
 * same, the cache did not answer, or the caller may only read.
 */
export type Right = Held | "free" | "none";

/** How one call asks: for what is there, for the lease as well, or for the value as soon as it is there within some time. */
type Ask = { readonly is: "look" } | { readonly is: "lease" } | { readonly is: "wait"; readonly ms: number };

/** A key that is claimed. */
export interface Claiming<T> {
  readonly core: Core;
  readonly namespace: string;
  readonly key: string;
  readonly codec: Codec<T>;
  readonly options: ComputeOptions;
  /** Whether answers may be kept in this process. */
  readonly near: boolean;
}

/**
 * Asks until it is known what to do, within the time the caller wants to wait. When nobody waits any more, the call under way
 * goes to its end, and the lease that it may bring is given back; no other call is made.
 *
 * @throws {HotplateError} What the server refused; with `onError: "raise"` also what kept it from answering.
 */
export async function claim<T>(claiming: Claiming<T>, course: Course): Promise<Claim<T>> {
  const { core, namespace, key, options } = claiming;
  const signal = course.abandoned;
  const waitMs = options.wait === undefined ? WAIT_MS : durationOrZeroMs("wait", options.wait);
  const endsAt = clock.now() + waitMs;
  let mayWrite = true;
  for (;;) {
    const began = clock.now();
    const ask = nextAsk(core, options, mayWrite, endsAt - began);
    const fill = claiming.near ? core.nears.of(namespace)?.ask() : undefined;
    const request = { namespace, key, ...claimRequest(options, ask) };
    let attempt: Attempt<GetResponse>;
    try {
      attempt = await sent(claiming, request, ask, course);
    } catch (failure) {
      // A lease takes the right to write. Who may only read still reads.
      if (signal.aborted || asError(failure).kind !== "PERMISSION_DENIED" || ask.is === "look") throw failure;
      mayWrite = false;
      continue;
    }
    if (attempt.away !== undefined) {
      // The call went to its end although its callers left: nothing is computed for them.
      if (signal.aborted) throw cancelled(signal);
      // What others invalidate until it is computed nobody can tell this process: it stores nothing.
      return { is: "compute", right: "none" };
    }
    const { answer } = attempt;
    const held = answer.lease === undefined ? null : new Held(core, namespace, key, answer.lease);
    if (signal.aborted) {
      held?.giveBack({ how: "next" });
      throw cancelled(signal);
    }
    if (answer.outcome === GetOutcome.PENDING) {
      if (await askAgain(answer, ask, began, endsAt, signal)) continue;
      core.log.debug("another process computes for longer than this caller waits");
      return { is: "compute", right: "none" };
    }
    const whole = await wholeOf(claiming, request, answer, held, signal);
    if (whole === null) return { is: "compute", right: held ?? "none" };
    // It was large, was replaced while it was read, and is gone now: whose turn it is to compute has to be asked.
    if (whole !== answer && whole.outcome === GetOutcome.MISS && held === null && ask.is !== "look") continue;
    fill?.offer(key, whole);
    return claimed(claiming, whole, ask, held, mayWrite);
  }
}

/**
 * One call. One that may bring a lease is not its callers': they may leave while it is on the wire, and it ends by itself, or a
 * moment after its client.
 */
async function sent<T>(
  { core, options }: Claiming<T>,
  request: Init<typeof GetRequestSchema>,
  ask: Ask,
  course: Course,
): Promise<Attempt<GetResponse>> {
  const signal = course.abandoned;
  // A wait is no time that the server takes: what counts against it is what the caller gave besides.
  const judged = { timeoutMs: options.timeoutMs };
  const timeoutMs = timeoutOf(options, core.calls.callMs);
  if (ask.is === "look") {
    const call = { timeoutMs, signal };
    return await core.gate.read(() => core.calls.get(request, call), { ...judged, signal });
  }
  const call: InnerCallOptions = {
    timeoutMs: timeoutMs + (ask.is === "wait" ? ask.ms : 0),
    ends: core.tasks.late,
    mayRepeat: () => course.isWaitedFor,
  };
  const answer = course.asking(() => core.gate.read(() => core.calls.get(request, call), judged));
  return await core.tasks.waitFor(answer);
}

/** The answer with its value, however large that is; null when the cache went away while it was read. */
async function wholeOf<T>(
  { core, options }: Claiming<T>,
  request: Init<typeof GetRequestSchema>,
  answer: GetResponse,
  held: Held | null,
  signal: AbortSignal,
): Promise<GetResponse | null> {
  if (answer.entry?.payload.case !== "large") return answer;
  const call = { timeoutMs: options.timeoutMs, signal };
  try {
    const attempt = await core.gate.read(() => withLarge(core, request, answer, call), call);
    return attempt.away === undefined ? attempt.answer : null;
  } catch (failure) {
    held?.giveBack({ how: "next" });
    throw failure;
  }
}

function nextAsk(core: Core, options: ComputeOptions, mayWrite: boolean, leftMs: number): Ask {
  if (options.perProcess === true || !mayWrite) return { is: "look" };
  if (leftMs <= 0) return { is: "lease" };
  // A longer wait is made of several calls, so that a server that froze is found out.
  return { is: "wait", ms: Math.max(1, Math.min(leftMs, options.timeoutMs ?? core.calls.callMs)) };
}

function claimRequest(options: ComputeOptions, ask: Ask): Init<typeof GetRequestSchema> {
  const stale = options.staleWhileRevalidate === true ? StalePolicy.WHILE_REVALIDATE : StalePolicy.REFUSE;
  const reading = readRequest({ maxAge: options.maxAge }, stale);
  switch (ask.is) {
    case "look":
      return reading;
    case "lease":
      return { ...reading, missPolicy: MissPolicy.LEASE };
    case "wait":
      return { ...reading, missPolicy: MissPolicy.LEASE_OR_WAIT, waitTimeout: wireDuration(ask.ms) };
  }
}

function claimed<T>(
  { core, codec }: Claiming<T>,
  response: GetResponse,
  ask: Ask,
  held: Held | null,
  mayWrite: boolean,
): Claim<T> {
  try {
    const found = lookup(codec, response);
    if (found.outcome === "hit") return { is: "found", value: found.value, held };
    if (found.outcome === "negative") {
      held?.giveBack({ how: "next" });
      return { is: "negative", negative: found };
    }
    // A lease was asked for and not given: someone else may have it, or will.
    if (ask.is !== "look") return { is: "compute", right: held ?? "none" };
  } catch (failure) {
    if (!(failure instanceof HotplateError && failure.kind === "CODEC")) {
      held?.giveBack({ how: "next" });
      throw failure;
    }
    core.log.warn("a stored value cannot be read and is computed anew", failure);
  }
  return { is: "compute", right: held ?? (mayWrite ? "free" : "none") };
}

/**
 * Pauses before the next call; `false` when the time is over. Who waited on the server asks again at once, who was sent away
 * comes back when the server said.
 */
async function askAgain(
  response: GetResponse,
  ask: Ask,
  began: number,
  endsAt: number,
  signal: AbortSignal,
): Promise<boolean> {
  const now = clock.now();
  if (ask.is !== "wait" || now >= endsAt) return false;
  if (now - began < ask.ms / 2) {
    const saidMs = fromWire(response.pending?.retryAfter) ?? RETRY_AFTER_MS;
    await clock.sleep(Math.min(endsAt - now, jittered(saidMs)), signal);
  }
  return true;
}
