/**
 * Where kept entries are: a bounded map, the least recently used first, and an index by what selectors name for drops. Whether
 * an entry may be there is not decided here.
 */
import type { Kept } from "./kept.js";
import type { EntrySet } from "./selects.js";

/** The map and its index. */
export class Shelf {
  readonly #bytesMax: number;
  /** In the order of use. */
  readonly #map = new Map<string, Kept>();
  readonly #names = new Map<string, Set<string>>();
  #bytes = 0;
  /** What an entry takes at least, so that a bound in bytes is one in entries as well. */
  readonly share: number;

  constructor(bytesMax: number, entriesMax: number) {
    this.#bytesMax = bytesMax;
    this.share = Math.ceil(bytesMax / entriesMax);
  }

  /** An entry, as one that is used. */
  get(key: string): Kept | undefined {
    const kept = this.#map.get(key);
    if (kept !== undefined) {
      this.#map.delete(key);
      this.#map.set(key, kept);
    }
    return kept;
  }

  /** An entry, without counting as a use. */
  peek(key: string): Kept | undefined {
    return this.#map.get(key);
  }

  /** Puts an entry in the place of the one with its key, and answers what had to go for it: the entry itself when it does not fit. */
  insert(kept: Kept): Kept[] {
    const { key } = kept.content;
    this.remove(key);
    if (kept.charge > this.#bytesMax) return [kept];
    const gone: Kept[] = [];
    for (const [oldest, other] of this.#map) {
      if (this.#bytes + kept.charge <= this.#bytesMax) break;
      this.remove(oldest);
      gone.push(other);
    }
    this.#map.set(key, kept);
    this.#bytes += kept.charge;
    for (const name of namesOf(kept)) {
      const keys = this.#names.get(name);
      if (keys === undefined) this.#names.set(name, new Set([key]));
      else keys.add(key);
    }
    return gone;
  }

  /** Takes an entry out. */
  remove(key: string): Kept | undefined {
    const kept = this.#map.get(key);
    if (kept === undefined) return undefined;
    this.#map.delete(key);
    this.#bytes -= kept.charge;
    for (const name of namesOf(kept)) {
      const keys = this.#names.get(name);
      keys?.delete(key);
      if (keys?.size === 0) this.#names.delete(name);
    }
    return kept;
  }

  /** Takes everything out and answers how many that were. */
  clear(): number {
    const count = this.#map.size;
    this.#map.clear();
    this.#names.clear();
    this.#bytes = 0;
    return count;
  }

  /** Entries. */
  get size(): number {
    return this.#map.size;
  }

  /** Bytes counted for them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All keys. */
  keys(): string[] {
    return [...this.#map.keys()];
  }

  /** Keys among which everything is that a set means; whether each of them is meant has to be asked. */
  candidates(set: EntrySet): string[] {
    switch (set.is) {
      case "key":
        return this.#map.has(set.key) ? [set.key] : [];
      case "tag":
        return this.#named(`t:${set.tag}`);
      case "allTags": {
        const [first] = set.tags;
        // Without a tag it means all.
        return first === undefined ? this.keys() : this.#named(`t:${first}`);
      }
      case "kind":
        return this.#named(`k:${set.kind}`);
      case "dependentsOf":
        return this.#named(`d:${set.name}`);
      case "dependents":
        return this.#named("any");
      case "prefix":
      case "glob":
      case "everything":
        return this.keys();
    }
  }

  #named(name: string): string[] {
    return [...(this.#names.get(name) ?? [])];
  }
}

function namesOf(kept: Kept): string[] {
  const { kind, tags, dependsOn } = kept.content.facts;
  const names = [`k:${kind}`, ...tags.map((tag) => `t:${tag}`), ...dependsOn.map((name) => `d:${name}`)];
  if (dependsOn.length > 0) names.push("any");
  return names;
}
