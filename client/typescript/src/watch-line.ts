/**
 * Streams that outlive their connection: opened when first asked for, opened again with growing waits when lost. What is made
 * of their messages is decided by those who read them.
 */

import type { Calls } from "./calls.js";
import * as clock from "./clock.js";
import { asError, cancelled, HotplateError, isOutage } from "./error.js";
import type { WatchRequestSchema, WatchResponse } from "./generated/hotplate/v1/cache_pb.js";
import type { Init } from "./init.js";
import { backoff, jittered } from "./retry.js";
import type { Incoming } from "./transport.js";

/** Wait before a lost stream is opened again for the first time, in milliseconds. */
const BACKOFF_FIRST_MS = 50;
/** Longest such wait, in milliseconds. */
const BACKOFF_MAX_MS = 5_000;

/** A stream that is open, or being opened. One `next` at a time. */
export class Line<O> {
  #open: Incoming<O> | null = null;
  #stop = new AbortController();
  /** Losses in a row since the last message. */
  failures = 0;

  /** Whether a stream is open. */
  get isOpen(): boolean {
    return this.#open !== null;
  }

  /** The next message of the stream, which `call` opens when there is none. */
  async message(call: (signal: AbortSignal) => Promise<Incoming<O>>): Promise<O> {
    const stop = this.#stop;
    try {
      if (this.#open === null) {
        if (this.failures > 0) {
          const waitMs = jittered(backoff(this.failures, BACKOFF_FIRST_MS, BACKOFF_MAX_MS));
          await clock.sleep(waitMs, stop.signal);
        }
        const opened = await call(stop.signal);
        if (stop.signal.aborted) {
          opened.cancel();
          throw cancelled(stop.signal);
        }
        this.#open = opened;
      }
      const message = await this.#open.next();
      if (message === undefined) throw new HotplateError("UNAVAILABLE", "the server closed the stream");
      this.failures = 0;
      return message;
    } catch (failure) {
      if (stop === this.#stop) this.close();
      throw failure;
    }
  }

  /** Lets go of the stream, if there is one. The next message opens another. */
  close(): void {
    this.#stop.abort(new HotplateError("CANCELLED", "the stream was closed"));
    this.#stop = new AbortController();
    this.#open?.cancel();
    this.#open = null;
  }
}

/** What comes from a watch, as the contract says it: a message, or that the connection was lost; the watch goes on by itself. */
export type Told =
  | { readonly is: "message"; readonly message: WatchResponse["message"] }
  | { readonly is: "lost"; readonly error: HotplateError };

/** A watch over as many streams as it takes. */
export class WatchLine {
  readonly #calls: Calls;
  #request: Init<typeof WatchRequestSchema>;
  readonly #closing: AbortSignal;
  readonly #line = new Line<WatchResponse>();
  /** What is waited for: who gives up a wait finds it again. */
  #pending: Promise<Told> | null = null;
  /** Rises when the stream is let go of: what came from the one before is not told. */
  #generation = 0;

  constructor(calls: Calls, request: Init<typeof WatchRequestSchema>, closing: AbortSignal) {
    this.#calls = calls;
    this.#request = request;
    this.#closing = closing;
  }

  /** Whether a stream is open. */
  get isOpen(): boolean {
    return this.#line.isOpen;
  }

  /** Continue after the last message with this. Empty before the first. */
  get token(): Uint8Array {
    return this.#request.resumeToken ?? new Uint8Array();
  }

  /**
   * What comes next, however long that takes. Whoever does not wait for the end of it gets the same the next time.
   *
   * @throws {HotplateError} What a reconnection cannot mend.
   */
  next(): Promise<Told> {
    if (this.#pending === null) {
      const generation = this.#generation;
      const pending = this.#told(generation).finally(() => {
        if (this.#pending === pending) this.#pending = null;
      });
      this.#pending = pending;
    }
    return this.#pending;
  }

  /** Lets go of the stream. The next one is opened with this as well. */
  reopen(how: Init<typeof WatchRequestSchema>): void {
    this.#request = { ...this.#request, ...how };
    this.#letGo();
  }

  /** Ends the stream. */
  close(): void {
    this.#letGo();
  }

  #letGo(): void {
    this.#generation += 1;
    this.#pending = null;
    this.#line.close();
  }

  async #told(generation: number): Promise<Told> {
    for (;;) {
      try {
        const response = await this.#line.message((signal) => this.#calls.watch(this.#request, { signal }));
        if (generation !== this.#generation) throw new HotplateError("CANCELLED", "the stream was closed");
        if (response.resumeToken.length > 0) {
          // What was there has begun to be told; the token, not a new listing, is what continues it.
          this.#request = { ...this.#request, resumeToken: response.resumeToken, includePresent: false };
        }
        if (response.message.case !== undefined) return { is: "message", message: response.message };
      } catch (failure) {
        const error = asError(failure);
        const final = generation !== this.#generation || this.#closing.aborted || !isOutage(error);
        if (final) throw error;
        this.#line.failures += 1;
        if (this.#line.failures === 1) return { is: "lost", error };
      }
    }
  }
}
