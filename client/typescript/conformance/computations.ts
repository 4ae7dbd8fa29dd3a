/** The functions that `get_or_compute` is given: how often they ran, and the gates that hold them. */
import { Fault, numberOf, only } from "./request.ts";
import { readValue } from "./values.ts";

const KNOWN = ["name", "value", "fail", "takes_ms", "gate", "panics"];

/** Gates and counts of one driver. */
export class Computations {
  readonly #counts = new Map<string, { started: number; finished: number }>();
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();

  /** How often functions of this name ran. */
  counts(name: string): { started: number; finished: number } {
    const counts = this.#counts.get(name) ?? { started: 0, finished: 0 };
    this.#counts.set(name, counts);
    return counts;
  }

  /** Lets go on who waits at a gate, now and later. */
  release(gate: string): void {
    this.#gate(gate).resolve();
  }

  /** A function that does what is said; `ran` is told when it begins. */
  function(
    given: Readonly<Record<string, unknown>>,
    ran: () => void,
  ): (how: { signal: AbortSignal }) => Promise<unknown> {
    only("compute", given, KNOWN);
    const counts = this.counts((given["name"] as string | undefined) ?? "");
    const takesMs = numberOf(given, "takes_ms") ?? 0;
    return async ({ signal }) => {
      ran();
      counts.started += 1;
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      aborted.catch(() => undefined);
      const abort = () => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      let timer: NodeJS.Timeout | undefined;
      try {
        if (takesMs > 0) {
          const passed = new Promise<void>((resolve) => {
            timer = setTimeout(resolve, takesMs);
          });
          await Promise.race([passed, aborted]);
        }
        const gate = given["gate"];
        if (typeof gate === "string") await Promise.race([this.#gate(gate).promise, aborted]);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      }
      counts.finished += 1;
      // What a panic is elsewhere is here to throw what is no error: its text is for nobody.
      if (given["panics"] === true || typeof given["panics"] === "string") throw "told to panic";
      if (given["fail"] !== undefined && given["fail"] !== null) throw new Error(given["fail"] as string);
      if (!("value" in given)) throw new Fault("a computation has a value, fails or panics");
      return readValue(given["value"]);
    };
  }

  #gate(name: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(name) ?? Promise.withResolvers<void>();
    this.#gates.set(name, gate);
    return gate;
  }
}
