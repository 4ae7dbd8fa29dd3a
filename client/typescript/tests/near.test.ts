/** The near cache without a network: against an oracle in random orders, and within its bounds. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  DiscontinuityReason,
  EventType,
  GetOutcome,
  type GetResponse,
  GetResponseSchema,
  WatchResponseSchema,
} from "../src/generated/hotplate/v1/cache_pb.js";
import { json } from "../src/index.js";
import type { Init } from "../src/init.js";
import { type Asked, NearCore } from "../src/near/core.js";
import { type NearOptions, nearSettings } from "../src/near/options.js";
import { type EntrySet, setOfKey } from "../src/near/selects.js";
import { wireDuration } from "../src/ttl.js";

const LOG = 3;
const SETS = 64;
const HOUR = wireDuration(3_600_000);
const CODEC = json<number>();

/** A small generator of numbers that are the same for a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function coreOf(options: NearOptions = {}, fencesMax = 4): NearCore {
  return new NearCore(nearSettings({ progressMax: 600, ttlMax: 3_600, ...options }), fencesMax);
}

function position(epoch: number, key: number, set: number) {
  const at = (log: number, number: number) => ({ log, epoch: BigInt(epoch), number: BigInt(number) });
  return { logs: [at(LOG, key), at(SETS, set)] };
}

function answer(value: number, epoch: number, key: number, set: number, tags: string[] = []): GetResponse {
  return create(GetResponseSchema, {
    outcome: GetOutcome.HIT,
    asOf: position(epoch, key, set),
    entry: {
      payload: { case: "value", value: CODEC.encode(value) },
      metadata: { freshFor: HOUR, usableFor: HOUR, contentType: CODEC.contentType, tags },
    },
  });
}

type Message = Init<typeof WatchResponseSchema>["message"];

function take(core: NearCore, message: Message, continued: boolean, now: number): boolean {
  return core.take(create(WatchResponseSchema, { message: message as never }).message, continued, now);
}

/** A server with four keys, whose changes and answers are on their way for as long as chance wants. */
class Oracle {
  readonly core: NearCore;
  readonly #random: (below: number) => number;
  #epoch = 1;
  #number = 0;
  #sets = 0;
  /** The newest value of each key: the number of its change. */
  readonly #values = new Map<string, number>();
  /** What a reader must not be behind any more. */
  readonly #seen = new Map<string, number>();
  #events: { number: number; set: number; key: string | null }[] = [];
  readonly #asked: { key: string; asked: Asked; response: GetResponse | null }[] = [];
  #connected = false;
  #everConnected = false;
  #now = 1_000;
  served = 0;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.core = coreOf({}, 12);
    for (const key of ["a", "b", "c", "d"]) this.#values.set(key, 0);
  }

  #key(): string {
    return "abcd"[this.#random(4)] as string;
  }

  step(): void {
    this.#now += 1;
    const chance = this.#random(100);
    // A lost stream is opened again soon.
    if (!this.#connected && chance < 15) {
      this.#line();
      return;
    }
    if (chance < 6) this.#put(this.#key());
    else if (chance < 8) this.#drop();
    else if (chance < 33) this.#deliver();
    else if (chance < 45) this.#asked.push({ key: this.#key(), asked: this.core.ask(this.#now), response: null });
    else if (chance < 69) this.#answerOne();
    else if (chance < 72) this.#own();
    else if (chance < 73) this.#line();
    else this.#read(this.#key());
  }

  /** A set is dropped: all keys have its tag, and are made anew. */
  #drop(): void {
    this.#sets += 1;
    for (const key of this.#values.keys()) this.#values.set(key, this.#number + this.#sets * 1_000_000);
    this.#events.push({ number: this.#number, set: this.#sets, key: null });
  }

  #put(key: string): void {
    this.#number += 1;
    this.#values.set(key, this.#number + this.#sets * 1_000_000);
    this.#events.push({ number: this.#number, set: this.#sets, key });
  }

  /** The next change is told, or that there is none. */
  #deliver(): void {
    if (!this.#connected) return;
    const event = this.#events.shift();
    if (event === undefined) {
      const at = position(this.#epoch, this.#number, this.#sets);
      expect(take(this.core, { case: "progress", value: { position: at } }, true, this.#now)).toBe(true);
      return;
    }
    const log = { epoch: BigInt(this.#epoch) };
    const told =
      event.key === null
        ? {
            type: EventType.SET_INVALIDATED,
            selector: { selector: { case: "tag" as const, value: "t" } },
            position: { ...log, log: SETS, number: BigInt(event.set) },
          }
        : { type: EventType.PUT, key: event.key, position: { ...log, log: LOG, number: BigInt(event.number) } };
    expect(take(this.core, { case: "events", value: { events: [told] } }, true, this.#now)).toBe(true);
    const keys = event.key === null ? [...this.#values.keys()] : [event.key];
    for (const key of keys) this.#mustSee(key, event.number + event.set * 1_000_000);
  }

  #mustSee(key: string, value: number): void {
    this.#seen.set(key, Math.max(this.#seen.get(key) ?? 0, value));
  }

  /** The server answers a question, or an answer of before arrives. */
  #answerOne(): void {
    const at = this.#random(this.#asked.length);
    const one = this.#asked[at];
    if (one === undefined) return;
    if (one.response === null) {
      const value = this.#values.get(one.key) ?? 0;
      one.response = answer(value, this.#epoch, this.#number, this.#sets, ["t"]);
    } else {
      this.core.offer(one.asked, one.key, one.response);
      this.#asked.splice(at, 1);
    }
  }

  /** A write of this client, answered at once. */
  #own(): void {
    const key = this.#key();
    const sets: EntrySet[] = [setOfKey(key)];
    this.core.wrote(sets);
    this.#put(key);
    // The stream leaves out what this client does itself.
    this.#events.pop();
    this.core.wrote(sets);
    this.#mustSee(key, this.#values.get(key) ?? 0);
  }

  /** The stream is opened, lost, or loses changes. */
  #line(): void {
    const at = position(this.#epoch, this.#number, this.#sets);
    if (!this.#connected) {
      this.core.opening();
      this.#connected = true;
      const value = { position: at, watchId: "w" };
      expect(take(this.core, { case: "created", value }, this.#everConnected, this.#now)).toBe(true);
      // A stream that begins anew is told nothing of before.
      if (!this.#everConnected) this.#events = [];
      this.#everConnected = true;
      // What happened while there was no stream is known to all before anything is served again.
      for (const [key, newest] of this.#values) this.#mustSee(key, newest);
    } else if (this.#random(3) > 0) {
      this.core.lost();
      this.#connected = false;
    } else {
      const isNew = this.#random(2) === 0;
      if (isNew) this.#epoch += 1;
      const value = {
        position: position(this.#epoch, this.#number, this.#sets),
        reason: isNew ? DiscontinuityReason.NEW_EPOCH : DiscontinuityReason.HISTORY_TRIMMED,
      };
      this.#events = [];
      expect(take(this.core, { case: "discontinuity", value }, true, this.#now)).toBe(true);
      for (const [key, newest] of this.#values) this.#mustSee(key, newest);
    }
  }

  #read(key: string): void {
    const found = this.core.hit(key, undefined, this.#now)?.lookup(CODEC, this.#now, false);
    if (found?.outcome !== "hit") return;
    this.served += 1;
    expect(found.value, `key ${key}`).toBeGreaterThanOrEqual(this.#seen.get(key) ?? 0);
  }
}

describe("in random orders", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])("nothing is served that is known to be old (seed %i)", (seed) => {
    const oracle = new Oracle(seed);
    for (let n = 0; n < 30_000; n += 1) oracle.step();
    expect(oracle.served, "it serves at all").toBeGreaterThan(100);
  });
});

describe("the bounds", () => {
  const opened = (options: NearOptions) => {
    const core = coreOf(options, 4_096);
    core.opening();
    take(core, { case: "created", value: { position: position(1, 0, 0), watchId: "w" } }, false, 1);
    return core;
  };

  it("of entries and bytes are kept, and the least used goes first", () => {
    const core = opened({ bytesMax: 64 << 10, entriesMax: 16 });
    for (let n = 0; n < 16; n += 1) core.offer(core.ask(1), `k${n}`, answer(n, 1, 0, 0));
    expect(core.stats(1).entries).toBe(16);
    expect(core.hit("k0", undefined, 1)).toBeDefined();
    core.offer(core.ask(1), "more", answer(1, 1, 0, 0));
    expect(core.stats(1)).toMatchObject({ entries: 16, evicted: 1 });
    expect(core.stats(1).bytes).toBeLessThanOrEqual(64 << 10);
    expect(core.hit("k0", undefined, 1), "just used").toBeDefined();
    expect(core.hit("k1", undefined, 1), "the oldest").toBeUndefined();
  });

  it("refuse what never fits, and drop the older one", () => {
    const core = opened({ bytesMax: 64 << 10 });
    core.offer(core.ask(1), "k", answer(1, 1, 0, 0));
    const large = answer(1, 1, 0, 0);
    if (large.entry !== undefined) large.entry.payload = { case: "value", value: new Uint8Array(40 << 10) };
    core.offer(core.ask(1), "k", large);
    expect(core.stats(1)).toMatchObject({ entries: 0, bytes: 0 });
    expect(core.stats(1).refused.tooLarge).toBe(1);
  });

  it("of followed keys are kept: those that nothing is kept of give way", () => {
    const core = opened({ follow: "kept_keys", entriesMax: 8 });
    for (let n = 0; n < 100; n += 1) core.offer(core.ask(1), `k${n}`, answer(n, 1, 0, 0));
    expect(core.stats(1).followed).toBeLessThanOrEqual(8);
    const update = core.update(100);
    expect(update?.add.length).toBeLessThanOrEqual(8);
    expect(update?.remove, "the server never heard of them").toEqual([]);
  });

  it("of what is remembered are kept, and cost no more than a refusal", () => {
    const core = opened({});
    const asked = core.ask(1);
    for (let n = 0; n < 10_000; n += 1) core.wrote([setOfKey(`x${n}`)]);
    core.offer(asked, "k", answer(1, 1, 0, 0));
    expect(core.stats(1).refused.ownWrite, "it may have been among what was forgotten").toBe(1);
    core.offer(core.ask(1), "k", answer(1, 1, 0, 0));
    expect(core.stats(1).entries).toBe(1);
  });

  it("of time are kept: after silence, after its lifetime, after sleep", () => {
    const core = opened({ progressMax: "1s", ttlMax: "10s" });
    core.offer(core.ask(1), "k", answer(1, 1, 0, 0));
    expect(core.hit("k", undefined, 1_000)).toBeDefined();
    expect(core.hit("k", undefined, 1_001), "a second without a word").toBeUndefined();
    const progress: Message = { case: "progress", value: { position: position(1, 0, 0) } };
    expect(take(core, progress, true, 1_002), "what comes too late is no news").toBe(false);
    expect(core.hit("k", 10, 900), "older than was asked for").toBeUndefined();
  });
});
