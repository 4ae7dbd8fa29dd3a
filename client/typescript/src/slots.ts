/** A bound on how many computations run at once. Who waits is served in the order of coming. */
import { cancelled } from "./error.js";

/** A place that was taken; to be given back once. */
export type Release = () => void;

/** So many places. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** Takes a place if there is one now. */
  tryTake(): Release | null {
    if (this.#free === 0) return null;
    this.#free -= 1;
    return this.#release();
  }

  /**
   * Takes a place, waiting until there is one; null when `needed` comes first: then the caller goes on without.
   *
   * @throws {HotplateError} `CANCELLED` when the signal is aborted first.
   */
  async take(needed: Promise<void>, signal: AbortSignal): Promise<Release | null> {
    if (signal.aborted) throw cancelled(signal);
    const now = this.tryTake();
    if (now !== null) return now;
    const { promise, resolve } = Promise.withResolvers<"given" | "needed" | "aborted">();
    const given = () => resolve("given");
    const aborted = () => resolve("aborted");
    this.#waiting.push(given);
    signal.addEventListener("abort", aborted, { once: true });
    void needed.then(() => resolve("needed"));
    const how = await promise;
    signal.removeEventListener("abort", aborted);
    if (how === "given") return this.#release();
    const at = this.#waiting.indexOf(given);
    if (at !== -1) this.#waiting.splice(at, 1);
    // It was given as well, in the same moment: it goes to the next.
    else this.#pass();
    if (how === "aborted") throw cancelled(signal);
    return null;
  }

  #release(): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#pass();
    };
  }

  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
