/** Waiting for work that somebody may give up, and signals that several may give. */
import { cancelled } from "./error.js";

/** A promise, or the first of these signals that is aborted. */
export async function either<T>(work: Promise<T>, signals: readonly (AbortSignal | undefined)[]): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const given = signals.filter((signal) => signal !== undefined);
  const undo = given.map((signal) => {
    const abort = () => reject(cancelled(signal));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    return () => signal.removeEventListener("abort", abort);
  });
  try {
    return await Promise.race([work, promise]);
  } finally {
    for (const one of undo) one();
  }
}

/** A signal that follows others until it is let go of. */
export interface Linked {
  readonly signal: AbortSignal;
  /** Leaves nothing with the signals that it followed. Belongs in a `finally`. */
  readonly unlink: () => void;
}

/**
 * A signal that is aborted with the first of these. `AbortSignal.any` would do, but a signal that lives as long as a client keeps
 * something of each that was ever made of it.
 */
export function linked(signals: readonly (AbortSignal | undefined | null)[]): Linked {
  const own = new AbortController();
  const undo: (() => void)[] = [];
  const unlink = () => {
    for (const one of undo.splice(0)) one();
  };
  for (const signal of signals) {
    if (signal == null) continue;
    if (signal.aborted) {
      own.abort(signal.reason);
      break;
    }
    const abort = () => {
      unlink();
      own.abort(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    undo.push(() => signal.removeEventListener("abort", abort));
  }
  if (own.signal.aborted) unlink();
  return { signal: own.signal, unlink };
}
