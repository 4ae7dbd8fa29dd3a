/**
 * Functions whose results are cached, and functions after which cached results no longer hold. How a result is found, computed
 * and stored lives in `compute.ts`.
 */
import type { KeyValue } from "./canonical.js";
import { asError, invalidArgument } from "./error.js";
import { Key, type KeyInput, keyText } from "./key.js";
import type { Log } from "./log.js";
import type { Invalidated } from "./lookup.js";
import type { Namespace } from "./namespace.js";
import type { ComputeOptions } from "./options.js";
import type { Select, SelectInput } from "./selector.js";

/** How a function's results are kept. What it depends on besides its arguments must be part of the key, such as a version. */
export type CachedOptions<A extends unknown[]> = Omit<ComputeOptions, "signal" | "tags" | "dependsOn"> & {
  /** Groups a result belongs to, the same for all or by arguments. */
  readonly tags?: readonly string[] | ((...args: A) => readonly string[]) | undefined;
  /** What a result was made from, the same for all or by arguments. */
  readonly dependsOn?: readonly string[] | ((...args: A) => readonly string[]) | undefined;
} & (
    | {
        /**
         * Segments that all keys begin with; a hash of the canonical JSON of the arguments follows. Arguments are text, finite numbers,
         * booleans, null, arrays and plain objects of those; what has no such form (a `Date`, a `Map`, an instance of a class, a
         * `bigint`, whose key would be that of the number) is refused, as its results would be those of others: give a `key` then. What
         * is `undefined` at the end, or as a member, counts as left out; text counts in normal form C.
         */
        readonly prefix: readonly string[];
        readonly key?: undefined;
      }
    | {
        /** The key of a call. */
        readonly key: (...args: A) => KeyInput;
        readonly prefix?: undefined;
      }
  );

/** A wrapped function. */
export interface CachedFunction<A extends unknown[], T> {
  /** The result for these arguments, from the cache or from the function. */
  (...args: A): Promise<T>;
  /** The key of a call's result. */
  key(...args: A): string;
  /** Computes anew and stores. */
  refresh(...args: A): Promise<T>;
  /** Computes; neither reads nor stores. */
  bypass(...args: A): Promise<T>;
  /**
   * The same function with a signal: a caller that gives up does not stop the computation for the others, and the function itself
   * is not told. One that is to be told takes its signal by {@link Namespace.getOrCompute}.
   */
  with(call: { readonly signal?: AbortSignal; readonly timeoutMs?: number }): (...args: A) => Promise<T>;
  /** Drops the result for these arguments. */
  forget(...args: A): Promise<Invalidated>;
  /**
   * What selects all results of this function; only where it has a `prefix`.
   *
   * @throws {HotplateError} `INVALID_ARGUMENT` where it has none.
   */
  all(): Select;
}

/** Wraps a function; see {@link Namespace.cached}. */
export function cachedFunction<A extends unknown[], T>(
  namespace: Namespace<T>,
  compute: (...args: A) => T | Promise<T>,
  options: CachedOptions<A>,
): CachedFunction<A, T> {
  const { prefix, key: keyFor, tags, dependsOn, ...rest } = options;
  const begun = prefix === undefined ? null : new Key(prefix);
  const keyOf = (args: A): string =>
    keyFor === undefined ? ofArguments(begun ?? new Key(), args).render() : keyText(keyFor(...args));
  const call = (args: A, how: ComputeOptions): Promise<T> => {
    const names = {
      tags: typeof tags === "function" ? tags(...args) : tags,
      dependsOn: typeof dependsOn === "function" ? dependsOn(...args) : dependsOn,
    };
    return namespace.getOrCompute(keyOf(args), () => compute(...args), { ...rest, ...names, ...how });
  };
  const wrapped = async (...args: A): Promise<T> => await call(args, {});
  return Object.assign(wrapped, {
    key: (...args: A) => keyOf(args),
    refresh: async (...args: A) => await call(args, { mode: "refresh" }),
    bypass: async (...args: A) => await call(args, { mode: "bypass" }),
    with:
      (how: { readonly signal?: AbortSignal; readonly timeoutMs?: number }) =>
      async (...args: A) =>
        await call(args, how),
    forget: async (...args: A) => await namespace.remove(keyOf(args)),
    all: (): Select => {
      if (begun === null) throw invalidArgument("prefix", "a function with keys of its own has no prefix to select by");
      return { prefix: `${begun.render()}:` };
    },
  });
}

/** A key with the arguments of a call as its last part. */
function ofArguments(begun: Key, args: readonly unknown[]): Key {
  const end = args.findLastIndex((one) => one !== undefined) + 1;
  const said = args.slice(0, end);
  // What else has no form is refused there, and what is nested too deep or without end.
  const key = begun.params(said as KeyValue);
  refuseBigints(said, new Set());
  return key;
}

/** A bigint and a number of the same value are written alike, and are not the same argument. `seen` is not looked at again. */
function refuseBigints(value: unknown, seen: Set<object>): void {
  if (typeof value === "bigint") {
    throw invalidArgument(
      "key",
      "an argument is a bigint: its key would be that of the number. Give a `key` of its own",
    );
  }
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  for (const inner of Object.values(value)) refuseBigints(inner, seen);
}

/** Wraps a function; see {@link Namespace.invalidates}. */
export function invalidatingFunction<A extends unknown[], R, T>(
  namespace: Namespace<T>,
  log: Log,
  run: (...args: A) => R | Promise<R>,
  selection: SelectInput | ((...args: A) => SelectInput),
): (...args: A) => Promise<R> {
  return async (...args) => {
    // Before it runs: a selection that cannot be made must not be found out afterwards.
    const selected = typeof selection === "function" ? selection(...args) : selection;
    let result: R;
    try {
      result = await run(...args);
    } catch (own) {
      try {
        await namespace.invalidate(selected);
      } catch (failure) {
        const lost = "a function failed, and what it may have outdated could not be invalidated";
        log.warn(lost, asError(failure));
      }
      throw own;
    }
    await namespace.invalidate(selected);
    return result;
  };
}
