/** Which single keys the stream follows, for near caches that do not follow whole namespaces. The calls are made elsewhere. */
import type { Place, Stamp } from "./rule.js";

/** Followed keys looked at to find one that can be given up. */
const LOOKS_MAX = 32;

type Since =
  /** The server was not told yet; whether it may follow it from before. */
  | { readonly is: "wanted"; before: boolean }
  /** The server was told and has not answered. */
  | { readonly is: "asked" }
  /** From these numbers on every change of it is told. */
  | { readonly is: "from"; readonly numbers: readonly bigint[] };

/** What the server is to be told. */
export interface Update {
  readonly watch: string;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** Keys and since when they are followed. */
export class Follow {
  readonly #keys = new Map<string, Since>();
  /** All of `keys`, in the order in which they are asked whether they can be given up; also some that were. */
  #turns: string[] = [];
  readonly #wanted = new Set<string>();
  readonly #unwanted = new Set<string>();
  #keysMax: number;
  /** The open stream's name; empty without one. */
  #watch = "";

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** Keys followed or to be followed. */
  get size(): number {
    return this.#keys.size;
  }

  /** What a stream that is opened now has to follow. */
  keys(): string[] {
    return [...this.#keys.keys()];
  }

  /** A stream was opened with all of `keys`. */
  opened(watch: string, at: Place): void {
    this.#watch = watch;
    // Those that were followed before are told from where the last stream ended.
    for (const [key, since] of this.#keys) {
      if (since.is !== "from") this.#keys.set(key, { is: "from", numbers: at.numbers });
    }
    this.#wanted.clear();
    this.#unwanted.clear();
  }

  /** The stream is gone. */
  lost(): void {
    this.#watch = "";
  }

  /** Whether every change of this key after such an answer is told. */
  covers(key: string, stamp: Stamp): boolean {
    const since = this.#keys.get(key);
    return since?.is === "from" && stamp.key >= (since.numbers[stamp.log] ?? 0n);
  }

  /** Follows a key. When there are too many, one goes that `kept` does not name; `false` when all are needed. */
  want(key: string, kept: (key: string) => boolean): boolean {
    if (this.#keys.has(key)) return true;
    for (let looks = 0; looks < LOOKS_MAX && this.#keys.size >= this.#keysMax; looks += 1) {
      const other = this.#turns.shift();
      if (other === undefined) return false;
      if (this.#keys.has(other) && kept(other)) this.#turns.push(other);
      else this.unwant(other);
    }
    if (this.#keys.size >= this.#keysMax) return false;
    const before = this.#unwanted.delete(key);
    if (this.#turns.length >= 2 * this.#keysMax) this.#turns = this.keys();
    this.#turns.push(key);
    this.#wanted.add(key);
    this.#keys.set(key, { is: "wanted", before });
    return true;
  }

  /** A key is no longer needed. */
  unwant(key: string): void {
    const since = this.#keys.get(key);
    if (since === undefined) return;
    this.#keys.delete(key);
    if (since.is === "wanted") this.#wanted.delete(key);
    // Of what the server never heard there is nothing to tell: otherwise reads would fill this faster than calls empty it.
    if (since.is !== "wanted" || since.before) this.#unwanted.add(key);
  }

  /** The next update, of at most so many keys either way; null when there is nothing to tell, or nobody. */
  update(keysMax: number): Update | null {
    if (this.#watch === "" || (this.#wanted.size === 0 && this.#unwanted.size === 0)) return null;
    const add = first(this.#wanted, keysMax);
    for (const key of add) {
      this.#wanted.delete(key);
      this.#keys.set(key, { is: "asked" });
    }
    const remove = first(this.#unwanted, keysMax);
    for (const key of remove) this.#unwanted.delete(key);
    return { watch: this.#watch, add, remove };
  }

  /** The server follows what was added, from these numbers on. */
  updated(update: Update, numbers: readonly bigint[]): void {
    // What another stream was told is no news; that one was opened with these keys.
    if (update.watch !== this.#watch) return;
    for (const key of update.add) {
      if (this.#keys.get(key)?.is === "asked") this.#keys.set(key, { is: "from", numbers });
    }
  }

  /**
   * The server does not follow what was to be added, and may follow what was to be removed. With `full`, no more than are
   * followed now ever will be.
   */
  refused(update: Update, full: boolean): void {
    if (update.watch === this.#watch) {
      for (const key of update.remove) {
        const since = this.#keys.get(key);
        if (since === undefined) this.#unwanted.add(key);
        else if (since.is === "wanted") since.before = true;
      }
      for (const key of update.add) {
        if (this.#keys.get(key)?.is === "asked") this.#keys.delete(key);
      }
    }
    if (full) this.#keysMax = Math.max(1, this.#keys.size);
  }
}

function first(keys: Set<string>, count: number): string[] {
  const some: string[] = [];
  for (const key of keys) {
    if (some.length >= count) break;
    some.push(key);
  }
  return some;
}
