/**
 * Typed access to one namespace. Computing what is missing lives in `compute.ts`, wrapped functions in `cached.ts`, following
 * changes in `watch.ts`, streams in `blob/`.
 */

import { ValueReader } from "./blob/read.js";
import { ValueWriter } from "./blob/sink.js";
import { ReadStream, WriteStream } from "./blob/streams.js";
import { getWhole, putWhole } from "./blob/whole.js";
import { type CachedFunction, type CachedOptions, cachedFunction, invalidatingFunction } from "./cached.js";
import type { CallOptions } from "./calls.js";
import { sinceBoot } from "./clock.js";
import { type Codec, encodeChecked } from "./codec.js";
import { bypass, type Compute, type Computing, checkComputeOptions, lookComputeStore, remembered } from "./compute.js";
import { type Core, replay } from "./core.js";
import { asError, errorOfItem, HotplateError } from "./error.js";
import type { Attempt } from "./gate.js";
import {
  EntryView,
  type ExplainKeyResponse,
  GetOutcome,
  type GetRequestSchema,
  InvalidateMode,
  type InvalidateRequestSchema,
  type InvalidateResponse,
  type PutRequestSchema,
  type PutResponse,
  type StalePolicy,
  type StatsResponse,
  TouchOutcome,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Entry } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import { type KeyInput, keyText } from "./key.js";
import type { Held } from "./lease.js";
import {
  type Invalidated,
  type Lookup,
  lookup,
  type MissReason,
  miss,
  type Refreshing,
  type Written,
  writtenOf,
} from "./lookup.js";
import type { Near, OwnWrite } from "./near/near.js";
import type { NearStats } from "./near/options.js";
import { type EntrySet, setOf, setOfKey } from "./near/selects.js";
import {
  type ComputeOptions,
  expirationOf,
  type ReadOptions,
  readRequest,
  type WriteOptions,
  writeRequest,
} from "./options.js";
import { Preload, type PreloadItem, type PreloadOptions, preloadRequest } from "./preload.js";
import { type SelectInput, wireSelectors } from "./selector.js";
import type { OperationFacts } from "./telemetry.js";
import { type DurationInput, durationMs, fromWire, type Ttl, wireDuration } from "./ttl.js";
import { Watch, type WatchOptions } from "./watch.js";

/** An item of a batch that failed alone. */
export interface ItemFailure {
  readonly outcome: "error";
  readonly hit: false;
  readonly error: HotplateError;
}

/** How entries are marked stale. */
export interface MarkStaleOptions extends CallOptions {
  /** At most 1 h: each entry becomes stale at a moment of its own within it, so that not everything is computed anew at once. */
  readonly spreadOver?: DurationInput | undefined;
}

/** Where a refresh fetches from. */
export interface RefreshOptions extends CallOptions {
  /** Origin of the namespace. Without: its only one. */
  readonly origin?: string | undefined;
  /** Values for the origin's template, the same for every entry. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

/** How a namespace's entries are listed. */
export interface ScanOptions extends CallOptions {
  /** Only what one of these selects. Without: all. */
  readonly selectors?: SelectInput | undefined;
  /** Entries asked for at once; the server caps it. */
  readonly pageSize?: number | undefined;
}

type GetInit = Init<typeof GetRequestSchema>;
type PutInit = Init<typeof PutRequestSchema>;
type InvalidateInit = Init<typeof InvalidateRequestSchema>;

/**
 * One namespace with the codec its values are written with. Cheap: make as many as you like.
 *
 * Unless the client was set up with `onError: "raise"`, a cache that is away is a miss and a dropped write, not an error: what
 * is thrown is a fault of the request, of the set-up, or a value of another kind. Every call takes a `signal`; a caller that
 * gives up gets kind `CANCELLED`.
 */
export class Namespace<T = unknown> {
  /** Its name. */
  readonly name: string;
  /** How its values are written. */
  readonly codec: Codec<T>;
  readonly #core: Core;
  readonly #readsNear: boolean;

  /** @internal */
  constructor(core: Core, name: string, codec: Codec<T>, readsNear = true) {
    this.#core = core;
    this.name = name;
    this.codec = codec;
    this.#readsNear = readsNear;
  }

