/**
 * Computations that ask for other computations: which one is running here, and who waits for whom. What is computed lives in
 * `flight.ts`.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** A computation, as what it asks for sees it. */
export interface Within {
  /** The table it is in. */
  readonly table: object;
  /** Its number there. */
  readonly id: number;
  /** Whether it still runs: what it left behind asks for itself. */
  running: boolean;
}

const storage = new AsyncLocalStorage<Within>();

/** The computation this is called from. */
export function here(): Within | undefined {
  const within = storage.getStore();
  return within?.running === true ? within : undefined;
}

/** Runs a computation as this one. */
export async function run<T>(within: Within, work: () => Promise<T>): Promise<T> {
  try {
    return await storage.run(within, work);
  } finally {
    within.running = false;
  }
}

/** Runs work that belongs to no computation, from wherever it is started. */
export function outside<T>(work: () => T): T {
  return storage.exit(work);
}

/** Which computations of a table wait for which, once for each time that they ask. */
export class Waits {
  readonly #waits = new Map<number, number[]>();

  /** One waits for another from now on. `false`: that one waits for it already, over others or not, and both would wait for ever. */
  enter(waiter: number, forWhom: number): boolean {
    if (this.#leads(forWhom, waiter)) return false;
    const waits = this.#waits.get(waiter);
    if (waits === undefined) this.#waits.set(waiter, [forWhom]);
    else waits.push(forWhom);
    return true;
  }

  /** It waits no more. */
  leave(waiter: number, forWhom: number): void {
    const waits = this.#waits.get(waiter);
    if (waits === undefined) return;
    const at = waits.indexOf(forWhom);
    if (at !== -1) waits.splice(at, 1);
    if (waits.length === 0) this.#waits.delete(waiter);
  }

  /** Computations that wait. */
  get size(): number {
    return this.#waits.size;
  }

  #leads(from: number, to: number): boolean {
    const seen = new Set([from]);
    const next = [from];
    for (let id = next.pop(); id !== undefined; id = next.pop()) {
      if (id === to) return true;
      for (const other of this.#waits.get(id) ?? []) {
        if (!seen.has(other)) {
          seen.add(other);
          next.push(other);
        }
      }
    }
    return false;
  }
}
