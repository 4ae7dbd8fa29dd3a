/** A preload job of the server, followed to its end, over lost connections. */

import { type Calls, newId } from "./calls.js";
import { either, type Linked, linked } from "./either.js";
import { asError, cancelled, disabledError, errorOfItem, type HotplateError, isOutage } from "./error.js";
import {
  type PreloadRequestSchema,
  type PreloadResponse,
  type PreloadResult as WireResult,
  PreloadState as WireState,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Init } from "./init.js";
import { type KeyInput, keyText } from "./key.js";
import { expirationOf, type WriteOptions } from "./options.js";
import { checkTexts } from "./text.js";
import { type DurationInput, durationMs, fromWire, wireDuration } from "./ttl.js";
import { Line } from "./watch-line.js";

/** Times in a row a preload job is joined again before its loss is reported. */
const REJOINS_MAX = 8;

/** One entry to fetch ahead: its key, and from where. */
export interface PreloadItem extends Pick<WriteOptions, "ttl" | "staleFor" | "idle" | "jitter" | "kind" | "tags"> {
  /** Key to store it under. */
  readonly key: KeyInput;
  /** Name of the origin to ask. Without: the namespace's only origin. */
  readonly origin?: string | undefined;
  /** Values for the origin's URL template besides `{key}` and `{namespace}`. At most 32, 4 KiB in all. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

/** How a preload is carried out. */
export interface PreloadOptions {
  /** Fetches what is fresh as well. */
  readonly force?: boolean | undefined;
  /** How many at once; the server caps it. */
  readonly concurrency?: number | undefined;
  /** Keeps what is loaded from making room for others for this long, at most 24 hours. */
  readonly pinFor?: DurationInput | undefined;
  /** Stops following; the job goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** How one item ended. */
export type PreloadState =
  | "loaded"
  | "skipped"
  | "negative"
  | "failed"
  | "revalidated"
  | "not_stored"
  | "cancelled"
  | "other";

/** One item that ended. */
export interface PreloadResult {
  readonly key: string;
  readonly state: PreloadState;
  /** Why, for `failed` and `not_stored`. */
  readonly error: HotplateError | null;
  /** Milliseconds it took, retries included. */
  readonly elapsedMs: number;
  /** Whether its entry is pinned. */
  readonly pinned: boolean;
}

/** Progress of a preload job. */
export interface PreloadProgress {
  /** The job, for joining it elsewhere. */
  readonly job: string;
  /** Items that ended since the last progress; after a lost connection those so far are told again. */
  readonly results: readonly PreloadResult[];
  /** Items that ended so far. */
  readonly done: number;
  /** Items in all. */
  readonly total: number;
  /** Bytes of the values loaded so far. */
  readonly loadedBytes: number;
  /** Whether the job has ended. */
  readonly finished: boolean;
  /** Whether it ended because it was cancelled. */
  readonly cancelled: boolean;
}

const STATES: Partial<Record<WireState, PreloadState>> = {
  [WireState.LOADED]: "loaded",
  [WireState.SKIPPED]: "skipped",
  [WireState.NEGATIVE]: "negative",
  [WireState.FAILED]: "failed",
  [WireState.REVALIDATED]: "revalidated",
  [WireState.NOT_STORED]: "not_stored",
  [WireState.CANCELLED]: "cancelled",
};

/**
 * A job under way: `for await (const progress of job)`. It begins with the first progress that is asked for, ends with the job,
 * and can be joined again by {@link Preload.job}.
 */
export class Preload implements AsyncIterableIterator<PreloadProgress, undefined>, AsyncDisposable {
  readonly #calls: Calls;
  readonly #signals: readonly (AbortSignal | undefined)[];
  /** From the first progress that is asked for to the end. */
  #linked: Linked | null = null;
  readonly #line = new Line<PreloadResponse>();
  #request: Init<typeof PreloadRequestSchema>;
  readonly #disabled: boolean;
  #ended = false;

