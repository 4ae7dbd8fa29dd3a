/** The near caches of a client: which namespaces have one, and what reads and writes tell it. `core.ts` is the rule, `feed.ts` what keeps it in step. */
import type { Calls } from "../calls.js";
import * as clock from "../clock.js";
import { configurationError } from "../error.js";
import type { GetResponse } from "../generated/hotplate/v1/cache_pb.js";
import type { Log } from "../log.js";
import type { Tasks } from "../tasks.js";
import { type Asked, NearCore } from "./core.js";
import { Feed } from "./feed.js";
import type { Kept } from "./kept.js";
import { type NearOptions, type NearSettings, type NearStats, nearSettings } from "./options.js";
import type { EntrySet } from "./selects.js";

/** Namespaces of a client that have a near cache at most: each has a stream and room of its own. */
const NAMESPACES_MAX = 64;

/** Which namespaces have a near cache: `all` that are not named; `null` for one that does without. */
export interface NearSetup {
  readonly all: NearSettings | null;
  readonly named: ReadonlyMap<string, NearSettings | null>;
}

/** The near caches of a client, made when a namespace is first used. */
export class Nears {
  readonly #all: NearSettings | null;
  readonly #named: Map<string, NearSettings | null>;
  readonly #made = new Map<string, Near>();
  readonly #calls: Calls;
  readonly #tasks: Tasks;
  readonly #clientId: string | null;
  readonly #log: Log;
  /** There are as many as may be, which was said. */
  #isFull = false;

  /** `clientId` is the name this client writes under, where nobody else does. */
  constructor(setup: NearSetup, calls: Calls, tasks: Tasks, clientId: string | null, log: Log) {
    this.#all = setup.all;
    this.#named = new Map(setup.named);
    this.#calls = calls;
    this.#tasks = tasks;
    this.#clientId = clientId;
    this.#log = log;
  }

  /**
   * Sets up one namespace, before it is first used.
   *
   * @throws {HotplateError} `CONFIGURATION` when it is in use with other settings.
   */
  setUp(namespace: string, options: NearOptions | false): void {
    const name = namespace === "" ? "default" : namespace;
    const settings = options === false ? null : nearSettings(options);
    const made = this.#made.get(name);
    if (made !== undefined && JSON.stringify(made.settings) !== JSON.stringify(settings)) {
      throw configurationError("nearCache: this namespace has a near cache with other settings already");
    }
    this.#named.set(name, settings);
  }

  /** The near cache of a namespace, if it has one. */
  of(namespace: string): Near | undefined {
    const name = namespace === "" ? "default" : namespace;
    const settings = this.#named.has(name) ? this.#named.get(name) : this.#all;
    if (settings == null) return undefined;
    const made = this.#made.get(name);
    if (made !== undefined) return made;
    if (this.#made.size >= NAMESPACES_MAX) {
      if (!this.#isFull) {
        this.#isFull = true;
        this.#log.warn(`a client has at most ${NAMESPACES_MAX} near caches: further namespaces go without`);
      }
      return undefined;
    }
    const core = new NearCore(settings);
    const near = new Near(core, new Feed(core, this.#calls, name, this.#clientId, this.#log), this.#calls, this.#tasks);
    this.#made.set(name, near);
    return near;
  }
}

/** One namespace's near cache. */
export class Near {
  readonly #core: NearCore;
  readonly #feed: Feed;
  readonly #calls: Calls;
  readonly #tasks: Tasks;
  #started = false;

  constructor(core: NearCore, feed: Feed, calls: Calls, tasks: Tasks) {
    this.#core = core;
    this.#feed = feed;
    this.#calls = calls;
    this.#tasks = tasks;
  }

  /** How it is set up. */
  get settings(): NearSettings {
    return this.#core.settings;
  }

  /** What may be served of a key now. */
  hit(key: string, maxAgeMs: number | undefined): Kept | undefined {
    return this.#core.hit(key, maxAgeMs, clock.sinceBoot());
  }

  /** Notes that the server is asked now; the first time, begins to follow what changes. */
  ask(): Fill {
    if (!this.#started) {
      this.#started = true;
      this.#tasks.spawn((signal) => this.#feed.run(signal));
    }
    return new Fill(this.#core, this.#feed, this.#core.ask(clock.sinceBoot()));
  }

  /** Notes that this client writes what these cover. Nothing it kept of them is served from now on. */
  write(sets: readonly EntrySet[]): OwnWrite {
    this.#core.wrote(sets);
    return new OwnWrite(this.#core, this.#feed, this.#calls, sets);
  }

  /** What it did and holds. */
  stats(): NearStats {
    return this.#core.stats(clock.sinceBoot());
  }
}

/** A question on its way to the server. */
export class Fill {
  readonly #core: NearCore;
  readonly #feed: Feed;
  readonly #asked: Asked;

  constructor(core: NearCore, feed: Feed, asked: Asked) {
    this.#core = core;
    this.#feed = feed;
    this.#asked = asked;
  }

  /** Keeps the answer if it may be kept. */
  offer(key: string, response: GetResponse): void {
    const payload = response.entry?.payload;
    // What cannot fit, as it came and as it is read, is not copied first.
    if (payload?.case === "value" && payload.value.length > this.#core.settings.bytesMax / 2) {
      this.#core.refuseAsTooLarge(key);
    } else if (this.#core.offer(this.#asked, key, response)) {
      this.#feed.tell.notify();
    }
  }
}

/** A write of this client that is under way. Ended before it was answered, it may still happen. */
export class OwnWrite {
  readonly #core: NearCore;
  readonly #feed: Feed;
  readonly #calls: Calls;
  readonly #sets: readonly EntrySet[];
  /** Calls that had been sent again when it began. */
  readonly #repeats: number;
  #ended = false;

  constructor(core: NearCore, feed: Feed, calls: Calls, sets: readonly EntrySet[]) {
    this.#core = core;
    this.#feed = feed;
    this.#calls = calls;
    this.#sets = sets;
    this.#repeats = calls.repeats;
  }

  /** The server has answered. Call it before the caller is. */
  answered(): void {
    // What was sent twice may happen once more, and nobody is told when.
    if (this.#calls.repeats !== this.#repeats) return;
    this.#ended = true;
    this.#core.wrote(this.#sets);
  }

  /** The write is over, however it ended. Belongs in a `finally`. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#core.mayHaveWritten(this.#sets)) this.#feed.reopen.notify();
  }
}
