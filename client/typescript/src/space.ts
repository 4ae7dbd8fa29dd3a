/** One namespace as the parts of this package see it: where its calls go, how requests are addressed, what is kept near. */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { unaryBytes } from "./blob/whole.js";
import { type CallOptions, prepared, timeoutOf } from "./calls.js";
import * as clock from "./clock.js";
import { type Codec, encodeChecked } from "./codec.js";
import type { Core } from "./core.js";
import { linked } from "./either.js";
import { asError, cancelled, HotplateError, timedOut } from "./error.js";
import { type Attempt, MESSAGE_TOO_LARGE } from "./gate.js";
import type { GetRequestSchema, PutRequestSchema } from "./generated/hotplate/v1/cache_pb.js";
import type { Init } from "./init.js";
import type { Lookup, MissReason } from "./lookup.js";
import type { Near, OwnWrite } from "./near/near.js";
import type { EntrySet } from "./near/selects.js";
import { type ReadOptions, readRequest, type WriteOptions, writeRequest } from "./options.js";
import type { OperationFacts } from "./telemetry.js";
import { checkTexts } from "./text.js";

/**
 * Bytes of the items of one message at most, as they are encoded: 3.5 MiB. A server takes 4 MiB for a whole message, where it is
 * not set otherwise.
 */
const MESSAGE_BYTES = 3_670_016;
/** Bytes at most that say, of each part of an item and of itself, what it is and how long. */
export const FRAMING_BYTES = 24;

/** What finds one entry. */
export type GetInit = Init<typeof GetRequestSchema>;
/** What stores one. */
export type PutInit = Init<typeof PutRequestSchema>;

/** An item of a batch that failed alone. */
export interface ItemFailure {
  readonly outcome: "error";
  readonly hit: false;
  readonly error: HotplateError;
}

/** The inside of a namespace. */
export class Space<T> {
  readonly core: Core;
  readonly name: string;
  readonly codec: Codec<T>;
  /** Whether reads may be answered by what this process keeps, and kept. */
  readonly readsNear: boolean;

  constructor(core: Core, name: string, codec: Codec<T>, readsNear: boolean) {
    this.core = core;
    this.name = name;
    this.codec = codec;
    this.readsNear = readsNear;
  }

  /** A Get of this namespace. */
  getRequest(key: string, options: ReadOptions): GetInit {
    return checkTexts({ namespace: this.name, key, ...readRequest(options) });
  }

  /** A Put of this namespace, without what it stores. */
  addressed(key: string, options: WriteOptions): PutInit {
    return checkTexts({ ...writeRequest(options), namespace: this.name, key, clientId: this.core.clientId });
  }

  /** A Put of a value. */
  putRequest(key: string, value: T, options: WriteOptions): PutInit {
    const bytes = encodeChecked(this.codec, value);
    return {
      ...this.addressed(key, options),
      payload: { case: "value", value: bytes },
      contentType: this.codec.contentType,
    };
  }

  /**
   * The near cache that a read may be answered by. One that is to leave no trace, or is turned off, is not. A stale value that
   * may be served is never kept, and a fresh one may be served to all.
   */
  nearFor(options: ReadOptions): Near | undefined {
    const reads =
      this.readsNear && options.peek !== true && options.withoutNearCache !== true && !this.core.gate.disabled;
    return reads ? this.core.nears.of(this.name) : undefined;
  }

  /** Notes a write of this client, before it is made. */
  ownWrite(sets: EntrySet[]): OwnWrite | undefined {
    return this.core.nears.of(this.name)?.write(sets);
  }

  /** A write: what this process keeps of it goes before, and again before the caller is answered. */
  async writing<A>(sets: EntrySet[], send: () => Promise<Attempt<A>>): Promise<Attempt<A>> {
    const write = this.ownWrite(sets);
    try {
      const attempt = await send();
      if (attempt.away === undefined) write?.answered();
      return attempt;
    } finally {
      write?.end();
    }
  }

  /**
   * Carries out a call on many entries in messages of as many as the server is known to take, when it says that it takes fewer,
   * fewer, and of at most {@link MESSAGE_BYTES}. A deadline that the caller gave is for all of them together. What one of several
   * messages fails with is its items' failure, and so is a message that is too large for the server.
   */
  async inMessages<I, R>(
    many: Messages<I, R>,
    items: readonly I[],
    options: CallOptions,
  ): Promise<(R | ItemFailure)[]> {
    const { calls, gate, tasks } = this.core;
    gate.refuse(options);
    const rest = this.#restOf(options);
    const results: (R | ItemFailure)[] = [];
    for (let at = 0; at < items.length; ) {
      const some = this.#message(many, items, at);
      try {
        results.push(...(await many.send(some, rest)));
      } catch (failure) {
        if (await calls.takesFewer(some.length, failure, options)) continue;
        const error = asError(failure);
        const isAll = some.length === items.length && error.reason !== MESSAGE_TOO_LARGE;
        if (isAll || options.signal?.aborted || tasks.isOver) throw failure;
        const away = gate.fallback(error, true);
        results.push(...some.map(() => (away === null ? itemFailure(error) : many.without(away))));
      }
      at += some.length;
    }
    return results;
  }