  /** @internal */
  constructor(
    calls: Calls,
    request: Init<typeof PreloadRequestSchema>,
    signal: AbortSignal | undefined,
    closing: AbortSignal,
    disabled: boolean,
  ) {
    this.#calls = calls;
    this.#disabled = disabled;
    this.#request = request.jobId ? request : { ...request, requestId: newId() };
    this.#signals = [signal, closing];
  }

  /** The job's id. Empty before the first progress. */
  get job(): string {
    return this.#request.jobId ?? "";
  }

  /** The next progress; done when the job has ended. */
  async next(): Promise<IteratorResult<PreloadProgress, undefined>> {
    while (!this.#ended) {
      const signal = this.#begin();
      try {
        if (this.#disabled && !signal.aborted) throw disabledError();
        const progress = await either(this.#advance(), [signal]);
        if (progress.finished) this.#end();
        return { done: false, value: progressOf(progress) };
      } catch (failure) {
        const error = asError(failure);
        if (signal.aborted || !isOutage(error) || this.#line.failures >= REJOINS_MAX) {
          this.#end();
          throw signal.aborted ? cancelled(signal) : error;
        }
        this.#line.failures += 1;
      }
    }
    return { done: true, value: undefined };
  }

  /** Stops following; the job goes on. */
  return(): Promise<IteratorResult<PreloadProgress, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Follows the job to its end, and answers all results by key, with the last progress. */
  async finish(): Promise<PreloadProgress> {
    const results = new Map<string, PreloadResult>();
    let last: PreloadProgress | null = null;
    for await (const progress of this) {
      for (const result of progress.results) results.set(result.key, result);
      last = progress;
    }
    return {
      ...(last ?? { job: this.job, done: 0, total: 0, loadedBytes: 0, finished: false, cancelled: false }),
      results: [...results.values()],
    };
  }

  async #advance(): Promise<PreloadResponse> {
    const progress = await this.#line.message((signal) => this.#calls.preload(this.#request, { signal }));
    // From now on the job is joined, not begun.
    this.#request = { namespace: this.#request.namespace ?? "", jobId: progress.jobId };
    return progress;
  }

  #begin(): AbortSignal {
    if (this.#linked === null) {
      this.#linked = linked(this.#signals);
      // Also when nobody waits for progress then.
      this.#linked.signal.addEventListener("abort", () => this.#line.close(), { once: true });
    }
    return this.#linked.signal;
  }

  #end(): void {
    this.#ended = true;
    this.#linked?.unlink();
    this.#line.close();
  }
}

/** The request of a job. */
export function preloadRequest(
  namespace: string,
  items: Iterable<PreloadItem>,
  options: PreloadOptions,
): Init<typeof PreloadRequestSchema> {
  return checkTexts({
    namespace,
    items: Array.from(items, (item) => {
      const { ttl, staleFor, idle, jitter } = item;
      const expiration = expirationOf({ ttl, staleFor, idle, jitter });
      return {
        key: keyText(item.key),
        origin: item.origin ?? "",
        parameters: { ...item.parameters },
        kind: item.kind ?? "",
        tags: [...(item.tags ?? [])],
        ...(expiration === undefined ? {} : { expiration }),
      };
    }),
    force: options.force ?? false,
    maxParallelism: options.concurrency ?? 0,
    ...(options.pinFor === undefined ? {} : { pinFor: wireDuration(durationMs("pin_for", options.pinFor)) }),
  });
}

function progressOf(progress: PreloadResponse): PreloadProgress {
  return {
    job: progress.jobId,
    results: progress.results.map(resultOf),
    done: Number(progress.doneCount),
    total: Number(progress.totalCount),
    loadedBytes: Number(progress.loadedBytes),
    finished: progress.finished,
    cancelled: progress.cancelled,
  };
}

function resultOf(result: WireResult): PreloadResult {
  return {
    key: result.key,
    state: STATES[result.state] ?? "other",
    error: result.error === undefined ? null : errorOfItem(result.error),
    elapsedMs: fromWire(result.elapsed) ?? 0,
    pinned: result.pinned,
  };
}