  /** The same namespace with another codec. */
  withCodec<U>(codec: Codec<U>): Namespace<U> {
    return new Namespace(this.#core, this.name, codec, this.#readsNear);
  }

  /**
   * The same namespace, read from the server every time, and without keeping anything. What is written through it still drops
   * what is kept.
   */
  withoutNearCache(): Namespace<T> {
    return new Namespace(this.#core, this.name, this.codec, false);
  }

  /** Finds a value. */
  get(key: KeyInput, options: ReadOptions = {}): Promise<Lookup<T>> {
    return this.#told("get", (facts) => this.#get(keyText(key), options, false, facts));
  }

  /**
   * Finds a value and shares it: with a near cache, all who ask for it by the same codec get the same object, read once. A hit
   * there is a look-up in a map: nothing is sent, read or copied. Do not change what it answers.
   */
  getShared(key: KeyInput, options: ReadOptions = {}): Promise<Lookup<Readonly<T>>> {
    return this.#told("get", (facts) => this.#get(keyText(key), options, true, facts));
  }

  /** The value of a key, or else `fallback`: short for {@link Namespace.get} where why it is missing does not matter. */
  async getValue(key: KeyInput, options?: ReadOptions): Promise<T | undefined>;
  async getValue<D>(key: KeyInput, options: ReadOptions, fallback: D): Promise<T | D>;
  async getValue<D>(key: KeyInput, options: ReadOptions = {}, fallback?: D): Promise<T | D | undefined> {
    const found = await this.get(key, options);
    return found.hit ? found.value : fallback;
  }

  async #get(key: string, options: ReadOptions, share: boolean, facts: OperationFacts): Promise<Lookup<T>> {
    const near = this.#nearFor(options);
    const maxAgeMs = options.maxAge === undefined ? undefined : durationMs("max_age", options.maxAge);
    const kept = near?.hit(key, maxAgeMs);
    const found =
      kept === undefined
        ? await this.#lookUp(key, this.#getRequest(key, options), options, near)
        : kept.lookup(this.codec, sinceBoot(), share);
    noteFound(facts, found);
    return found;
  }

  /** Asks the server. */
  async #lookUp(key: string, request: GetInit, options: CallOptions, near: Near | undefined): Promise<Lookup<T>> {
    const fill = near?.ask();
    const attempt = await this.#core.gate.read(() => getWhole(this.#core, request, options), options);
    if (attempt.away !== undefined) return miss(attempt.away);
    fill?.offer(key, attempt.answer);
    return lookup(this.codec, attempt.answer);
  }

