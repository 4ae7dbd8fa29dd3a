/** Following changes, over lost connections and server restarts. How a stream is opened again lives in `watch-line.ts`. */

import type { Calls } from "./calls.js";
import { either, type Linked, linked } from "./either.js";
import { cancelled, disabledError, type HotplateError } from "./error.js";
import {
  DiscontinuityReason,
  InvalidateMode,
  WatchContent,
  type WatchRequestSchema,
  type WatchEvent as WireEvent,
  EventType as WireEventType,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Entry, Position, Selector } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import { type Select, wireSelector } from "./selector.js";
import { checkTexts } from "./text.js";
import { type DurationInput, durationMs, wireDuration } from "./ttl.js";
import { type Told, WatchLine } from "./watch-line.js";

/** What happened to a key or a set of keys. */
export type EventType = "put" | "invalidated" | "expired" | "evicted" | "set_invalidated" | "marked_stale" | "other";

/** One change. */
export interface WatchEvent {
  readonly type: EventType;
  /** The key; empty for `set_invalidated`. */
  readonly key: string;
  /** What was dropped or marked stale, for `set_invalidated`. */
  readonly selector: Selector | null;
  /** The entry, for `put`, as far as `content` asks; null when it has been dropped since. */
  readonly entry: Entry | null;
  /** Whether it was marked stale and not dropped. */
  readonly markedStale: boolean;
  /** Who did it, as the caller named itself; empty: not said. */
  readonly clientId: string;
  /** Why, as the caller said; empty: not said. */
  readonly reason: string;
}

/** What a watch tells. */
export type WatchItem =
  /** The watch exists: every change from here on is covered. Comes again after each reconnection. */
  | { readonly type: "created"; readonly watchId: string; readonly position: Position | null }
  /** Entries that were there. */
  | { readonly type: "present"; readonly entries: readonly Entry[] }
  /** All that was there has been told. */
  | { readonly type: "synced" }
  /** Changes, in order within each log. */
  | { readonly type: "events"; readonly events: readonly WatchEvent[] }
  /** Nothing that matters happened up to here. */
  | { readonly type: "progress"; readonly position: Position | null }
  /** Changes were lost: copies of entries can no longer be trusted. After `new_epoch` the server has a new history. */
  | { readonly type: "discontinuity"; readonly reason: string }
  /** The connection was lost. The watch goes on by itself; until `created` comes, copies may be out of date. */
  | { readonly type: "lost"; readonly error: HotplateError };

/** What to follow. Without options: all changes of the namespace, from now on. */
export interface WatchOptions {
  /** Only keys that one of these selects. At most 128. */
  readonly selectors?: readonly Select[] | undefined;
  /** How much of an entry is told. Default: `metadata`. */
  readonly content?: "keys" | "metadata" | "values" | undefined;
  /** Only these events. Default: `put`, `invalidated`, `expired`, `set_invalidated`. */
  readonly events?: readonly Exclude<EventType, "other">[] | undefined;
  /** First tells what is there. */
  readonly includePresent?: boolean | undefined;
  /** Continues after a token of {@link Watch.resumeToken}. */
  readonly resumeToken?: Uint8Array | undefined;
  /** How often progress is told when nothing else is, 100 ms to 10 min. Default: 1 s. */
  readonly progressInterval?: DurationInput | undefined;
  /** Leaves out what this client does itself. */
  readonly excludeOwn?: boolean | undefined;
  /** Ends the watch: the loop over it then throws with kind `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
}

const TYPES = {
  put: WireEventType.PUT,
  invalidated: WireEventType.INVALIDATED,
  expired: WireEventType.EXPIRED,
  evicted: WireEventType.EVICTED,
  set_invalidated: WireEventType.SET_INVALIDATED,
  marked_stale: WireEventType.MARKED_STALE,
} as const;

/**
 * Follows changes: `for await (const item of watch)`. Reconnects by itself, with growing waits; only what a reconnection cannot
 * mend is thrown, and ends it. One reader at a time; ending the loop ends the stream.
 */
export class Watch implements AsyncIterableIterator<WatchItem, undefined>, AsyncDisposable {
  readonly #line: WatchLine;
  readonly #signals: readonly (AbortSignal | undefined)[];
  /** From the first item that is asked for to the end. */
  #linked: Linked | null = null;
  readonly #disabled: boolean;
  #ended = false;
  /** The last item that was asked for: who asks meanwhile gets the one after it. */
  #last: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(
    calls: Calls,
    namespace: string,
    clientId: string,
    options: WatchOptions,
    closing: AbortSignal,
    disabled: boolean,
  ) {
    this.#disabled = disabled;
    this.#signals = [options.signal, closing];
    this.#line = new WatchLine(calls, watchRequest(namespace, clientId, options), closing);
  }

