/**
 * What was invalidated while the cache was away: remembered, in order, and carried out when it is back. How a call is made, and
 * what a failure says of the cache, is decided in `gate.ts`.
 */
import { create } from "@bufbuild/protobuf";
import { PROBE_INTERVAL_MS } from "./breaker.js";
import * as clock from "./clock.js";
import { HotplateError, isOutage } from "./error.js";
import { type Selector, SelectorSchema } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import type { Log } from "./log.js";
import { jittered } from "./retry.js";

/** Selectors that fit one Invalidate. */
const SELECTORS_PER_CALL = 128;
/** How often a server that is there may fail at one of them, before it is widened, and then dropped. */
const FAULTS_MAX = 5;

/** Carries out some selectors of one namespace: null when that is done, else why not. */
export type Carry = (namespace: string, selectors: Selector[]) => Promise<HotplateError | null>;

/** How a journal is set up. */
export interface JournalSetup {
  /** Selectors that are remembered at most. */
  readonly journalMax: number;
  readonly log: Log;
  /** Wait between two tries, in milliseconds. */
  readonly probeMs?: number | undefined;
}

interface Remembered {
  readonly namespace: string;
  selector: Selector;
  /** How often the server failed at it. */
  faults: number;
}

/** The remembered invalidations of a client. They live in this process: when that ends, they are lost. */
export class Journal {
  readonly #setup: JournalSetup;
  /** In the order of coming. */
  readonly #waiting = new Set<Remembered>();
  #underWay: Promise<boolean> | null = null;
  #queued = 0;
  #replayed = 0;

  constructor(setup: JournalSetup) {
    this.#setup = setup;
  }

  /** Selectors that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Selectors that were remembered so far. */
  get queued(): number {
    return this.#queued;
  }

  /** Selectors that were carried out so far. */
  get replayed(): number {
    return this.#replayed;
  }

  /**
   * Remembers some selectors, all or none.
   *
   * @throws {HotplateError} Reason `JOURNAL_FULL`: to forget one would mean to serve what it dropped.
   */
  remember(namespace: string, selectors: readonly (Init<typeof SelectorSchema> | Selector)[]): void {
    if (this.#waiting.size + selectors.length > this.#setup.journalMax) {
      const full = "the cache is away and no more invalidations can be remembered: raise `journalMax`";
      throw new HotplateError("RESOURCE_EXHAUSTED", full, { reason: "JOURNAL_FULL" });
    }
    this.#queued += selectors.length;
    for (const selector of selectors) {
      this.#waiting.add({ namespace, selector: create(SelectorSchema, selector), faults: 0 });
    }
  }

  /**
   * Carries out what waits, oldest first, trying once a probe interval while the server is away. Ends when nothing waits any
   * more, or the signal is aborted. A process that has nothing else to do does not wait for it.
   */
  async replay(carry: Carry, signal: AbortSignal): Promise<void> {
    while (this.#waiting.size > 0 && !signal.aborted) {
      if (await this.once(carry)) continue;
      await clock.sleep(jittered(this.#setup.probeMs ?? PROBE_INTERVAL_MS), signal, true);
    }
  }

  /** The try that is under way, if one is. */
  get underWay(): Promise<boolean> | null {
    return this.#underWay;
  }

  /** Tries everything that waits once; whether all of it was dealt with. Ends at the first that finds the server away. */
  async once(carry: Carry): Promise<boolean> {
    this.#underWay = this.#once(carry);
    try {
      return await this.#underWay;
    } finally {
      this.#underWay = null;
    }
  }

  async #once(carry: Carry): Promise<boolean> {
    let all = true;
    for (const some of this.#batches()) {
      const error = await carry(some[0]?.namespace ?? "", selectorsOf(some));
      if (error === null) {
        this.#done(some);
      } else if (isAway(error)) {
        return false;
      } else if (some.length === 1) {
        all = this.#failed(some[0] as Remembered, error) && all;
      } else {
        // One that is bad must not take the rest of its batch with it, nor hold it up.
        for (const one of some) {
          const alone = await carry(one.namespace, [one.selector]);
          if (alone === null) this.#done([one]);
          else if (isAway(alone)) return false;
          else all = this.#failed(one, alone) && all;
        }
      }
    }
    return all;
  }

  /** What waits now, in pieces that fit a call each. */
  *#batches(): Generator<Remembered[]> {
    let some: Remembered[] = [];
    for (const one of [...this.#waiting]) {
      const fits = some.length < SELECTORS_PER_CALL && (some[0]?.namespace ?? one.namespace) === one.namespace;
      if (!fits) {
        yield some;
        some = [];
      }
      some.push(one);
    }
    if (some.length > 0) yield some;
  }

  #done(some: readonly Remembered[]): void {
    for (const one of some) {
      if (this.#waiting.delete(one)) this.#replayed += 1;
    }
  }

  /** A server that is there did not carry it out. Whether it has been dealt with now. */
  #failed(one: Remembered, error: HotplateError): boolean {
    const { log } = this.#setup;
    one.faults += 1;
    const isRefused = error.kind !== "INTERNAL";
    if (!isRefused && one.faults < FAULTS_MAX) return false;
    if (isRefused || one.selector.selector.case === "everything") {
      this.#waiting.delete(one);
      log.error("the server refused an invalidation made while it was away: it is dropped", error);
      return true;
    }
    one.selector = create(SelectorSchema, { selector: { case: "everything", value: true } });
    one.faults = 0;
    log.error(
      "the server fails at an invalidation made while it was away: it becomes one of its whole namespace",
      error,
    );
    return false;
  }
}

function selectorsOf(some: readonly Remembered[]): Selector[] {
  return some.map((one) => one.selector);
}

/** Whether nobody is there, as opposed to somebody who does not do it. */
function isAway(error: HotplateError): boolean {
  return error.kind !== "INTERNAL" && isOutage(error);
}