  /** Finds several values; the answers come in the order of the keys, each on its own. */
  getMany(keys: Iterable<KeyInput>, options: ReadOptions = {}): Promise<(Lookup<T> | ItemFailure)[]> {
    return this.#told("get_many", async () => {
      const near = this.#nearFor(options);
      const maxAgeMs = options.maxAge === undefined ? undefined : durationMs("max_age", options.maxAge);
      const texts = Array.from(keys, keyText);
      const found = new Array<Lookup<T> | ItemFailure>(texts.length);
      const missing: number[] = [];
      texts.forEach((key, index) => {
        const kept = near?.hit(key, maxAgeMs);
        if (kept === undefined) missing.push(index);
        else found[index] = itemOf(() => kept.lookup(this.codec, sinceBoot(), false));
      });
      await this.#inBatches(missing, options, async (some) => {
        const asked = some.map((index) => texts[index] as string);
        const answers = await this.#getBatch(asked, options, near);
        some.forEach((index, at) => {
          found[index] = answers[at] as Lookup<T> | ItemFailure;
        });
      });
      return found;
    });
  }

  async #getBatch(
    keys: readonly string[],
    options: ReadOptions,
    near: Near | undefined,
  ): Promise<(Lookup<T> | ItemFailure)[]> {
    const request = { namespace: this.name, items: keys.map((key) => ({ ...readRequest(options), key })) };
    const fill = near?.ask();
    const attempt = await this.#core.gate.read(() => this.#core.calls.batchGet(request, options), options);
    if (attempt.away !== undefined) return keys.map(() => miss(attempt.away as MissReason));
    const { results } = attempt.answer;
    sameLength(results.length, keys.length);
    return await Promise.all(
      keys.map(async (key, index) => {
        const result = results[index]?.result;
        if (result?.case === "error") return failed(errorOfItem(result.value));
        if (result?.case === "response" && result.value.entry?.payload.case !== "large") {
          fill?.offer(key, result.value);
          return itemOf(() => lookup(this.codec, result.value));
        }
        // Too large for the answer of a batch: asked for alone.
        try {
          return await this.#lookUp(key, this.#getRequest(key, options), options, near);
        } catch (failure) {
          if (options.signal?.aborted) throw failure;
          return failed(asError(failure));
        }
      }),
    );
  }

  /** Stores a value. */
  put(key: KeyInput, value: T, options: WriteOptions = {}): Promise<Written> {
    return this.#told("put", (facts) => this.#send(this.#putRequest(keyText(key), value, options), options, facts));
  }

  /**
   * Remembers that there is none, or that computing it failed: `reason` is a short name for programs in UPPER_SNAKE_CASE,
   * `message` a sentence for people.
   */
  putNegative(key: KeyInput, reason: string, message: string, options: WriteOptions = {}): Promise<Written> {
    return this.#told("put", (facts) => {
      const payload = { case: "negative" as const, value: { reason, message } };
      return this.#send({ ...this.#addressed(keyText(key), options), payload }, options, facts);
    });
  }

  /** Stores several values with the same options; the answers come in order, each on its own. */
  putMany(items: Iterable<readonly [KeyInput, T]>, options: WriteOptions = {}): Promise<(Written | ItemFailure)[]> {
    return this.#told("put_many", async () => {
      const requests = Array.from(items, ([key, value]) => this.#putRequest(keyText(key), value, options));
      const written: (Written | ItemFailure)[] = [];
      await this.#inBatches(requests, options, async (some) => {
        written.push(...(await this.#putBatch(some, options)));
      });
      return written;
    });
  }

  async #putBatch(items: readonly PutInit[], options: CallOptions): Promise<(Written | ItemFailure)[]> {
    const request = { namespace: this.name, items: [...items] };
    const attempt = await this.#writing(
      items.map((item) => setOfKey(item.key ?? "")),
      () => this.#core.gate.write(() => this.#core.calls.batchPut(request, options), options),
    );
    for (const item of items) this.#core.flights.outdateKey(this.name, item.key ?? "");
    if (attempt.away !== undefined) {
      const reason = attempt.away;
      return items.map(() => ({ outcome: "dropped", reason }));
    }
    const { results } = attempt.answer;
    sameLength(results.length, items.length);
    return results.map(({ result }) => {
      if (result.case === "error") return failed(errorOfItem(result.value));
      return result.case === "response" ? writtenOf(result.value) : { outcome: "dropped", reason: "other" };
    });
  }

  /** Gives an entry this lifetime from now on. `false` when there is no such entry, or the cache is away. */
  touch(key: KeyInput, ttl: Ttl, options: CallOptions = {}): Promise<boolean> {
    return this.#told("touch", async () => {
      const text = keyText(key);
      const expiration = expirationOf({ ttl });
      const request = { namespace: this.name, key: text, ...(expiration === undefined ? {} : { expiration }) };
      const attempt = await this.#writing([setOfKey(text)], () =>
        this.#core.gate.write(() => this.#core.calls.touch(request, options), options),
      );
      if (attempt.away !== undefined) return false;
      const { outcome } = attempt.answer;
      return outcome === TouchOutcome.TOUCHED || outcome === TouchOutcome.UNCHANGED;
    });
  }

  /** Whether there is a fresh entry. Does not count as a use of it. `false` when the cache is away. */
  async exists(key: KeyInput, options: CallOptions = {}): Promise<boolean> {
    return (await this.ttlMs(key, options)) !== null;
  }

  /**
   * Milliseconds for which an entry stays fresh; null when there is none, or the cache is away. Does not count as a use.
   */
  ttlMs(key: KeyInput, options: CallOptions = {}): Promise<number | null> {
    return this.#told("ttl", async () => {
      const request = { ...this.#getRequest(keyText(key), { peek: true }), view: EntryView.METADATA };
      const attempt = await this.#core.gate.read(() => this.#core.calls.get(request, options), options);
      if (attempt.away !== undefined) return null;
      const { outcome, entry } = attempt.answer;
      const found = outcome === GetOutcome.HIT || outcome === GetOutcome.NEGATIVE;
      return found && entry?.metadata !== undefined ? (fromWire(entry.metadata.freshFor) ?? 0) : null;
    });
  }

  /** Drops one entry. */
  remove(key: KeyInput, options: CallOptions = {}): Promise<Invalidated> {
    return this.invalidate({ key }, options);
  }

  /**
   * Drops what any of 1 to 128 selectors selects: `{ tags: ["model:abc"], prefixes: ["report:"] }`, `select.tag("model:abc")`
   * or several of those. Computations under way in this process that began before are not stored.
   *
   * @throws {HotplateError} What the server refused; `RESOURCE_EXHAUSTED` with reason `JOURNAL_FULL` when the cache is away and
   *   no more can be remembered.
   */
  invalidate(selection: SelectInput, options: CallOptions = {}): Promise<Invalidated> {
    return this.#told("invalidate", async () => invalidated(await this.#change(selection, {}, options)));
  }

  /**
   * Marks stale what is selected: it is served to who accepts stale values, within its `staleFor`, and what has none is
   * dropped. When the cache is away it is remembered, and dropped later.
   */
  markStale(selection: SelectInput, options: MarkStaleOptions = {}): Promise<Invalidated> {
    return this.#told("mark_stale", async () => {
      const { spreadOver } = options;
      const how = {
        mode: InvalidateMode.MARK_STALE,
        ...(spreadOver === undefined ? {} : { spreadOver: wireDuration(durationMs("spread_over", spreadOver)) }),
      };
      return invalidated(await this.#change(selection, how, options));
    });
  }

  /**
   * Marks stale what is selected, and has the server fetch it anew from an origin of the namespace. Until that is done the old
   * values are stale. What was made from what is selected is marked stale only. The answer names the job:
   * {@link Namespace.joinPreload} follows it. When the cache is away it is remembered, and dropped later.
   */
  refresh(selection: SelectInput, options: RefreshOptions = {}): Promise<Refreshing> {
    return this.#told("refresh", async () => {
      const refresh = { origin: options.origin ?? "", parameters: { ...options.parameters } };
      const done = await this.#change(selection, { mode: InvalidateMode.REFRESH, refresh }, options);
      if (typeof done === "string") return { outcome: done };
      return {
        outcome: "started",
        matched: Number(done.matchedCount),
        refreshing: Number(done.refreshingCount),
        job: done.refreshJobId,
      };
    });
  }

  async #change(
    selection: SelectInput,
    how: InvalidateInit,
    options: CallOptions,
  ): Promise<InvalidateResponse | "queued" | "disabled"> {
    const core = this.#core;
    const selectors = wireSelectors(selection);
    const request = { ...how, namespace: this.name, selectors, clientId: core.clientId };
    core.flights.outdate(this.name);
    if (core.gate.disabled) return "disabled";
    // What was made from what is named goes as well, and this client is not told of what it does itself.
    const write = this.#ownWrite([...selectors.map(setOf), { is: "dependents" }]);
    try {
      const response = await core.gate.invalidate(core.calls, request, options);
      if (response === null) {
        replay(core);
        return "queued";
      }
      write?.answered();
      // What was looked up between the first time and the answer may still be what was dropped.
      core.flights.outdate(this.name);
      return response;
    } finally {
      write?.end();
    }
  }

  /**
   * Answers the stored value, or computes and stores it.
   *
   * - However many callers of this process ask for a key at once, it is looked up once; they share one object. Of all processes
   *   that miss it at once, one gets the key's lease and computes; the others wait for its value on the server, at most `wait`,
   *   and then compute for themselves, which is not stored.
   * - A caller that gives up does not stop the computation for the others; when the last one does, its signal is aborted and
   *   the lease given back. The lease is extended meanwhile: a function that blocks the event loop for longer than the lease
   *   lasts loses it.
   * - A failure of the computation is thrown to all of this process who wait, with kind `COMPUTE` and what was thrown as
   *   `cause`. The lease is given back, so that one of the other processes tries at once, unless `rememberFailure` or
   *   `holdOff` say otherwise.
   * - With `staleWhileRevalidate`, and for a value that is to be renewed ahead of its end, the caller gets what is there, and
   *   the next value is computed behind it. With `staleIfError`, a stale value is answered in place of a failure.
   * - Storing is best effort: its failure is logged and never the caller's. A lease that was lost stores nothing, and the
   *   caller still gets its value. A cache that is away costs one computation in each process, which is not stored.
   * - Who asks after a write or an invalidation of this client was answered joins nothing that began before it.
   * - A computation may ask for others. What asks for itself, directly or over others, is an error at once.
   *
   * @throws {HotplateError} `COMPUTE`, with reason `COMPUTE_FAILED` when it was remembered; `NOT_FOUND` with reason `NOT_CACHED`
   *   in mode `only`, or with the stored reason when the key is remembered as negative.
   */
  getOrCompute(key: KeyInput, compute: Compute<T>, options: ComputeOptions = {}): Promise<T> {
    return this.#told("get_or_compute", (facts) => this.#getOrCompute(keyText(key), compute, options, facts));
  }

  async #getOrCompute(key: string, compute: Compute<T>, options: ComputeOptions, facts: OperationFacts): Promise<T> {
    const core = this.#core;
    checkComputeOptions(options);
    facts.result = "hit";
    const reading = { maxAge: options.maxAge };
    const near = this.#nearFor(reading);
    if ((options.mode ?? "use") === "use") {
      const kept = this.#keptNear(key, reading, near);
      if (kept !== undefined) {
        facts.near = true;
        return requiredValue(kept);
      }
    }
    const computing: Computing<T> = {
      core,
      namespace: this.name,
      key,
      codec: this.codec,
      options,
      near: near !== undefined,
      compute,
      ran: () => {
        facts.result = "computed";
      },
      store: async (value, write) => {
        await this.#send(this.#putRequest(key, value, write), {}, {});
      },
      storeHeld: (held: Held, value, write) => held.put(this.#putRequest(key, value, write)),
      read: (stale: StalePolicy) =>
        this.#lookUp(key, { namespace: this.name, key, ...readRequest(reading, stale) }, {}, undefined),
    };
    switch (options.mode) {
      case "bypass":
        return await bypass(computing, options.signal);
      case "only": {
        const found = await this.#get(
          key,
          {
            ...reading,
            acceptStale: options.staleWhileRevalidate,
            signal: options.signal,
            timeoutMs: options.timeoutMs,
          },
          false,
          facts,
        );
        return requiredValue(found);
      }
      default: {
        const flight = { namespace: this.name, key, refresh: options.mode === "refresh", codec: this.codec };
        return await core.flights.join(flight, options.signal, (course) => lookComputeStore(computing, course));
      }
    }
  }

  /** What this process keeps. What it cannot read is left to who computes it anew. */
  #keptNear(key: string, reading: ReadOptions, near: Near | undefined): Lookup<T> | undefined {
    const kept = near?.hit(key, reading.maxAge === undefined ? undefined : durationMs("max_age", reading.maxAge));
    if (kept === undefined) return undefined;
    try {
      return kept.lookup(this.codec, sinceBoot(), false);
    } catch (failure) {
      this.#core.log.debug("a kept value cannot be read and is looked up anew", asError(failure));
      return undefined;
    }
  }

  /**
   * Wraps a function: its results are kept, each under a key made of its arguments. Every call is a
   * {@link Namespace.getOrCompute}; the wrapper has the function's own signature, and `key`, `refresh`, `bypass`, `forget`
   * besides.
   */
  cached<A extends unknown[]>(
    compute: (...args: A) => T | Promise<T>,
    options: CachedOptions<A>,
  ): CachedFunction<A, T> {
    return cachedFunction(this, compute, options);
  }

  /**
   * Wraps a function after which cached results no longer hold: what is selected is dropped whenever it ran, also when it
   * failed, for what it did before that is not known.
   */
  invalidates<A extends unknown[], R>(
    run: (...args: A) => R | Promise<R>,
    selection: SelectInput | ((...args: A) => SelectInput),
  ): (...args: A) => Promise<R> {
    return invalidatingFunction(this, this.#core.log, run, selection);
  }

  /** Has the server fetch entries from a configured origin ahead of their use. Begins when it is iterated. */
  preload(items: Iterable<PreloadItem>, options: PreloadOptions = {}): Preload {
    const request = preloadRequest(this.name, items, options);
    return new Preload(this.#core.calls, request, options.signal, this.#core.tasks.signal);
  }

  /** Follows a preload job that was started elsewhere, or by {@link Namespace.refresh}. */
  joinPreload(job: string, options: Pick<PreloadOptions, "signal"> = {}): Preload {
    const request = { namespace: this.name, jobId: job };
    return new Preload(this.#core.calls, request, options.signal, this.#core.tasks.signal);
  }

  /** Follows changes of this namespace. Begins when it is iterated. */
  watch(options: WatchOptions = {}): Watch {
    return new Watch(this.#core.calls, this.name, this.#core.clientId, options, this.#core.tasks.signal);
  }

  /** Statistics of this namespace since the server started. They have no fallback: a cache that is away is an error. */
  stats(options: CallOptions = {}): Promise<StatsResponse> {
    return this.#core.calls.stats({ namespace: this.name }, options);
  }

  /** Explains a key: what a read would say and why, and what happened to it. For people, not for every call. */
  explain(key: KeyInput, options: CallOptions & { readonly maxEvents?: number } = {}): Promise<ExplainKeyResponse> {
    const request = { namespace: this.name, key: keyText(key), maxEvents: options.maxEvents ?? 0 };
    return this.#core.calls.explainKey(request, options);
  }

  /** Lists entries with their metadata, without values, in the order of their keys. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<Entry, void, undefined> {
    const selectors = options.selectors === undefined ? [] : wireSelectors(options.selectors);
    let pageToken = "";
    do {
      const request = { namespace: this.name, selectors, pageSize: options.pageSize ?? 0, pageToken };
      const page = await this.#core.calls.listEntries(request, options);
      yield* page.entries;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /**
   * Reads a value in pieces, from the server, of any size and whatever its codec. Streams have no fallback: a cache that is
   * away is an error.
   */
  async readStream(key: KeyInput, options: Omit<ReadOptions, "peek"> = {}): Promise<ReadStream> {
    return await this.#readStream(keyText(key), options, false);
  }

  /**
   * Reads a value, or, when it is just being written, what comes in of it, from its first byte, as it comes.
   *
   * @throws {HotplateError} Reason `VERSION_GONE` when the writer gave up.
   */
  async follow(key: KeyInput, options: Omit<ReadOptions, "peek"> = {}): Promise<ReadStream> {
    return await this.#readStream(keyText(key), options, true);
  }

  async #readStream(key: string, options: ReadOptions, follow: boolean): Promise<ReadStream> {
    const { peek: _peek, ...get } = this.#getRequest(key, options);
    const request = {
      namespace: this.name,
      key,
      follow,
      ...(get.stalePolicy === undefined ? {} : { stalePolicy: get.stalePolicy }),
      ...(get.maxAge === undefined ? {} : { maxAge: get.maxAge }),
      ...(get.slowestTier === undefined ? {} : { slowestTier: get.slowestTier }),
    };
    return new ReadStream(await ValueReader.open(this.#core.calls, request, this.#streaming(options)));
  }

  /** Begins to write a value in pieces. Nothing of it can be read before it is finished, except by who follows it. */
  async writeStream(key: KeyInput, options: WriteOptions = {}): Promise<WriteStream> {
    const text = keyText(key);
    const request = { ...this.#addressed(text, options), contentType: this.codec.contentType };
    const write = this.#ownWrite([setOfKey(text)]);
    try {
      const writer = await ValueWriter.open(this.#core.calls, request, this.#streaming(options));
      return new WriteStream(writer, write, () => this.#core.flights.outdateKey(this.name, text));
    } catch (failure) {
      write?.end();
      throw failure;
    }
  }

  /** What the near cache of this namespace did and holds; null where there is none. */
  get nearStats(): NearStats | null {
    return this.#core.nears.of(this.name)?.stats() ?? null;
  }

  /** A stream ends with its caller's signal, and with its client. */
  #streaming(options: CallOptions): CallOptions {
    const closing = this.#core.tasks.signal;
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing]);
    return { signal, timeoutMs: options.timeoutMs };
  }

  #getRequest(key: string, options: ReadOptions): GetInit {
    return { namespace: this.name, key, ...readRequest(options) };
  }

  #addressed(key: string, options: WriteOptions): PutInit {
    return { ...writeRequest(options), namespace: this.name, key, clientId: this.#core.clientId };
  }

  #putRequest(key: string, value: T, options: WriteOptions): PutInit {
    const bytes = encodeChecked(this.codec, value);
    return {
      ...this.#addressed(key, options),
      payload: { case: "value", value: bytes },
      contentType: this.codec.contentType,
    };
  }

  async #send(request: PutInit, options: CallOptions, facts: OperationFacts): Promise<Written> {
    const key = request.key ?? "";
    const attempt: Attempt<PutResponse> = await this.#writing([setOfKey(key)], () =>
      this.#core.gate.write(() => putWhole(this.#core, request, options), options),
    );
    // Who asks from now on gets no value that was looked up before this write was answered.
    this.#core.flights.outdateKey(this.name, key);
    const written: Written =
      attempt.away === undefined ? writtenOf(attempt.answer) : { outcome: "dropped", reason: attempt.away };
    facts.result = written.outcome;
    return written;
  }

  /** A write: what this process keeps of it goes before, and again before the caller is answered. */
  async #writing<A>(sets: EntrySet[], send: () => Promise<Attempt<A>>): Promise<Attempt<A>> {
    const write = this.#ownWrite(sets);
    try {
      const attempt = await send();
      if (attempt.away === undefined) write?.answered();
      return attempt;
    } finally {
      write?.end();
    }
  }

  #ownWrite(sets: EntrySet[]): OwnWrite | undefined {
    return this.#core.nears.of(this.name)?.write(sets);
  }

  /**
   * A read that is to leave no trace, or is turned off, is not answered from here. A stale value that may be served is never
   * kept, and a fresh one may be served to all.
   */
  #nearFor(options: ReadOptions): Near | undefined {
    const reads =
      this.#readsNear && options.peek !== true && options.withoutNearCache !== true && !this.#core.gate.disabled;
    return reads ? this.#core.nears.of(this.name) : undefined;
  }

  /** Batches of as many as the server is known to take; when it says that it takes fewer, fewer. */
  async #inBatches<I>(
    items: readonly I[],
    options: CallOptions,
    send: (some: readonly I[]) => Promise<void>,
  ): Promise<void> {
    const { calls } = this.#core;
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

  /** Runs one operation, told to whom it concerns. What is thrown at once is thrown as a rejection. */
  #told<R>(name: string, run: (facts: OperationFacts) => Promise<R>): Promise<R> {
    const facts: OperationFacts = {};
    return this.#core.telemetry.operation(name, this.name, facts, async () => await run(facts));
  }
}

function noteFound(facts: OperationFacts, found: Lookup<unknown>): void {
  facts.result = found.hit && found.stale ? "stale" : found.outcome;
  if (found.outcome !== "miss") facts.near = found.near;
  if (found.hit) facts.tier = found.tier;
}

function requiredValue<T>(found: Lookup<T>): T {
  switch (found.outcome) {
    case "hit":
      return found.value;
    case "negative":
      throw remembered(found.reason, found.message);
    case "miss":
      throw new HotplateError("NOT_FOUND", "it is not in the cache", { reason: "NOT_CACHED" });
  }
}

function invalidated(done: InvalidateResponse | "queued" | "disabled"): Invalidated {
  return typeof done === "string" ? { outcome: done } : { outcome: "done", matched: Number(done.matchedCount) };
}

function failed(error: HotplateError): ItemFailure {
  return { outcome: "error", hit: false, error };
}

function itemOf<T>(read: () => Lookup<T>): Lookup<T> | ItemFailure {
  try {
    return read();
  } catch (failure) {
    return failed(asError(failure));
  }
}

function sameLength(answers: number, items: number): void {
  if (answers !== items) {
    throw new HotplateError("INTERNAL", `the server answered ${answers} of ${items} items of a batch`);
  }
}
