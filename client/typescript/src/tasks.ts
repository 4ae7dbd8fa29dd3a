/** The one place of the client that starts work nobody waits for: all of it is tracked, and ends when its client is closed. */
import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { asError } from "./error.js";
import type { Log } from "./log.js";
import { outside } from "./within.js";

/** How long what is under way when a client is closed, and concerns others, may still take, in milliseconds. */
const LAST_WORD_MS = 200;

/** The tasks of a client. */
export class Tasks {
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly #late = new AbortController();
  readonly #log: Log;
  /** Work of the client belongs to whoever made it, and not to the request that came first. */
  readonly #context = AsyncLocalStorage.snapshot();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Runs a task until it ends or its client does; it is told by the signal, and its failure then is its end. */
  spawn(task: (signal: AbortSignal) => Promise<void>): void {
    if (this.isOver) return;
    const { signal } = this.#closing;
    const failed = (failure: unknown) => {
      // A task that was told to end may end by a failure. Any other is a fault of this program.
      if (!signal.aborted) this.#log.error("a task of the client failed", asError(failure));
    };
    this.#track(this.apart(() => task(signal).catch(failed)));
  }

  /**
   * Runs a task that has to be told to the server even when the client ends now. It ends by itself, within the time of a call,
   * and does not fail.
   */
  lastWord(word: () => Promise<void>): void {
    this.#track(this.apart(word));
  }

  /** Has the client wait at its end for what somebody else waits for, too. That ends with {@link Tasks.late} at the latest. */
  waitFor<T>(work: Promise<T>): Promise<T> {
    this.#track(work);
    return work;
  }

  /** Runs work in the surroundings in which the client was made, such as the values of an `AsyncLocalStorage`. */
  apart<T>(work: () => T): T {
    return this.#context(() => outside(work));
  }

  /** Aborted when the client is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Aborted a moment after the client is closed: for what concerns others, and is worth that moment. */
  get late(): AbortSignal {
    return this.#late.signal;
  }

  /** Whether all tasks were told to end. */
  get isOver(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Tells all tasks to end, lets last words be said, and waits for all of them. */
  async close(reason: Error): Promise<void> {
    this.#closing.abort(reason);
    const timer = setTimeout(() => this.#late.abort(reason), LAST_WORD_MS);
    // Whoever hears of it gives back what it holds, in turns of its own: those last words are waited for as well.
    await nextTurn();
    while (this.#running.size > 0) {
      await Promise.allSettled(this.#running);
      await nextTurn();
    }
    clearTimeout(timer);
    this.#late.abort(reason);
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work);
    const done = () => this.#running.delete(work);
    // What waits for a task lasts as long as that, and must not keep the surroundings of whoever started it.
    this.apart(() => work.then(done, done));
  }
}
