/**
 * One computation for many callers: who waits for what, and when nobody waits any more. What is computed lives in
 * `compute.ts`.
 */
import type { Codec } from "./codec.js";
import { either } from "./either.js";
import { cancelled, HotplateError, invalidArgument } from "./error.js";
import { type Release, Slots } from "./slots.js";
import { Storings } from "./storing.js";
import { here, run, Waits, type Within } from "./within.js";

/** What a computation is shared by: equal only when a caller may take another's result. */
export interface FlightKey {
  readonly namespace: string;
  readonly key: string;
  readonly refresh: boolean;
  /** Nothing older than so many milliseconds. */
  readonly maxAgeMs: number | null;
  /** Whether a stale value will do. */
  readonly stale: boolean;
  /** Whether no lease is asked for. */
  readonly perProcess: boolean;
  readonly codec: Codec<never> | Codec<unknown>;
}

/** Tells a running computation what happened around it. */
export class Course {
  readonly #abandoned = new AbortController();
  readonly #needed = Promise.withResolvers<void>();
  #outdated = false;
  #computed = false;
  /** A call is on the wire whose answer may be a lease. */
  #asking = false;
  /** Told when such a call has ended. */
  readonly #asked: () => void;
  readonly #members: ReadonlySet<object>;

  constructor(asked: () => void, members: ReadonlySet<object>) {
    this.#asked = asked;
    this.#members = members;
  }

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

  /**
   * Makes a call whose answer may be a lease, and which is therefore not torn off when the last caller leaves: an answer that
   * nobody reads would hold all others up. Nobody may wait any more when it has ended: then {@link Course.abandoned} is aborted.
   */
  async asking<A>(call: () => Promise<A>): Promise<A> {
    this.#asking = true;
    try {
      return await call();
    } finally {
      this.#asking = false;
      this.#asked();
    }
  }

  /** Whether anybody waits. */
  get isWaitedFor(): boolean {
    return this.#members.size > 0;
  }

  /** Of those who wait, who came first: what it wants computed is computed, and not what somebody wanted who left. */
  get member(): object | undefined {
    return this.#members.values().next().value;
  }

  /** @internal */
  get isAsking(): boolean {
    return this.#asking;
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
  /** Who waits, in the order of coming. */
  readonly members: Set<object>;
  ended: boolean;
}

/** The computations of a client that are under way. */
export class Flights {
  readonly #flights = new Map<string, Flight>();
  readonly #codecs = new WeakMap<object, number>();
  /** The numbers of keys that are computed, and by how many computations: who waits for one of a key waits for its lease. */
  readonly #ids = new Map<string, { readonly id: number; uses: number }>();
  readonly #waits = new Waits();
  readonly #slots: Slots;
  /** The values that were computed and are being stored. */
  readonly storings: Storings;
  readonly #closing: AbortSignal;
  #codec = 0;
  #next = 0;

  /** At most so many computations at once, and so many values that are being stored; all end when `closing` is aborted. */
  constructor(computationsMax: number, closing: AbortSignal) {
    this.#slots = new Slots(computationsMax);
    this.storings = new Storings(computationsMax);
    this.#closing = closing;
  }

  /**
   * Waits for the computation of this key, starting it when there is none. `member` stands for the caller, once.
   *
   * @throws {HotplateError} What the computation ended with; `CANCELLED` when the signal is aborted or the client closed;
   *   `INVALID_ARGUMENT` when it would wait for itself.
   */
  async join<T>(
    key: FlightKey,
    signal: AbortSignal | undefined,
    member: object,
    compute: (course: Course) => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted) throw cancelled(signal);
    if (this.#closing.aborted) throw cancelled(this.#closing);
    const asks = here();
    const within = asks?.table === this ? asks.id : undefined;
    const name = this.#name(key);
    // Whatever is accepted: one lease is waited for by all who ask for a key.
    const known = this.#ids.get(nameOf(key.namespace, key.key))?.id;
    if (within !== undefined && known !== undefined && !this.#waits.enter(within, known)) {
      throw invalidArgument("key", "this computation asks for what waits for it: both would wait for ever");
    }
    let flight = this.#flights.get(name);
    if (flight === undefined) {
      flight = this.#start(name, key, member, compute);
      // What is new waits for nobody yet.
      if (within !== undefined && known === undefined) this.#waits.enter(within, flight.id);
    } else {
      flight.members.add(member);
    }
    if (asks !== undefined) flight.course.need();
    try {
      return (await either(flight.outcome, [signal, this.#closing])) as T;
    } finally {
      if (within !== undefined) this.#waits.leave(within, flight.id);
      flight.members.delete(member);
      // What is on the wire goes to its end, and who asks meanwhile joins it.
      if (!flight.course.isAsking) this.#abandonIfLeft(name, flight);
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

  /** Runs a computation of a key that nobody joins. */
  async runAlone<T>(namespace: string, key: string, work: () => Promise<T>): Promise<T> {
    const { within, release } = this.#within(namespace, key);
    try {
      return await run(within, work);
    } finally {
      release();
    }
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

  #outdateIf(concerns: (key: Pick<FlightKey, "namespace" | "key">) => boolean): void {
    this.storings.outdate(concerns);
    for (const [name, flight] of this.#flights) {
      if (concerns(flight.key)) {
        flight.course.outdate();
        // Who comes from now on begins anew. Those who wait still count.
        this.#flights.delete(name);
      }
    }
  }

  #start<T>(name: string, key: FlightKey, member: object, compute: (course: Course) => Promise<T>): Flight {
    const members = new Set([member]);
    const course = new Course(() => this.#abandonIfLeft(name, flight), members);
    const { within, release } = this.#within(key.namespace, key.key);
    const outcome = run(within, () => compute(course)).finally(() => {
      flight.ended = true;
      release();
      // Who comes after an end begins anew: failures are not kept.
      if (this.#flights.get(name) === flight) this.#flights.delete(name);
    });
    // Everyone may have left by the time it fails.
    outcome.catch(() => undefined);
    const flight: Flight = { key, id: within.id, course, outcome, members, ended: false };
    this.#flights.set(name, flight);
    return flight;
  }

  #abandonIfLeft(name: string, flight: Flight): void {
    if (flight.members.size > 0 || flight.ended || flight.course.isComputed) return;
    flight.course.abandon();
    if (this.#flights.get(name) === flight) this.#flights.delete(name);
  }

  #within(namespace: string, key: string): { within: Within; release: () => void } {
    const name = nameOf(namespace, key);
    let known = this.#ids.get(name);
    if (known === undefined) {
      this.#next += 1;
      known = { id: this.#next, uses: 0 };
      this.#ids.set(name, known);
    }
    const own = known;
    own.uses += 1;
    const release = () => {
      own.uses -= 1;
      if (own.uses === 0) this.#ids.delete(name);
    };
    return { within: { table: this, id: own.id, running: true }, release };
  }

  #name(key: FlightKey): string {
    let codec = this.#codecs.get(key.codec);
    if (codec === undefined) {
      this.#codec += 1;
      codec = this.#codec;
      this.#codecs.set(key.codec, codec);
    }
    const { refresh, maxAgeMs, stale, perProcess } = key;
    return JSON.stringify([codec, refresh, maxAgeMs, stale, perProcess, key.namespace, key.key]);
  }
}

function nameOf(namespace: string, key: string): string {
  return JSON.stringify([namespace, key]);
}
