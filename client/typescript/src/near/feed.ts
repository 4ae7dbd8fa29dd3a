/**
 * What keeps a near cache in step: follows the changes, tells the server which keys matter, and asks whether what was kept
 * over a gap is still right. Decides nothing about entries.
 */

import type { Calls } from "../calls.js";
import * as clock from "../clock.js";
import { either } from "../either.js";
import { asError, type HotplateError } from "../error.js";
import { type RevalidateResult, RevalidateState, type WatchRequestSchema } from "../generated/hotplate/v1/cache_pb.js";
import type { Init } from "../init.js";
import type { Log } from "../log.js";
import { backoff, jittered } from "../retry.js";
import { fromWire, wireDuration } from "../ttl.js";
import { type Told, WatchLine } from "../watch-line.js";
import { type Confirmation, type NearCore, stampOf } from "./core.js";
import { eventTypes } from "./events.js";
import { Signal } from "./signal.js";

/** Wait before a stream that the server refused is opened again, in milliseconds. */
const REFUSED_WAIT_MS = 10_000;
/** Keys told, or asked about, in one call. */
const KEYS_PER_CALL = 100;
/** First and longest wait before a stream is opened again whose messages cannot be taken in, in milliseconds. */
const LATE_FIRST_MS = 50;
const LATE_MAX_MS = 5_000;
/** Wait after a call about keys that failed, in milliseconds. */
const TELL_WAIT_MS = 500;
/** The server tells progress three times in the longest silence, and not more often than each 100 ms. */
const PROGRESS_SHARE = 3;

/** Keeps one namespace's near cache in step until its signal is aborted. */
export class Feed {
  /** The stream has to be opened again. */
  readonly reopen = new Signal();
  /** There is something to tell or to ask. */
  readonly tell = new Signal();
  readonly #core: NearCore;
  readonly #calls: Calls;
  readonly #namespace: string;
  /** Under which this client writes, where that is its own; otherwise what it writes is told to it, too. */
  readonly #clientId: string | null;
  readonly #log: Log;

  constructor(core: NearCore, calls: Calls, namespace: string, clientId: string | null, log: Log) {
    this.#core = core;
    this.#calls = calls;
    this.#namespace = namespace;
    this.#clientId = clientId;
    this.#log = log;
  }

  /** Follows until the signal is aborted, which is how it ends. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#follow(signal), this.#tellAll(signal)]);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const error = await this.#followOne(signal);
      this.#core.lost();
      if (signal.aborted) return;
      this.#log.warn("the near cache is off: the server does not tell what changes", error);
      await clock.sleep(jittered(REFUSED_WAIT_MS), signal);
    }
  }

  /** Follows until the server refuses to be followed. */
  async #followOne(signal: AbortSignal): Promise<HotplateError> {
    const line = new WatchLine(this.#calls, this.#request(), signal);
    try {
      let token: Uint8Array = new Uint8Array();
      let lates = 0;
      this.#prepare(line, token);
      for (;;) {
        const told = await this.#told(line, signal);
        if (told === "reopen") {
          this.#prepare(line, token);
        } else if (told === "silent") {
          // A server that is paused, or a line that is cut without a word, ends like one that is closed. One that is still being
          // opened is waited for: its own deadline ends that.
          if (line.isOpen) {
            this.#core.lost();
            this.#prepare(line, token);
          }
        } else if (told.is === "lost") {
          this.#core.lost();
          this.#prepare(line, token);
        } else if (this.#core.take(told.message, token.length > 0, clock.sinceBoot())) {
          token = line.token;
          // That a stream begins does not show that it makes sense.
          if (told.message.case !== "created") lates = 0;
          this.tell.notify();
        } else {
          this.#core.lost();
          lates += 1;
          await clock.sleep(jittered(backoff(lates, LATE_FIRST_MS, LATE_MAX_MS)), signal);
          this.#prepare(line, token);
        }
      }
    } catch (failure) {
      return asError(failure);
    } finally {
      line.close();
    }
  }

