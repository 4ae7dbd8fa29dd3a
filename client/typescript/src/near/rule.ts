/**
 * The near-cache rule: which answers may be kept, and when what is kept may be served. It knows positions and sets, no values,
 * no clock and no network; `docs/model.md` tells where it was checked in every order.
 */
import { type EntrySet, type Facts, selects } from "./selects.js";

/** Logs of a server: 0 to 63 hold changes of keys, the last one changes of sets. */
export const LOGS = 65;
/** The log of changes of sets. */
export const SET_LOG = LOGS - 1;

/** A number for each log, of one epoch. Numbers and epochs are opaque but for their order. */
export interface Place {
  readonly epoch: bigint;
  readonly numbers: readonly bigint[];
}

/** How current an answer is: where the log of its key and the log of sets were when it was found valid. */
export interface Stamp {
  readonly epoch: bigint;
  readonly log: number;
  readonly key: bigint;
  readonly set: bigint;
}

/** One change that the stream told. */
export interface Change {
  readonly epoch: bigint;
  readonly log: number;
  readonly number: bigint;
  readonly what: EntrySet;
}

/** What an answer brings along for the decision; `ticket`: what this client had written when it asked. */
export interface Candidate {
  readonly key: string;
  readonly facts: Facts;
  readonly stamp: Stamp;
  readonly ticket: number;
}

/** Why an answer is not kept by this rule. */
export type Unfit = "notSynced" | "otherHistory" | "overtaken" | "ownWrite";

type Line = "lost" | "catchingUp" | "synced";

/** What the near cache knows of one namespace's changes. Methods that answer `false` ask for the stream to be opened again. */
export class Rule {
  readonly #progressMaxMs: number;
  readonly #fencesMax: number;
  #line: Line = "lost";
  #heardAt = 0;
  #epoch = 0n;
  #numbers: bigint[] = new Array<bigint>(LOGS).fill(0n);
  /** Changes that were told, for answers that left before them; the oldest give way to `floors`. */
  #fences: Change[] = [];
  /** An answer that is not as current as this may have been overtaken by what was forgotten. */
  #floors: bigint[] = new Array<bigint>(LOGS).fill(0n);
  #own: { ticket: number; set: EntrySet }[] = [];
  #ownNow = 0;
  #ownFloor = 0;

  /**
   * Nothing is served and kept until a stream is there. `fencesMax` bounds what is remembered of the stream, and of what this
   * client wrote.
   */
  constructor(progressMaxMs: number, fencesMax: number) {
    this.#progressMaxMs = progressMaxMs;
    this.#fencesMax = fencesMax;
  }

  /**
   * The stream exists. One that continues after a token serves only when it has caught up. `false`: what is kept must go, as
   * nothing is known of what came before.
   */
  created(at: Place, continued: boolean, now: number): boolean {
    this.#heardAt = now;
    if (continued && at.epoch === this.#epoch) {
      this.#line = "catchingUp";
      return true;
    }
    this.#startOver(at);
    return false;
  }

  /**
   * A message came. After a silence that is longer than allowed, what waited in between is too old: a program or machine that
   * was paused would otherwise take it for news.
   */
  hear(now: number): boolean {
    if (this.#line === "lost" || now - this.#heardAt >= this.#progressMaxMs) {
      this.lost();
      return false;
    }
    this.#heardAt = now;
    return true;
  }

  /** Everything up to here was told. */
  progress(at: Place): boolean {
    if (!this.#sameHistory(at.epoch)) return false;
    for (const [log, told] of at.numbers.entries()) this.#reached(log, told);
    this.#line = "synced";
    return true;
  }

  /** Remembers a change. Call it after what it covers was dropped. */
  changed(change: Change): boolean {
    if (!this.#sameHistory(change.epoch)) return false;
    this.#reached(change.log, change.number);
    this.#fences.push(change);
    if (this.#fences.length > this.#fencesMax) {
      const oldest = this.#fences.shift();
      if (oldest !== undefined && oldest.number > (this.#floors[oldest.log] ?? 0n)) {
        this.#floors[oldest.log] = oldest.number;
      }
    }
    return true;
  }

  /** Changes up to here were lost; from here on the stream is complete. */
  discontinued(at: Place): void {
    this.#startOver(at);
  }

  /** The stream is gone. */
  lost(): void {
    this.#line = "lost";
  }

  /** What this client has written so far: take it before asking. */
  ticket(): number {
    return this.#ownNow;
  }

  /** This client writes, or has written, what these cover. Call it before the call and again when it has ended. */
  wrote(sets: readonly EntrySet[]): void {
    this.#ownNow += 1;
    for (const set of sets) this.#own.push({ ticket: this.#ownNow, set });
    while (this.#own.length > this.#fencesMax) {
      const oldest = this.#own.shift();
      this.#ownFloor = Math.max(this.#ownFloor, oldest?.ticket ?? 0);
    }
  }

  /** Why an answer may not be kept; null: it may. */
  unfit(candidate: Candidate): Unfit | null {
    const { stamp, key, facts } = candidate;
    if (this.#line !== "synced") return "notSynced";
    if (stamp.epoch !== this.#epoch || stamp.log >= SET_LOG) return "otherHistory";
    const forgotten = candidate.ticket < this.#ownFloor;
    if (forgotten || this.#own.some((own) => own.ticket > candidate.ticket && selects(own.set, key, facts))) {
      return "ownWrite";
    }
    if (stamp.key < (this.#floors[stamp.log] ?? 0n) || stamp.set < (this.#floors[SET_LOG] ?? 0n)) return "overtaken";
    const ahead = stamp.key >= (this.#numbers[stamp.log] ?? 0n) && stamp.set >= (this.#numbers[SET_LOG] ?? 0n);
    const later = (fence: Change) => overtakes(fence, stamp) && selects(fence.what, key, facts);
    return !ahead && this.#fences.some(later) ? "overtaken" : null;
  }

  /** Until when what is kept may be served, if nothing else is heard; zero: not at all. */
  get servesUntil(): number {
    return this.#line === "synced" ? this.#heardAt + this.#progressMaxMs : 0;
  }

  /** Whether the stream is there and has caught up. */
  get synced(): boolean {
    return this.#line === "synced";
  }

  /** When the stream was last heard; zero: never. */
  get heardAt(): number {
    return this.#heardAt;
  }

  #reached(log: number, number: bigint): void {
    if (number > (this.#numbers[log] ?? 0n)) this.#numbers[log] = number;
  }

  #sameHistory(epoch: bigint): boolean {
    if (epoch === this.#epoch) return true;
    this.lost();
    return false;
  }

  #startOver(at: Place): void {
    this.#epoch = at.epoch;
    this.#numbers = [...at.numbers];
    this.#floors = [...at.numbers];
    this.#fences = [];
    this.#line = "synced";
  }
}

/** Whether something with this stamp does not reflect a change. */
export function overtakes(change: Change, stamp: Stamp): boolean {
  return change.log === SET_LOG ? change.number > stamp.set : change.log === stamp.log && change.number > stamp.key;
}
