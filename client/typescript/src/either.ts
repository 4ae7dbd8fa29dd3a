/** Waiting for work that somebody may give up. */
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