  /** Continue later, on this server, after the last item told. Empty before the first. */
  get resumeToken(): Uint8Array {
    return this.#line.token;
  }

  /** The next item, however long that takes. Several that are asked for at once come one after the other. */
  next(): Promise<IteratorResult<WatchItem, undefined>> {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #next(): Promise<IteratorResult<WatchItem, undefined>> {
    if (this.#ended) return { done: true, value: undefined };
    const signal = this.#begin();
    try {
      if (this.#disabled && !signal.aborted) throw disabledError();
      const told = await either(this.#line.next(), [signal]);
      return { done: false, value: itemOf(told) };
    } catch (failure) {
      if (this.#ended) return { done: true, value: undefined };
      this.#end();
      throw signal.aborted ? cancelled(signal) : failure;
    }
  }

  /** Ends the watch; what waits for an item is told that there is none. */
  return(): Promise<IteratorResult<WatchItem, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #begin(): AbortSignal {
    if (this.#linked === null) {
      this.#linked = linked(this.#signals);
      // Also when nobody waits for an item then.
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

function watchRequest(namespace: string, clientId: string, options: WatchOptions): Init<typeof WatchRequestSchema> {
  const content = { keys: WatchContent.KEYS, metadata: WatchContent.METADATA, values: WatchContent.VALUES };
  const { progressInterval } = options;
  return checkTexts({
    namespace,
    selectors: (options.selectors ?? []).map(wireSelector),
    content: content[options.content ?? "metadata"],
    eventTypes: (options.events ?? []).map((type) => TYPES[type]),
    includePresent: options.includePresent ?? false,
    resumeToken: options.resumeToken ?? new Uint8Array(),
    excludeClientId: options.excludeOwn === true ? clientId : "",
    ...(progressInterval === undefined
      ? {}
      : { progressInterval: wireDuration(durationMs("progress_interval", progressInterval)) }),
  });
}

function itemOf(told: Told): WatchItem {
  if (told.is === "lost") return { type: "lost", error: told.error };
  const { message } = told;
  switch (message.case) {
    case "created":
      return { type: "created", watchId: message.value.watchId, position: message.value.position ?? null };
    case "present":
      return { type: "present", entries: message.value.entries };
    case "synced":
      return { type: "synced" };
    case "events":
      return { type: "events", events: message.value.events.map(eventOf) };
    case "discontinuity":
      return { type: "discontinuity", reason: (DiscontinuityReason[message.value.reason] ?? "OTHER").toLowerCase() };
    default:
      return { type: "progress", position: message.value?.position ?? null };
  }
}

function eventOf(event: WireEvent): WatchEvent {
  const type = Object.entries(TYPES).find(([, wire]) => wire === event.type)?.[0] as EventType | undefined;
  return {
    type: type ?? "other",
    key: event.key,
    selector: event.selector ?? null,
    entry: event.entry ?? null,
    markedStale: event.mode === InvalidateMode.MARK_STALE || event.mode === InvalidateMode.REFRESH,
    clientId: event.clientId,
    reason: event.reason,
  };
}
