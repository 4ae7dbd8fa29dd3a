/**
 * Finding out who computes: looks a key up, takes its lease when nobody has it, or waits for who has. What is done with the
 * answer is decided in `compute.ts`, what becomes of a lease in `lease.ts`.
 */

import { getWhole } from "./blob/whole.js";
import * as clock from "./clock.js";
import type { Codec } from "./codec.js";
import type { Core } from "./core.js";
import { either } from "./either.js";
import { asError, HotplateError } from "./error.js";
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
/** How long a client that is closed waits for an answer that may bring a lease, in milliseconds. */
const CLOSING_MS = 200;
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
 * Asks until it is known what to do, within the time the caller wants to wait. When the signal is aborted, the call under way
 * is given up: the server takes back a lease that nobody heard of when its time is over.
 *
 * @throws {HotplateError} What the server refused; with `onError: "raise"` also what kept it from answering.
 */
export async function claim<T>(claiming: Claiming<T>, signal: AbortSignal): Promise<Claim<T>> {
  const { core, namespace, key, options } = claiming;
  const waitMs = options.wait === undefined ? WAIT_MS : durationOrZeroMs("wait", options.wait);
  const endsAt = clock.now() + waitMs;
  let mayWrite = true;
  for (;;) {
    const began = clock.now();
    const ask = nextAsk(core, options, mayWrite, endsAt - began);
    const call = { timeoutMs: (options.timeoutMs ?? core.calls.callMs) + (ask.is === "wait" ? ask.ms : 0), signal };
    const fill = claiming.near ? core.nears.of(namespace)?.ask() : undefined;
    const request = { namespace, key, ...claimRequest(options, ask) };
    let response: GetResponse;
    try {
      const attempt = await core.gate.read(() => askToItsEnd(claiming, request, call), call);
      // What others invalidate until it is computed nobody can tell this process: it stores nothing.
      if (attempt.away !== undefined) return { is: "compute", right: "none" };
      response = attempt.answer;
    } catch (failure) {
      // A lease takes the right to write. Who may only read still reads.
      if (asError(failure).kind !== "PERMISSION_DENIED" || ask.is === "look") throw failure;
      mayWrite = false;
      continue;
    }
    if (response.outcome !== GetOutcome.PENDING) {
      fill?.offer(key, response);
      return claimed(claiming, response, mayWrite);
    }
    if (!(await askAgain(response, ask, began, endsAt, signal))) {
      core.log.debug("another process computes for longer than this caller waits");
      return { is: "compute", right: "none" };
    }
  }
}

/**
 * A Get that may be answered with a lease. Who gives up while the answer is on its way would leave the lease to nobody until it
 * lapses: so the call goes on to its end behind their back, and what it brings is given back at once.
 */
async function askToItsEnd<T>(
  { core, namespace, key }: Claiming<T>,
  request: Init<typeof GetRequestSchema>,
  call: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<GetResponse> {
  const stop = new AbortController();
  const answer = getWhole(core, request, { timeoutMs: call.timeoutMs, signal: stop.signal });
  try {
    return await either(answer, [call.signal]);
  } catch (failure) {
    if (call.signal.aborted) {
      core.tasks.lastWord(async () => {
        // A client that is closed waits for what is on its way, and not for other processes.
        const ended = () => setTimeout(() => stop.abort(), CLOSING_MS);
        core.tasks.signal.addEventListener("abort", ended, { once: true });
        const timer = core.tasks.isOver ? ended() : undefined;
        try {
          const { lease } = await answer;
          if (lease !== undefined) new Held(core, namespace, key, lease).giveBack({ how: "next" });
        } catch (lost) {
          core.log.debug("a call that nobody waited for brought nothing", asError(lost));
        } finally {
          clearTimeout(timer);
          core.tasks.signal.removeEventListener("abort", ended);
        }
      });
    }
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

function claimed<T>(claiming: Claiming<T>, response: GetResponse, mayWrite: boolean): Claim<T> {
  const { core, namespace, key, codec } = claiming;
  const held = response.lease === undefined ? null : new Held(core, namespace, key, response.lease);
  try {
    const found = lookup(codec, response);
    if (found.outcome === "hit") return { is: "found", value: found.value, held };
    if (found.outcome === "negative") {
      held?.giveBack({ how: "next" });
      return { is: "negative", negative: found };
    }
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