  /** What goes into one message: one that is too large for a call goes alone, its own way. */
  #message<I, R>(many: Messages<I, R>, items: readonly I[], from: number): readonly I[] {
    let bytes = 0;
    let to = from;
    while (to < items.length && to - from < this.core.calls.batchItems) {
      const item = items[to] as I;
      const goesAlone = this.goesAlone(many, item);
      bytes += many.bytes(item);
      if (to > from && (goesAlone || bytes > MESSAGE_BYTES)) break;
      to += 1;
      if (goesAlone) break;
    }
    return items.slice(from, to);
  }

  /** Whether an item is too large for a message of many. */
  goesAlone<I>({ bytes, valueBytes }: Sizes<I>, item: I): boolean {
    return valueBytes(item) > unaryBytes(this.core.calls) || bytes(item) > MESSAGE_BYTES;
  }

  /** The options of a call that may be of several messages, with what is left of its time. */
  #restOf(options: CallOptions): () => CallOptions {
    if (options.timeoutMs === undefined) return () => options;
    const timeoutMs = timeoutOf(options, this.core.calls.bulkMs);
    const endsAt = clock.now() + timeoutMs;
    return () => {
      const leftMs = endsAt - clock.now();
      // What is left of the last millisecond is the timer's own lateness.
      if (leftMs < 1) throw timedOut(timeoutMs);
      return { ...options, timeoutMs: leftMs };
    };
  }

  /** Work on one entry of many, which may take many steps: ended when the time that the caller gave is over. */
  async bounded<A>(options: CallOptions, work: (options: CallOptions) => Promise<A>): Promise<A> {
    const { timeoutMs } = options;
    if (timeoutMs === undefined) return await work(options);
    const late = new AbortController();
    const { signal, unlink } = linked([options.signal, late.signal]);
    const timer = setTimeout(() => late.abort(timedOut(timeoutMs)), Math.min(timeoutMs, clock.TIMER_MAX_MS));
    try {
      return await work({ ...options, signal });
    } finally {
      clearTimeout(timer);
      unlink();
    }
  }

  /** The options of a stream: it ends with its caller's signal, and with its client. To be unlinked when it has ended. */
  streaming(options: CallOptions): { readonly options: CallOptions; readonly unlink: () => void } {
    const { signal, unlink } = linked([options.signal, this.core.tasks.signal]);
    return { options: { signal, timeoutMs: options.timeoutMs }, unlink };
  }

  /**
   * Runs one operation, told to whom it concerns. What is thrown at once is thrown as a rejection. A client that is closed answers
   * nothing, not even what it kept.
   */
  told<R>(name: string, run: (facts: OperationFacts) => Promise<R>): Promise<R> {
    const facts: OperationFacts = {};
    const { tasks, telemetry } = this.core;
    return telemetry.operation(name, this.name, facts, async () => {
      if (tasks.isOver) throw cancelled(tasks.signal);
      return await run(facts);
    });
  }
}

/** How large the items of a message are. */
export interface Sizes<I> {
  /** Bytes of an item in its message, or a few more. */
  readonly bytes: (item: I) => number;
  /** Bytes of the value that it sends. */
  readonly valueBytes: (item: I) => number;
}

/** How a call on many entries is carried out. */
export interface Messages<I, R> extends Sizes<I> {
  /** Carries out one message, with what is left of the caller's time; answers as many results. */
  readonly send: (some: readonly I[], rest: () => CallOptions) => Promise<(R | ItemFailure)[]>;
  /** The result of an item without the cache. */
  readonly without: (away: MissReason) => R;
}

/** Bytes of a message as it is sent. */
export function encodedBytes<S extends DescMessage>(schema: S, message: MessageInitShape<S>): number {
  return prepared(() => toBinary(schema, create(schema, message)).length);
}

/** Tells what a read found. */
export function noteFound(facts: OperationFacts, found: Lookup<unknown>): void {
  facts.result = found.hit && found.stale ? "stale" : found.outcome;
  if (found.outcome !== "miss") facts.near = found.near;
  if (found.hit) facts.tier = found.tier;
}

/** Tells what came of many: how many of each. */
export function noteMany(facts: OperationFacts, all: readonly { readonly outcome: string }[]): void {
  const [first] = all;
  // One name for all of them, so that what counts results counts few.
  facts.result = all.every(({ outcome }) => outcome === first?.outcome) ? (first?.outcome ?? "ok") : "mixed";
  facts.nearHits = all.filter((one) => "near" in one && one.near === true).length;
}

/** A failure of one item. */
export function itemFailure(error: HotplateError): ItemFailure {
  return { outcome: "error", hit: false, error };
}

/** What a server that answers nothing for one item of a batch did. */
export function unanswered(): HotplateError {
  return new HotplateError("INTERNAL", "the server answered nothing for an item of a batch");
}

/** Checks that a batch was answered item by item. */
export function sameLength(answers: number, items: number): void {
  if (answers !== items) {
    throw new HotplateError("INTERNAL", `the server answered ${answers} of ${items} items of a batch`);
  }
}
