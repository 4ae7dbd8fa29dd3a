/**
 * The RPCs as they are: one method each, messages in and out, with token, deadline and retries. No degradation, no codecs:
 * those live in `namespace.ts`.
 */
import { randomBytes } from "node:crypto";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as clock from "./clock.js";
import { either, linked } from "./either.js";
import { asError, cancelled, HotplateError, invalidArgument, timedOut } from "./error.js";
import {
  type BatchGetRequestSchema,
  type BatchGetResponse,
  type BatchPutRequestSchema,
  type BatchPutResponse,
  CacheService,
  type ExplainKeyRequestSchema,
  type ExplainKeyResponse,
  type ExtendLeaseRequestSchema,
  type ExtendLeaseResponse,
  type GetRequestSchema,
  type GetResponse,
  type GetServerInfoResponse,
  type InvalidateRequestSchema,
  type InvalidateResponse,
  type ListEntriesRequestSchema,
  type ListEntriesResponse,
  type PreloadRequestSchema,
  type PreloadResponse,
  type PutRequestSchema,
  type PutResponse,
  type ReleaseLeaseRequestSchema,
  type ReleaseLeaseResponse,
  type RevalidateRequestSchema,
  type RevalidateResponse,
  type ServerLimits,
  ServerLimitsSchema,
  type StatsRequestSchema,
  type StatsResponse,
  type TouchRequestSchema,
  type TouchResponse,
  type UpdateWatchRequestSchema,
  type UpdateWatchResponse,
  type WatchRequestSchema,
  type WatchResponse,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Profile } from "./profile.js";
import * as retry from "./retry.js";
import type { Incoming, Transport, Try } from "./transport.js";

/** Items of a batch that every server takes. */
const BATCH_ITEMS_SURE = 100;

/** How one call is made. */
export interface CallOptions {
  /** Ends the call early: it then fails with kind `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** The deadline in milliseconds, retries included, instead of the client's; for streams, to be opened. */
  readonly timeoutMs?: number | undefined;
}

/** What the parts of the client may say of a call besides. */
export interface InnerCallOptions extends CallOptions {
  /** What ends it besides its caller. Default: the end of the client. */
  readonly ends?: AbortSignal | null | undefined;
  /** Whether it may still be tried again; asked before each try but the first. */
  readonly mayRepeat?: (() => boolean) | undefined;
}

/**
 * The time that a caller gave for a call, or else the usual one, in milliseconds; what no timer takes is cut to what one does.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what is no time.
 */
export function timeoutOf(options: CallOptions, usualMs: number): number {
  const { timeoutMs = usualMs } = options;
  if (typeof timeoutMs !== "number" || !(timeoutMs > 0)) {
    throw invalidArgument("timeoutMs", "a timeout is a number of milliseconds above zero");
  }
  return Math.min(timeoutMs, clock.TIMER_MAX_MS);
}

/** A new id that makes repeating a call safe: 32 hexadecimal digits. */
export function newId(): string {
  return randomBytes(16).toString("hex");
}

/**
 * The RPCs of `hotplate.v1.CacheService`, one method each.
 *
 * Every call carries the token, ends within its deadline and is tried again, at most twice, when the server was unavailable
 * and repeating it is safe. Failures come as {@link HotplateError}; a miss is part of an answer, not a failure. The breaker of
 * the typed layer does not apply here; where the cache is turned off, every call fails with reason `DISABLED`.
 */
export class Calls {
  /** @internal */
  readonly transport: Transport;
  readonly #profile: Profile;
  readonly #closing: AbortSignal | null;
  readonly #budget = new retry.Budget();
  #turn = 0;
  #repeats = 0;
  #limits: Promise<ServerLimits> | null = null;
  #known: ServerLimits | null = null;

  /** All calls end when `closing` is aborted. @internal */
  constructor(transport: Transport, profile: Profile, closing: AbortSignal | null = null) {
    this.transport = transport;
    this.#profile = profile;
    this.#closing = closing;
  }

