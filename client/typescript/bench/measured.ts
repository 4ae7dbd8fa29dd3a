/** What all callers of a measurement did. */

/** Latencies that are kept, so that a long run stays within memory: the first ones. */
const LATENCIES_MAX = 1 << 20;

/** Counts and latencies. */
export class Measured {
  readonly #began = performance.now();
  readonly #latencies: number[] = [];
  #done = 0;
  #errors = 0;
  /** The longest that anyone waited, in milliseconds. */
  longestMs = 0;

  /** A call that began then, of so many operations, of which so many failed. */
  took(began: number, operations: number, errors: number): void {
    const ms = performance.now() - began;
    this.#done += operations;
    this.#errors += errors;
    this.longestMs = Math.max(this.longestMs, ms);
    if (this.#latencies.length < LATENCIES_MAX) this.#latencies.push(ms);
  }

  /** The numbers by now. */
  report(mode: string): object {
    const seconds = (performance.now() - this.#began) / 1_000;
    const ordered = Float64Array.from(this.#latencies).sort();
    const quantile = (share: number) =>
      Math.round((ordered[Math.floor((ordered.length - 1) * share)] ?? 0) * 10_000) / 10;
    return {
      mode,
      ops_per_s: Math.round((this.#done / seconds) * 10) / 10,
      p50_us: quantile(0.5),
      p99_us: quantile(0.99),
      errors: this.#errors,
    };
  }
}
