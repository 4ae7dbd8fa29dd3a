/**
 * A store for Keyv 5, and with it for cache-manager and whatever else takes a Keyv. It follows
 * Keyv's contract: times are milliseconds, a missing key is `undefined`, and failures are emitted as `error` as well.
 */
import { EventEmitter } from "node:events";
import { HotplateClient } from "./client.js";
import type { Codec } from "./codec.js";
import { codecError, HotplateError, invalidArgument } from "./error.js";
import type { Namespace } from "./namespace.js";
import { type Select, select } from "./selector.js";
import type { ClientOptions } from "./settings.js";
import type { Ttl } from "./ttl.js";

/** Selectors that fit one call. */
const SELECTORS_MAX = 128;
/** Keys that are asked about at once. */
const ASKED_AT_ONCE = 32;
/** Longest lifetime of an entry, in milliseconds: 100 years. */
const LIFETIME_MAX_MS = 100 * 365 * 86_400_000;
/** What text never begins with that Keyv serialized: JSON of another value follows. */
const MARK = "\0";

/** How a store is set up. */
export interface KeyvHotplateOptions {
  /** Lifetime of what Keyv sets without one. Default: that of the server's namespace; nothing lives for ever here. */
  readonly ttl?: Ttl | undefined;
}

/** One entry of {@link KeyvHotplate.setMany}. */
export interface KeyvHotplateEntry {
  readonly key: string;
  readonly value: unknown;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
}

/**
 * A Keyv store: `new Keyv({ store: new KeyvHotplate(cache.namespace("web")) })`.
 *
 * What Keyv calls a namespace is a prefix of keys here; several Keyvs can share one namespace of the server, each by a store of its
 * own: Keyv writes its namespace into the store. A cache that is away answers nothing and stores nothing, as the client does,
 * unless that was set up with `onError: "raise"`.
 */
export class KeyvHotplate extends EventEmitter {
  /** For Keyv: it iterates only stores of a dialect that it knows, and one with prefixes and a scan is `redis` to it. */
  readonly opts: { dialect: "redis"; url: string; [name: string]: unknown };
  /** Set by Keyv: what all its keys begin with, without the colon. */
  namespace: string | undefined;
  readonly #space: Namespace<unknown>;
  /** The client, where it was made here. */
  readonly #own: HotplateClient | null;
  readonly #ttl: Ttl | undefined;

