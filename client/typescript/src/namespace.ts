/**
 * Typed access to one namespace: every operation, and what it promises. How they are carried out lives in `reading.ts`,
 * `writing.ts`, `invalidation.ts`, `computing.ts`, `cached.ts`, `watch.ts`, `preload.ts` and `blob/`.
 */
import {
  openReadStream,
  openWriteStream,
  type ReadStream,
  type WriteStream,
  type WriteStreamOptions,
} from "./blob/streams.js";
import { type CachedFunction, type CachedOptions, cachedFunction, invalidatingFunction } from "./cached.js";
import type { CallOptions, Calls } from "./calls.js";
import type { Codec } from "./codec.js";
import type { Compute } from "./compute.js";
import { getOrCompute } from "./computing.js";
import type { Core } from "./core.js";
import { disabledError } from "./error.js";
import type { ExplainKeyResponse, PreloadRequestSchema, StatsResponse } from "./generated/hotplate/v1/cache_pb.js";
import type { Entry } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import {
  drop,
  type InvalidateOptions,
  type MarkStaleOptions,
  markStale,
  type RefreshOptions,
  refresh,
} from "./invalidation.js";
import { type KeyInput, keyText } from "./key.js";
import type { Invalidated, Lookup, Refreshing, Written } from "./lookup.js";
import type { NearStats } from "./near/options.js";
import type { ComputeOptions, ReadOptions, WriteOptions } from "./options.js";
import { Preload, type PreloadItem, type PreloadOptions, preloadRequest } from "./preload.js";
import { get, getMany, ttlMs } from "./reading.js";
import { type SelectInput, wireSelectors } from "./selector.js";
import { type ItemFailure, Space } from "./space.js";
import { checkText } from "./text.js";
import type { Ttl } from "./ttl.js";
import { Watch, type WatchOptions } from "./watch.js";
import { putMany, send, touch } from "./writing.js";

/** How a namespace's entries are listed. */
export interface ScanOptions extends CallOptions {
  /** Only what one of these selects. Without: all. */
  readonly selectors?: SelectInput | undefined;
  /** Entries asked for at once; the server caps it. */
  readonly pageSize?: number | undefined;
}

/**
 * One namespace with the codec its values are written with. Cheap: make as many as you like.
 *
 * Unless the client was set up with `onError: "raise"`, a cache that is away is a miss and a dropped write, not an error: what
 * is thrown is a fault of the request, of the set-up, or a value of another kind. Every call takes a `signal`; a caller that
 * gives up gets kind `CANCELLED`.
 */
export class Namespace<T = unknown> {
  readonly #space: Space<T>;

  /** @internal */
  constructor(core: Core, name: string, codec: Codec<T>, readsNear = true) {
    checkText("namespace", name);
    this.#space = new Space(core, name, codec, readsNear);
  }

  /** Its name. */
  get name(): string {
    return this.#space.name;
  }

  /** How its values are written. */
  get codec(): Codec<T> {
    return this.#space.codec;
  }