  /** What comes first: a message, the end of the longest silence, or the wish to have the stream opened again. */
  async #told(line: WatchLine, signal: AbortSignal): Promise<Told | "silent" | "reopen"> {
    const { promise, resolve, reject } = Promise.withResolvers<Told | "silent" | "reopen">();
    const silence = setTimeout(() => resolve("silent"), this.#core.settings.progressMaxMs);
    const deaf = this.reopen.listen(() => resolve("reopen"));
    // What is not waited for to its end is waited for the next time.
    line.next().then(resolve, reject);
    try {
      return await either(promise, [signal]);
    } finally {
      clearTimeout(silence);
      deaf();
    }
  }

  #request(): Init<typeof WatchRequestSchema> {
    const { keepDependents, follow, progressMaxMs } = this.#core.settings;
    return {
      namespace: this.#namespace,
      selectors:
        typeof follow === "object"
          ? follow.prefixes.map((prefix) => ({ selector: { case: "prefix" as const, value: prefix } }))
          : [],
      // The usual ones, or all there are: evictions are not among the usual ones.
      eventTypes: keepDependents ? eventTypes() : [],
      progressInterval: wireDuration(Math.max(100, Math.floor(progressMaxMs / PROGRESS_SHARE))),
      followKeys: follow === "kept_keys",
    };
  }

  /** Has the stream opened again, after the last message that was taken in. */
  #prepare(line: WatchLine, token: Uint8Array): void {
    const opening = this.#core.opening();
    this.reopen.clear();
    line.reopen({
      resumeToken: token,
      excludeClientId: opening.hearsOwn ? "" : (this.#clientId ?? ""),
      keys: opening.keys ?? [],
    });
  }

  /** Tells and asks what there is to tell and to ask, one call at a time. */
  async #tellAll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const deaf = this.tell.listen(resolve);
      await either(promise, [signal]).finally(deaf);
      this.tell.clear();
      while ((await this.#update(signal)) || (await this.#revalidate(signal))) {
        if (signal.aborted) return;
      }
    }
  }

  async #update(signal: AbortSignal): Promise<boolean> {
    const update = this.#core.update(KEYS_PER_CALL);
    if (update === null) return false;
    const request = {
      namespace: this.#namespace,
      watchId: update.watch,
      addKeys: [...update.add],
      removeKeys: [...update.remove],
    };
    try {
      const response = await this.#calls.updateWatch(request, { signal });
      this.#core.updated(update, response.position);
      return true;
    } catch (failure) {
      this.#core.notUpdated(update, asError(failure).reason === "TOO_MANY_KEYS");
      // What is left to tell has its turn with the next message of the stream, what is to be asked now.
      await clock.sleep(jittered(TELL_WAIT_MS), signal);
      return false;
    }
  }

  async #revalidate(signal: AbortSignal): Promise<boolean> {
    const { asked, suspects } = this.#core.suspects(KEYS_PER_CALL, clock.sinceBoot());
    if (suspects.length === 0) return false;
    const size = await this.#calls.askedBatchItems({ signal });
    for (let from = 0; from < suspects.length; from += size) {
      const few = suspects.slice(from, from + size);
      const items = few.map((kept) => ({ key: kept.content.key, etag: kept.content.etag }));
      let results: RevalidateResult[] = [];
      try {
        results = (await this.#calls.revalidate({ namespace: this.#namespace, items }, { signal })).results;
      } catch (failure) {
        // What nobody confirms goes.
        this.#log.debug("kept values could not be confirmed, and are dropped", asError(failure));
      }
      for (const [index, suspect] of few.entries()) this.#core.confirm(asked, suspect, confirmation(results[index]));
    }
    return true;
  }
}

function confirmation(result: RevalidateResult | undefined): Confirmation | null {
  const stamp = stampOf(result?.asOf);
  const freshForMs = fromWire(result?.freshFor);
  if (result?.state !== RevalidateState.CURRENT || stamp === null || freshForMs === undefined) return null;
  return { stamp, freshForMs, usableForMs: fromWire(result.usableFor) ?? 0 };
}
