/**
 * One computation for many callers: who waits for what, and when nobody waits any more. What is computed lives in
 * `compute.ts`.
 */
import type { Codec } from "./codec.js";
import { either } from "./either.js";
import { cancelled, HotplateError, invalidArgument } from "./error.js";
import { type Release, Slots } from "./slots.js";
import { here, run, Waits, type Within } from "./within.js";

/** What a computation is shared by: equal only when a caller may take another's result. */
export interface FlightKey {
  readonly namespace: string;
  readonly key: string;
  readonly refresh: boolean;
  readonly codec: Codec<never> | Codec<unknown>;
}

/** Tells a running computation what happened around it. */
export class Course {
  readonly #abandoned = new AbortController();
  readonly #needed = Promise.withResolvers<void>();
  #outdated = false;
  #computed = false;

  /** Nobody waits any more. */
  get abandoned(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** Another computation waits for it, and may hold the place that it would wait for. */
  get needed(): Promise<void> {
    return this.#needed.promise;
  }

  /** Whether the result may be stored: nothing that concerns it was written or invalidated since it began. */
  get mayStore(): boolean {
    return !this.#outdated;
  }

  /** It has its value: from here on it is finished even when nobody waits. */
  computed(): void {
    this.#computed = true;
  }

  /** @internal */
  get isComputed(): boolean {
    return this.#computed;
  }

  /** @internal */
  abandon(): void {
    this.#abandoned.abort(new HotplateError("CANCELLED", "nobody waited for the computation any more"));
  }

  /** @internal */
  outdate(): void {
    this.#outdated = true;
  }

  /** @internal */
  need(): void {
    this.#needed.resolve();
  }
}

interface Flight {
  readonly key: FlightKey;
  readonly id: number;
  readonly course: Course;
  readonly outcome: Promise<unknown>;
  waiters: number;
  ended: boolean;
}

/** The computations of a client that are under way. */
export class Flights {
  readonly #flights = new Map<string, Flight>();
  readonly #codecs = new WeakMap<object, number>();
  readonly #waits = new Waits();
  readonly #slots: Slots;
  readonly #closing: AbortSignal;
  #codec = 0;
  #next = 0;

  /** At most so many computations at once; all end when `closing` is aborted. */
  constructor(computationsMax: number, closing: AbortSignal) {
    this.#slots = new Slots(computationsMax);
    this.#closing = closing;
  }

  /**
   * Waits for the computation of this key, starting it when there is none.
   *
   * @throws {HotplateError} What the computation ended with; `CANCELLED` when the signal is aborted or the client closed;
   *   `INVALID_ARGUMENT` when it would wait for itself.
   */
  async join<T>(key: FlightKey, signal: AbortSignal | undefined, compute: (course: Course) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw cancelled(signal);
    if (this.#closing.aborted) throw cancelled(this.#closing);
    const asks = here();
    const within = asks?.table === this ? asks.id : undefined;
    const name = this.#name(key);
    let flight = this.#flights.get(name);
    if (flight === undefined) {
      flight = this.#start(name, key, compute);
      // What is new waits for nobody yet.
      if (within !== undefined) this.#waits.enter(within, flight.id);
    } else {
      if (within !== undefined && !this.#waits.enter(within, flight.id)) {
        throw invalidArgument("key", "this computation asks for what waits for it: both would wait for ever");
      }
      flight.waiters += 1;
    }
    if (asks !== undefined) flight.course.need();
    try {
      return (await either(flight.outcome, [signal, this.#closing])) as T;
    } finally {
      if (within !== undefined) this.#waits.leave(within, flight.id);
      this.#leave(name, flight);
    }
  }

  /**
   * Waits until one more computation may run. What is only looked up, or waited for, needs no such place; what another
   * computation waits for takes one if there is one, and runs in that one's place otherwise.
   */
  turn(course: Course): Promise<Release | null> {
    return this.#slots.take(course.needed, course.abandoned);
  }

  /** A place for one more computation, if there is one now. */
  slot(): Release | null {
    return this.#slots.tryTake();
  }

  /** Runs a computation that nobody joins. */
  runAlone<T>(work: () => Promise<T>): Promise<T> {
    return run(this.#within(), work);
  }

  /**
   * Marks what is under way in a namespace as computed from what no longer holds: its callers get it, nobody else does, and it
   * is not stored.
   */
  outdate(namespace: string): void {
    this.#outdateIf((key) => key.namespace === namespace);
  }

  /** The same for one key, which was written. */
  outdateKey(namespace: string, key: string): void {
    this.#outdateIf((flight) => flight.key === key && flight.namespace === namespace);
  }

  #outdateIf(concerns: (key: FlightKey) => boolean): void {
    for (const [name, flight] of this.#flights) {
      if (concerns(flight.key)) {
        flight.course.outdate();
        // Who comes from now on begins anew. Those who wait still count.
        this.#flights.delete(name);
      }
    }
  }

  #start<T>(name: string, key: FlightKey, compute: (course: Course) => Promise<T>): Flight {
    const course = new Course();
    const within = this.#within();
    const outcome = run(within, () => compute(course)).finally(() => {
      flight.ended = true;
      // Who comes after an end begins anew: failures are not kept.
      if (this.#flights.get(name) === flight) this.#flights.delete(name);
    });
    // Everyone may have left by the time it fails.
    outcome.catch(() => undefined);
    const flight: Flight = { key, id: within.id, course, outcome, waiters: 1, ended: false };
    this.#flights.set(name, flight);
    return flight;
  }

  #leave(name: string, flight: Flight): void {
    flight.waiters -= 1;
    if (flight.waiters > 0 || flight.ended || flight.course.isComputed) return;
    flight.course.abandon();
    if (this.#flights.get(name) === flight) this.#flights.delete(name);
  }

  #within(): Within {
    this.#next += 1;
    return { table: this, id: this.#next, running: true };
  }

  #name(key: FlightKey): string {
    let codec = this.#codecs.get(key.codec);
    if (codec === undefined) {
      this.#codec += 1;
      codec = this.#codec;
      this.#codecs.set(key.codec, codec);
    }
    return JSON.stringify([codec, key.refresh, key.namespace, key.key]);
  }
}