  /** The same namespace with another codec. */
  withCodec<U>(codec: Codec<U>): Namespace<U> {
    return new Namespace(this.#space.core, this.name, codec, this.#space.readsNear);
  }

  /**
   * The same namespace, read from the server every time, and without keeping anything. What is written through it still drops
   * what is kept.
   */
  withoutNearCache(): Namespace<T> {
    return new Namespace(this.#space.core, this.name, this.codec, false);
  }

  /** Finds a value. */
  get(key: KeyInput, options: ReadOptions = {}): Promise<Lookup<T>> {
    return this.#space.told("get", (facts) => get(this.#space, keyText(key), options, false, facts));
  }

  /**
   * Finds a value and shares it: with a near cache, all who ask for it by the same codec get the same object, read once. A hit
   * there is a look-up in a map: nothing is sent, read or copied. Do not change what it answers.
   */
  getShared(key: KeyInput, options: ReadOptions = {}): Promise<Lookup<Readonly<T>>> {
    return this.#space.told("get", (facts) => get(this.#space, keyText(key), options, true, facts));
  }

  /** The value of a key, or else `fallback`: short for {@link Namespace.get} where why it is missing does not matter. */
  async getValue(key: KeyInput, options?: ReadOptions): Promise<T | undefined>;
  async getValue<D>(key: KeyInput, options: ReadOptions, fallback: D): Promise<T | D>;
  async getValue<D>(key: KeyInput, options: ReadOptions = {}, fallback?: D): Promise<T | D | undefined> {
    const found = await this.get(key, options);
    return found.hit ? found.value : fallback;
  }

  /** Finds several values; the answers come in the order of the keys, each on its own. */
  getMany(keys: Iterable<KeyInput>, options: ReadOptions = {}): Promise<(Lookup<T> | ItemFailure)[]> {
    return this.#space.told("get_many", (facts) => getMany(this.#space, keys, options, facts));
  }

  /** Stores a value. */
  put(key: KeyInput, value: T, options: WriteOptions = {}): Promise<Written> {
    const space = this.#space;
    return space.told("put", (facts) => send(space, space.putRequest(keyText(key), value, options), options, facts));
  }

  /**
   * Remembers that there is none, or that computing it failed: `reason` is a short name for programs in UPPER_SNAKE_CASE,
   * `message` a sentence for people.
   */
  putNegative(key: KeyInput, reason: string, message: string, options: WriteOptions = {}): Promise<Written> {
    const space = this.#space;
    return space.told("put", (facts) => {
      checkText("reason", reason);
      checkText("message", message);
      const payload = { case: "negative" as const, value: { reason, message } };
      return send(space, { ...space.addressed(keyText(key), options), payload }, options, facts);
    });
  }

  /** Stores several values with the same options; the answers come in order, each on its own. */
  putMany(items: Iterable<readonly [KeyInput, T]>, options: WriteOptions = {}): Promise<(Written | ItemFailure)[]> {
    return this.#space.told("put_many", (facts) => putMany(this.#space, items, options, facts));
  }

  /** Gives an entry this lifetime from now on. `false` when there is no such entry, or the cache is away. */
  touch(key: KeyInput, ttl: Ttl, options: CallOptions = {}): Promise<boolean> {
    return this.#space.told("touch", (facts) => touch(this.#space, keyText(key), ttl, options, facts));
  }

  /** Whether there is a fresh entry. Does not count as a use of it. `false` when the cache is away. */
  async exists(key: KeyInput, options: CallOptions = {}): Promise<boolean> {
    return (await this.ttlMs(key, options)) !== null;
  }

  /**
   * Milliseconds for which an entry stays fresh; null when there is none, or the cache is away. Does not count as a use.
   */
  ttlMs(key: KeyInput, options: CallOptions = {}): Promise<number | null> {
    return this.#space.told("ttl", () => ttlMs(this.#space, keyText(key), options));
  }

  /** Drops one entry. */
  remove(key: KeyInput, options: InvalidateOptions = {}): Promise<Invalidated> {
    return this.invalidate({ key }, options);
  }

  /**
   * Drops what any of 1 to 128 selectors selects: `{ tags: ["model:abc"], prefixes: ["report:"] }`, `select.tag("model:abc")`
   * or several of those. Computations under way in this process that began before are not stored.
   *
   * @throws {HotplateError} What the server refused; `RESOURCE_EXHAUSTED` with reason `JOURNAL_FULL` when the cache is away and
   *   no more can be remembered.
   */
  invalidate(selection: SelectInput, options: InvalidateOptions = {}): Promise<Invalidated> {
    return this.#space.told("invalidate", (facts) => drop(this.#space, selection, options, facts));
  }

  /**
   * Marks stale what is selected: it is served to who accepts stale values, within its `staleFor`, and what has none is
   * dropped. When the cache is away it is remembered, and dropped later.
   */
  markStale(selection: SelectInput, options: MarkStaleOptions = {}): Promise<Invalidated> {
    return this.#space.told("mark_stale", (facts) => markStale(this.#space, selection, options, facts));
  }

  /**
   * Marks stale what is selected, and has the server fetch it anew from an origin of the namespace. Until that is done the old
   * values are stale. What was made from what is selected is marked stale only. The answer names the job:
   * {@link Namespace.joinPreload} follows it. When the cache is away it is remembered, and dropped later.
   */
  refresh(selection: SelectInput, options: RefreshOptions = {}): Promise<Refreshing> {
    return this.#space.told("refresh", (facts) => refresh(this.#space, selection, options, facts));
  }

  /**
   * Answers the stored value, or computes and stores it.
   *
   * - However many callers of this process ask for a key at once, it is looked up once for all who accept the same (`maxAge`,
   *   `staleWhileRevalidate`, `perProcess`, `mode`, the codec); they share one object. Of all processes
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
   * - Storing is best effort: callers wait for it for at most 1 s, and its failure is logged and never theirs. A lease that was lost stores nothing, and the
   *   caller still gets its value. A cache that is away costs one computation in each process, which is not stored.
   * - Who asks after a write or an invalidation of this client was answered joins nothing that began before it.
   * - A computation may ask for others. What asks for itself, directly or over others, is an error at once.
   *
   * @throws {HotplateError} `COMPUTE`, with reason `COMPUTE_FAILED` when it was remembered; `NOT_FOUND` with reason `NOT_CACHED`
   *   in mode `only`, or with the stored reason when the key is remembered as negative.
   */
  getOrCompute(key: KeyInput, compute: Compute<T>, options: ComputeOptions = {}): Promise<T> {
    return this.#space.told("get_or_compute", (facts) =>
      getOrCompute(this.#space, keyText(key), compute, options, facts),
    );
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
    return invalidatingFunction(this, this.#space.core.log, run, selection);
  }

  /** Has the server fetch entries from a configured origin ahead of their use. Begins when it is iterated. */
  preload(items: Iterable<PreloadItem>, options: PreloadOptions = {}): Preload {
    return this.#preload(preloadRequest(this.name, items, options), options.signal);
  }

  /** Follows a preload job that was started elsewhere, or by {@link Namespace.refresh}. */
  joinPreload(job: string, options: Pick<PreloadOptions, "signal"> = {}): Preload {
    checkText("job_id", job);
    return this.#preload({ namespace: this.name, jobId: job }, options.signal);
  }

  #preload(request: Init<typeof PreloadRequestSchema>, signal: AbortSignal | undefined): Preload {
    const { calls, tasks } = this.#space.core;
    return new Preload(calls, request, signal, tasks.signal, this.#space.core.gate.disabled);
  }

  /** Follows changes of this namespace. Begins when it is iterated. */
  watch(options: WatchOptions = {}): Watch {
    const { calls, clientId, gate, tasks } = this.#space.core;
    return new Watch(calls, this.name, clientId, options, tasks.signal, gate.disabled);
  }

  /** Statistics of this namespace since the server started. They have no fallback: a cache that is away is an error. */
  stats(options: CallOptions = {}): Promise<StatsResponse> {
    return this.#asked("stats", options, (calls) => calls.stats({ namespace: this.name }, options));
  }

  /** Explains a key: what a read would say and why, and what happened to it. For people, not for every call. */
  explain(key: KeyInput, options: CallOptions & { readonly maxEvents?: number } = {}): Promise<ExplainKeyResponse> {
    return this.#asked("explain", options, (calls) => {
      const request = { namespace: this.name, key: keyText(key), maxEvents: options.maxEvents ?? 0 };
      return calls.explainKey(request, options);
    });
  }

  /** Lists entries with their metadata, without values, in the order of their keys. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<Entry, void, undefined> {
    const selectors = options.selectors === undefined ? [] : wireSelectors(options.selectors);
    let pageToken = "";
    do {
      const request = { namespace: this.name, selectors, pageSize: options.pageSize ?? 0, pageToken };
      const page = await this.#asked("list", options, (calls) => calls.listEntries(request, options));
      yield* page.entries;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** What has no answer without the cache. */
  #asked<R>(name: string, options: CallOptions, ask: (calls: Calls) => Promise<R>): Promise<R> {
    const { calls, gate } = this.#space.core;
    return this.#space.told(name, async () => {
      gate.refuse(options);
      if (gate.disabled) throw disabledError();
      return await ask(calls);
    });
  }

  /**
   * Reads a value in pieces, from the server, of any size and whatever its codec. Streams have no fallback: a cache that is
   * away is an error.
   */
  readStream(key: KeyInput, options: Omit<ReadOptions, "peek"> = {}): Promise<ReadStream> {
    return this.#space.told("read_stream", (facts) => openReadStream(this.#space, keyText(key), options, false, facts));
  }

  /**
   * Reads a value, or, when it is just being written, what comes in of it, from its first byte, as it comes.
   *
   * @throws {HotplateError} Reason `VERSION_GONE` when the writer gave up.
   */
  follow(key: KeyInput, options: Omit<ReadOptions, "peek"> = {}): Promise<ReadStream> {
    return this.#space.told("follow", (facts) => openReadStream(this.#space, keyText(key), options, true, facts));
  }

  /** Begins to write a value in pieces. Nothing of it can be read before it is finished, except by who follows it. */
  writeStream(key: KeyInput, options: WriteStreamOptions = {}): Promise<WriteStream> {
    return this.#space.told("write_stream", () => openWriteStream(this.#space, keyText(key), options));
  }

  /** What the near cache of this namespace did and holds; null where there is none. */
  get nearStats(): NearStats | null {
    return this.#space.core.nears.of(this.name)?.stats() ?? null;
  }
}