  /** A store in a namespace of a client, which stays its caller's; or with a client of its own, ended by `disconnect`. */
  constructor(cache: Namespace<unknown> | ClientOptions, options: KeyvHotplateOptions = {}) {
    super();
    const isNamespace = "getOrCompute" in cache;
    this.#own = isNamespace ? null : new HotplateClient(cache);
    const space = isNamespace ? cache : (this.#own as HotplateClient).namespace();
    this.#space = space.withCodec(STORED);
    this.#ttl = options.ttl;
    this.opts = { dialect: "redis", url: `hotplate:${space.name}` };
  }

  /** The value of a key. */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv's contract has what it stores of the type that its caller names.
  async get(key: string): Promise<any> {
    const found = await this.#told(this.#space.get(key));
    return found.hit ? found.value : undefined;
  }

  /** The values of several keys, in their order. One that cannot be read is not there, and is emitted as an error. */
  // biome-ignore lint/suspicious/noExplicitAny: as for `get`.
  async getMany(keys: string[]): Promise<any[]> {
    const found = await this.#told(this.#space.getMany(keys));
    return found.map((one) => {
      if (one.outcome === "error") this.#failed(one.error);
      return one.hit ? one.value : undefined;
    });
  }

  /** Stores a value, for so many milliseconds where they are said. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const written = await this.#told(this.#space.put(key, value, { ttl: this.#lifetime(ttl) }));
    return written.outcome === "stored" || written.outcome === "refreshed";
  }

  /** Stores several values. */
  async setMany(entries: KeyvHotplateEntry[]): Promise<void> {
    const byTtl = Map.groupBy(entries, (entry) => entry.ttl);
    for (const [ttl, some] of byTtl) {
      const items = some.map((entry) => [entry.key, entry.value] as const);
      const written = await this.#told(this.#space.putMany(items, { ttl: this.#lifetime(ttl) }));
      for (const one of written) {
        if (one.outcome === "error") throw this.#failed(one.error);
      }
    }
  }

  /** Drops a key; whether there was one. */
  async delete(key: string): Promise<boolean> {
    return await this.#drop([select.key(key)]);
  }

  /** Drops several keys; whether there was one of them. */
  async deleteMany(keys: string[]): Promise<boolean> {
    let dropped = false;
    for (let at = 0; at < keys.length; at += SELECTORS_MAX) {
      const some = keys.slice(at, at + SELECTORS_MAX).map((key) => select.key(key));
      dropped = (await this.#drop(some)) || dropped;
    }
    return dropped;
  }

  /** Drops everything of Keyv's namespace; without one, all of the server's. */
  async clear(): Promise<void> {
    await this.#drop([this.#everything(this.namespace)]);
  }

  /** Whether there is such a key. */
  async has(key: string): Promise<boolean> {
    return await this.#told(this.#space.exists(key));
  }

  /** Whether there are such keys, in their order. */
  async hasMany(keys: string[]): Promise<boolean[]> {
    const found: boolean[] = [];
    for (let at = 0; at < keys.length; at += ASKED_AT_ONCE) {
      const some = keys.slice(at, at + ASKED_AT_ONCE).map((key) => this.#space.exists(key));
      found.push(...(await this.#told(Promise.all(some))));
    }
    return found;
  }

  /** Keys and values, in the order of the keys, of what is there when they are come to. */
  // biome-ignore lint/suspicious/noExplicitAny: as for `get`.
  async *iterator(namespace?: string): AsyncGenerator<any, void> {
    for await (const entry of this.#space.scan({ selectors: this.#everything(namespace) })) {
      const value: unknown = await this.get(entry.key);
      if (value !== undefined) yield [entry.key, value];
    }
  }

  /** Ends the client, where it is the store's own. */
  async disconnect(): Promise<void> {
    await this.#own?.close();
  }

  #everything(namespace: string | undefined): Select {
    return namespace === undefined || namespace === "" ? select.everything() : select.prefix(`${namespace}:`);
  }

  async #drop(selectors: Select[]): Promise<boolean> {
    const done = await this.#told(this.#space.invalidate(selectors));
    // What is remembered will be dropped: whether there was one nobody knows.
    return done.outcome === "done" ? done.matched > 0 : done.outcome === "queued";
  }

  #lifetime(ttl: number | undefined): Ttl | undefined {
    // Keyv takes zero for "no end", which nothing has here.
    if (ttl === undefined || ttl === 0 || ttl === Number.POSITIVE_INFINITY) return this.#ttl;
    if (Number.isNaN(ttl)) throw invalidArgument("ttl", "a lifetime is a number of milliseconds");
    return `${Math.min(Math.max(1, Math.ceil(ttl)), LIFETIME_MAX_MS)}ms`;
  }

  async #told<R>(work: Promise<R>): Promise<R> {
    try {
      return await work;
    } catch (failure) {
      throw this.#failed(failure);
    }
  }

  #failed(failure: unknown): unknown {
    // An `error` that nobody listens to would end the process.
    if (this.listenerCount("error") > 0) this.emit("error", failure);
    return failure;
  }
}

/** Text as it is; other values, of a Keyv that does not serialize, as JSON behind a mark. */
const STORED: Codec<unknown> = {
  contentType: "application/octet-stream",
  encode(value) {
    if (typeof value === "string" && !value.startsWith(MARK)) return Buffer.from(value);
    const text = JSON.stringify(value);
    if (text === undefined) throw codecError("the value has no JSON form");
    return Buffer.from(MARK + text);
  },
  decode(bytes) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
    if (!text.startsWith(MARK)) return text;
    try {
      return JSON.parse(text.slice(MARK.length)) as unknown;
    } catch {
      throw new HotplateError("CODEC", "the stored value is not what a Keyv store wrote");
    }
  },
};
