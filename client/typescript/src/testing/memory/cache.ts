/** A cache in memory for tests of programs that use one, with a clock that the test moves, and faults. */
import { HotplateClient } from "../../client.js";
import { HotplateError } from "../../error.js";
import type { ClientOptions } from "../../settings.js";
import { type DurationInput, durationMs } from "../../ttl.js";
import { checkNamespace } from "./checks.js";
import { Space } from "./space.js";
import { MemoryTransport } from "./transport.js";

/**
 * What a cache in memory holds, and how it behaves. Several clients may share one, as processes share a server:
 * `cache.client()`.
 *
 * It does what the contract says, with these exceptions: no jitter, no limits and no eviction, no origins (`preload` and
 * `refresh` fail with `NO_ORIGIN`), uploads cannot be followed, and `explain` tells no history. What it proves of a program
 * should be proved once more on a real server: {@link startLocalServer}.
 */
export class MemoryCache {
  readonly #spaces = new Map<string, Space>();
  #advancedMs = 0;
  #failures: HotplateError[] = [];
  #away = false;

  /** A client of this cache: the real one, whose calls end here. */
  client(options: ClientOptions = {}): HotplateClient {
    return new HotplateClient(options, new MemoryTransport(this));
  }

  /** Lets time pass: what has lived long enough is gone. Timers, and how long calls take, are not concerned. */
  advance(duration: DurationInput): void {
    this.#advancedMs += durationMs("duration", duration);
    for (const space of this.#spaces.values()) space.leases.wakeAll();
  }

  /** Whether it is away: then every call fails with `UNAVAILABLE`, and watches lose their stream. */
  get away(): boolean {
    return this.#away;
  }

  set away(away: boolean) {
    this.#away = away;
    if (away) for (const space of this.#spaces.values()) space.history.drop(gone());
  }

  /** Has the next calls fail with these errors, one each. */
  failNext(...errors: HotplateError[]): void {
    this.#failures.push(...errors);
  }

  /** Forgets everything, as a server that is started again. */
  restart(): void {
    for (const space of this.#spaces.values()) {
      space.history.startOver();
      space.history.drop(gone());
    }
    this.#spaces.clear();
  }

  /** Begins a call: throws what it is to fail with. @internal */
  begin(): void {
    if (this.#away) throw gone();
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
  }

  /** A namespace; an empty name means `default`. @internal */
  space(name: string): Space {
    checkNamespace(name);
    const own = name === "" ? "default" : name;
    let space = this.#spaces.get(own);
    if (space === undefined) {
      space = new Space(() => performance.now() + this.#advancedMs);
      this.#spaces.set(own, space);
    }
    return space;
  }
}

/** A client on a cache of its own in memory; `cache` moves its clock and makes it fail. */
export function memoryClient(options: ClientOptions = {}): {
  readonly client: HotplateClient;
  readonly cache: MemoryCache;
} {
  const cache = new MemoryCache();
  return { client: cache.client(options), cache };
}

function gone(): HotplateError {
  return new HotplateError("UNAVAILABLE", "the cache in memory is away");
}
