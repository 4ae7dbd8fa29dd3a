/** One namespace as the parts of this package see it: where its calls go, how requests are addressed, what is kept near. */
import type { CallOptions } from "./calls.js";
import { type Codec, encodeChecked } from "./codec.js";
import type { Core } from "./core.js";
import { HotplateError } from "./error.js";
import type { Attempt } from "./gate.js";
import type { GetRequestSchema, PutRequestSchema } from "./generated/hotplate/v1/cache_pb.js";
import type { Init } from "./init.js";
import type { Lookup } from "./lookup.js";
import type { Near, OwnWrite } from "./near/near.js";
import type { EntrySet } from "./near/selects.js";
import { type ReadOptions, readRequest, type WriteOptions, writeRequest } from "./options.js";
import type { OperationFacts } from "./telemetry.js";

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
    return { namespace: this.name, key, ...readRequest(options) };
  }

  /** A Put of this namespace, without what it stores. */
  addressed(key: string, options: WriteOptions): PutInit {
    return { ...writeRequest(options), namespace: this.name, key, clientId: this.core.clientId };
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

  /** Batches of as many as the server is known to take; when it says that it takes fewer, fewer. */
  async inBatches<I>(
    items: readonly I[],
    options: CallOptions,
    send: (some: readonly I[]) => Promise<void>,
  ): Promise<void> {
    const { calls } = this.core;
    for (let at = 0; at < items.length; ) {
      const some = items.slice(at, at + calls.batchItems);
      try {
        await send(some);
      } catch (failure) {
        if (await calls.takesFewer(some.length, failure, options)) continue;
        throw failure;
      }
      at += some.length;
    }
  }

  /** The options of a stream: it ends with its caller's signal, and with its client. */
  streaming(options: CallOptions): CallOptions {
    const closing = this.core.tasks.signal;
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing]);
    return { signal, timeoutMs: options.timeoutMs };
  }

  /** Runs one operation, told to whom it concerns. What is thrown at once is thrown as a rejection. */
  told<R>(name: string, run: (facts: OperationFacts) => Promise<R>): Promise<R> {
    const facts: OperationFacts = {};
    return this.core.telemetry.operation(name, this.name, facts, async () => await run(facts));
  }
}

/** Tells what a read found. */
export function noteFound(facts: OperationFacts, found: Lookup<unknown>): void {
  facts.result = found.hit && found.stale ? "stale" : found.outcome;
  if (found.outcome !== "miss") facts.near = found.near;
  if (found.hit) facts.tier = found.tier;
}

/** A failure of one item. */
export function itemFailure(error: HotplateError): ItemFailure {
  return { outcome: "error", hit: false, error };
}

/** Checks that a batch was answered item by item. */
export function sameLength(answers: number, items: number): void {
  if (answers !== items) {
    throw new HotplateError("INTERNAL", `the server answered ${answers} of ${items} items of a batch`);
  }
}