  /** Finds one entry. */
  get(request: MessageInitShape<typeof GetRequestSchema>, options: CallOptions = {}): Promise<GetResponse> {
    return this.#unary(CacheService.method.get, request, options, this.callMs);
  }

  /** Finds several entries; failures of single items are in the answer. */
  batchGet(
    request: MessageInitShape<typeof BatchGetRequestSchema>,
    options: CallOptions = {},
  ): Promise<BatchGetResponse> {
    return this.#unary(CacheService.method.batchGet, request, options, this.bulkMs);
  }

  /**
   * Stores one entry. A Put with a condition or a lease and without `requestId` gets one, so that a retry meets its own first
   * answer.
   */
  put(request: MessageInitShape<typeof PutRequestSchema>, options: CallOptions = {}): Promise<PutResponse> {
    return this.#unary(CacheService.method.put, identifiedPut(request), options, this.callMs);
  }

  /** Stores several entries; failures of single items are in the answer. */
  batchPut(
    request: MessageInitShape<typeof BatchPutRequestSchema>,
    options: CallOptions = {},
  ): Promise<BatchPutResponse> {
    const items = (request.items ?? []).map(identifiedPut);
    return this.#unary(
      CacheService.method.batchPut,
      { namespace: request.namespace ?? "", items },
      options,
      this.bulkMs,
    );
  }

  /** Changes how long an entry lives. Never retried: a lifetime counts from the moment of the call. */
  touch(request: MessageInitShape<typeof TouchRequestSchema>, options: CallOptions = {}): Promise<TouchResponse> {
    return this.#unary(CacheService.method.touch, request, options, this.callMs, 1);
  }

  /** Drops entries. Without `requestId` it gets one, so that a retry reports what the first try dropped. */
  invalidate(
    request: MessageInitShape<typeof InvalidateRequestSchema>,
    options: CallOptions = {},
  ): Promise<InvalidateResponse> {
    return this.#unary(
      CacheService.method.invalidate,
      { ...request, requestId: request.requestId || newId() },
      options,
      this.bulkMs,
    );
  }

  /** Counts what happened and what is held. */
  stats(request: MessageInitShape<typeof StatsRequestSchema>, options: CallOptions = {}): Promise<StatsResponse> {
    return this.#unary(CacheService.method.stats, request, options, this.bulkMs);
  }

  /** Lists metadata of entries, a page at a time. */
  listEntries(
    request: MessageInitShape<typeof ListEntriesRequestSchema>,
    options: CallOptions = {},
  ): Promise<ListEntriesResponse> {
    return this.#unary(CacheService.method.listEntries, request, options, this.bulkMs);
  }

  /** Changes which single keys an open watch follows. */
  updateWatch(
    request: MessageInitShape<typeof UpdateWatchRequestSchema>,
    options: CallOptions = {},
  ): Promise<UpdateWatchResponse> {
    return this.#unary(CacheService.method.updateWatch, request, options, this.callMs);
  }

  /** Tells which copies are still what is stored. */
  revalidate(
    request: MessageInitShape<typeof RevalidateRequestSchema>,
    options: CallOptions = {},
  ): Promise<RevalidateResponse> {
    return this.#unary(CacheService.method.revalidate, request, options, this.bulkMs);
  }

  /** Explains a key: what a Get would say and why, and what happened to it. */
  explainKey(
    request: MessageInitShape<typeof ExplainKeyRequestSchema>,
    options: CallOptions = {},
  ): Promise<ExplainKeyResponse> {
    return this.#unary(CacheService.method.explainKey, request, options, this.bulkMs);
  }

  /** Keeps a lease for one more duration. A lease that is not held any more is an outcome. */
  extendLease(
    request: MessageInitShape<typeof ExtendLeaseRequestSchema>,
    options: CallOptions = {},
  ): Promise<ExtendLeaseResponse> {
    return this.#unary(CacheService.method.extendLease, request, options, this.callMs);
  }

  /** Gives a lease back without a value. A retry whose first try was carried out answers that the lease is lost. */
  releaseLease(
    request: MessageInitShape<typeof ReleaseLeaseRequestSchema>,
    options: CallOptions = {},
  ): Promise<ReleaseLeaseResponse> {
    return this.#unary(CacheService.method.releaseLease, request, options, this.callMs);
  }

  /** Tells version, limits and features. */
  getServerInfo(options: CallOptions = {}): Promise<GetServerInfoResponse> {
    return this.#unary(CacheService.method.getServerInfo, {}, options, this.callMs);
  }

  /** Follows changes. The deadline is for opening the stream; the stream itself has none. */
  watch(
    request: MessageInitShape<typeof WatchRequestSchema>,
    options: CallOptions = {},
  ): Promise<Incoming<WatchResponse>> {
    return this.#open(CacheService.method.watch, request, options, this.callMs);
  }

  /**
   * Fetches entries ahead of their use, or joins such a job. The deadline is for opening the stream. A new job without
   * `requestId` gets one, so that a retry joins what the first try started.
   */
  preload(
    request: MessageInitShape<typeof PreloadRequestSchema>,
    options: CallOptions = {},
  ): Promise<Incoming<PreloadResponse>> {
    const named = request.jobId ? request : { ...request, requestId: request.requestId || newId() };
    return this.#open(CacheService.method.preload, named, options, this.bulkMs);
  }

  /** What the server allows: asked once, and known from then on. */
  async limits(options: CallOptions = {}): Promise<ServerLimits> {
    if (this.#known !== null) {
      return this.#known;
    }
    // Whoever comes second waits for the first; a failure is forgotten, and asked for again.
    this.#limits ??= this.#askLimits();
    return await either(this.#limits, [options.signal]);
  }

  async #askLimits(): Promise<ServerLimits> {
    try {
      const info = await this.getServerInfo();
      this.#known = info.limits ?? create(ServerLimitsSchema);
      return this.#known;
    } finally {
      this.#limits = null;
    }
  }

  /** Aborted when the client is closed. @internal */
  get closing(): AbortSignal | null {
    return this.#closing;
  }

  /** What the server allows, where it was asked. @internal */
  get knownLimits(): ServerLimits | null {
    return this.#known;
  }

  /** Items that the server is known, or else taken, to accept with one call. @internal */
  get batchItems(): number {
    const known = this.#known?.batchItemsMax ?? 0;
    return known === 0 ? BATCH_ITEMS_SURE : Math.min(BATCH_ITEMS_SURE, known);
  }

  /** The same, after asking for it where that was not done yet. @internal */
  async askedBatchItems(options: CallOptions = {}): Promise<number> {
    try {
      await this.limits(options);
    } catch (failure) {
      // A server that does not say takes what all do.
      if (options.signal?.aborted) throw failure;
    }
    return this.batchItems;
  }

  /** After an error: whether fewer items of a batch may be what the server takes, as it says by now. @internal */
  async takesFewer(items: number, failure: unknown, options: CallOptions = {}): Promise<boolean> {
    const tooMany = failure instanceof HotplateError && failure.reason === "BATCH_TOO_LARGE";
    return tooMany && (await this.askedBatchItems(options)) < items;
  }

  /** The deadline of a call on one key, in milliseconds. @internal */
  get callMs(): number {
    return this.#profile.callMs;
  }

  /** The deadline of a call on many entries, in milliseconds. @internal */
  get bulkMs(): number {
    return this.#profile.bulkMs;
  }

  /** Whose turn it is. To be asked once for each call: who is tried again takes the next. @internal */
  turn(): number {
    const turn = this.#turn;
    this.#turn = (turn + 1) % 1_000_000_007;
    return turn;
  }

  /** How many calls were sent again so far. What was sent twice may also happen twice, and later. @internal */
  get repeats(): number {
    return this.#repeats;
  }

  #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: InnerCallOptions,
    usualMs: number,
    attempts: number = retry.ATTEMPTS_MAX,
  ): Promise<MessageShape<O>> {
    return this.#repeated(options, usualMs, attempts, () => {
      const message = create(method.input, request);
      return (how) => this.transport.unary(method, message, how);
    });
  }

  #open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: InnerCallOptions,
    usualMs: number,
  ): Promise<Incoming<MessageShape<O>>> {
    return this.#repeated(options, usualMs, retry.ATTEMPTS_MAX, () => {
      const message = create(method.input, request);
      // The stream outlives its opening: who reads it ends it.
      return async (how) => {
        const opening = this.transport.open(method, message, { ...how, signal: options.signal, lane: "stream" });
        try {
          return await either(opening, [how.signal]);
        } catch (failure) {
          opening.then(
            (opened) => opened.cancel(),
            () => undefined,
          );
          throw failure;
        }
      };
    });
  }

  /** Tries until it works, may not be repeated, or the time is over. */
  async #repeated<A>(
    options: InnerCallOptions,
    usualMs: number,
    attempts: number,
    prepare: () => (how: Try) => Promise<A>,
  ): Promise<A> {
    const timeoutMs = timeoutOf(options, usualMs);
    const ends = options.ends === undefined ? this.#closing : options.ends;
    if (options.signal?.aborted) throw cancelled(options.signal);
    if (ends?.aborted) throw cancelled(ends);
    const send = prepared(prepare);
    const { signal, unlink } = linked([options.signal, ends]);
    try {
      return await this.#tried(options, timeoutMs, attempts, signal, send);
    } finally {
      unlink();
    }
  }

  async #tried<A>(
    options: InnerCallOptions,
    timeoutMs: number,
    attempts: number,
    signal: AbortSignal,
    send: (how: Try) => Promise<A>,
  ): Promise<A> {
    const endsAt = clock.now() + timeoutMs;
    let turn = this.turn();
    for (let next = 2; ; next += 1) {
      let error: HotplateError;
      try {
        const answer = await send({ turn, endsAt, signal });
        this.#budget.succeeded();
        return answer;
      } catch (failure) {
        error = asError(failure);
      }
      if (signal.aborted) {
        throw cancelled(signal);
      }
      if (error.kind !== "UNAVAILABLE" || retry.isAnswer(error)) {
        this.#budget.succeeded();
        throw error.kind === "DEADLINE_EXCEEDED" && error.reason === null ? timedOut(timeoutMs) : error;
      }
      const allowed = this.#budget.failed();
      const waitMs = retry.waitBefore(next, attempts, error);
      // A wait that would not end before the deadline is not begun: the true cause says more than a timeout.
      if (waitMs === null || !allowed || clock.now() + waitMs >= endsAt || options.mayRepeat?.() === false) {
        throw error;
      }
      await clock.sleep(waitMs, signal);
      if (options.mayRepeat?.() === false) throw error;
      this.#repeats += 1;
      // Another server, where there is one: the one after this, and not whose turn it is by now.
      turn += 1;
    }
  }
}

/** Makes a request. What has no form in the contract is its caller's fault, and never that of the cache. */
export function prepared<A>(prepare: () => A): A {
  try {
    return prepare();
  } catch (cause) {
    if (cause instanceof HotplateError) throw cause;
    throw invalidArgument("request", "the request has a value that the contract cannot carry");
  }
}

/**
 * A condition, or a lease, is judged against what the first try may already have changed: only an id makes repeating it safe.
 */
function identifiedPut(request: MessageInitShape<typeof PutRequestSchema>): MessageInitShape<typeof PutRequestSchema> {
  const judged = request.precondition !== undefined || Boolean(request.leaseToken);
  return judged && !request.requestId ? { ...request, requestId: newId() } : request;
}
