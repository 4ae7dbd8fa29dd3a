/** The port through which the client tells what it does. `otel.ts` is OpenTelemetry; without one, nothing is told. */

/** What an operation tells of itself. No keys, no values. */
export interface OperationFacts {
  /** What came of it: `hit`, `stale`, `negative`, `miss`, `stored`, `dropped`, `computed` and so on. */
  result?: string;
  /** The tier that answered. */
  tier?: string | null;
  /** Whether this process answered. */
  near?: boolean;
  /** Of how many entries, of several, this process answered. */
  nearHits?: number;
}

/** Hears of operations and changes. It must not throw. */
export interface Telemetry {
  /** Runs one operation; `facts` are filled in while it runs. */
  operation<T>(name: string, namespace: string, facts: OperationFacts, run: () => Promise<T>): Promise<T>;
  /** The cache was found to be away, or is back. */
  available(available: boolean): void;
}

/** Tells nobody. */
export const noTelemetry: Telemetry = {
  operation: (_name, _namespace, _facts, run) => run(),
  available: () => undefined,
};
