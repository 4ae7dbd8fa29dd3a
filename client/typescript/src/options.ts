/** What a caller may ask of a read, a write or a computation, and how the contract carries it. */

import type { CallOptions } from "./calls.js";
import { invalidArgument } from "./error.js";
import { type GetRequestSchema, type PutRequestSchema, StalePolicy } from "./generated/hotplate/v1/cache_pb.js";
import type { ExpirationSchema } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import { type Tier, wireTier } from "./lookup.js";
import { type DurationInput, durationMs, type Ttl, wireDuration, wireLifetime } from "./ttl.js";

/** What a read accepts. Without options: fresh values of any age. */
export interface ReadOptions extends CallOptions {
  /** Also stale values, which the caller means to renew. */
  readonly acceptStale?: boolean | undefined;
  /** Nothing older than this. */
  readonly maxAge?: DurationInput | undefined;
  /** Looks without touching recency, idle time or statistics. */
  readonly peek?: boolean | undefined;
  /** Looks no further than in this tier of the server: with `memory` no answer waits for a disk or a network. */
  readonly slowestTier?: Exclude<Tier, null> | undefined;
  /** Asks the server, and keeps nothing in this process. */
  readonly withoutNearCache?: boolean | undefined;
}

/** How a value is stored. Without options: the namespace's defaults. */
export interface WriteOptions extends CallOptions {
  /** How long it stays fresh. */
  readonly ttl?: Ttl | undefined;
  /** For how long after that it may still be served as stale. */
  readonly staleFor?: DurationInput | undefined;
  /** Ends it when it was not read for this long. */
  readonly idle?: DurationInput | undefined;
  /** Share of the lifetime, 0 to 0.5, by which the end moves earlier at random. */
  readonly jitter?: number | undefined;
  /** Makes it due to be renewed in this last share of its lifetime, 0 to 0.9. Zero: never, whatever the namespace says. */
  readonly refreshAhead?: number | undefined;
  /**
   * Makes it due to be renewed by XFetch: at random, the more likely the nearer its end and the more it cost to compute. 1 is
   * the rule; a larger factor renews earlier. Above 0, at most 100. Not together with `refreshAhead`.
   */
  readonly refreshAheadXfetch?: number | undefined;
  /** The operation or model type that made it, at most 128 bytes; picks the lifetime where none is given. */
  readonly kind?: string | undefined;
  /** Groups it belongs to: at most 64 of at most 128 bytes each. */
  readonly tags?: readonly string[] | undefined;
  /** What it was made from: keys, or tags as `tag:NAME`. When one of them is invalidated, so is this. */
  readonly dependsOn?: readonly string[] | undefined;
  /** Free-form facts. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** What computing it cost; `getOrCompute` measures it by itself. */
  readonly cost?: DurationInput | undefined;
  /** Stores only on this condition: where there is none, where there is one, or in place of the entry with this etag. */
  readonly condition?: "absent" | "present" | { readonly etag: string } | undefined;
}

/**
 * How one call of `getOrCompute` uses the cache: `use` reads, computes on a miss, stores; `bypass` computes, neither reads nor
 * stores; `refresh` computes and stores, does not read; `only` reads, never computes: a miss is an error of kind `NOT_FOUND`
 * with reason `NOT_CACHED`.
 */
export type CacheMode = "use" | "bypass" | "refresh" | "only";

/** How `getOrCompute` reads, computes and stores. */
export interface ComputeOptions extends WriteOptions {
  /**
   * The time of each look-up in milliseconds, instead of the client's. Neither waiting for others (`wait`) nor computing is part of
   * it, and storing has the client's own: a bound on all of it is `signal: AbortSignal.timeout(ms)`. Who joins a look-up that is
   * under way waits for that one's time.
   */
  readonly timeoutMs?: number | undefined;
  /** How this call uses the cache. Default: `use`. */
  readonly mode?: CacheMode | undefined;
  /** When the computation fails and a stale value is there, answers that. It needs entries stored with `staleFor`. */
  readonly staleIfError?: boolean | undefined;
  /**
   * Answers a stale value at once, and has one caller of all processes compute the next one behind it. It needs entries stored
   * with `staleFor`.
   */
  readonly staleWhileRevalidate?: boolean | undefined;
  /** Computes anew when the stored value is older than this. */
  readonly maxAge?: DurationInput | undefined;
  /**
   * How long to wait for a value that another process computes; then the caller computes it for itself, and that is not
   * stored. Zero: never waits. Default: 30 s.
   */
  readonly wait?: DurationInput | undefined;
  /** Asks for no lease: each process computes for itself. For computations that are cheaper than two calls. */
  readonly perProcess?: boolean | undefined;
  /**
   * When the computation fails, remembers that for so long: until then every caller, of whichever process, gets the same
   * failure at once. Its text, up to 1,024 bytes of it, is stored. Default: a failure is not remembered.
   */
  readonly rememberFailure?: Ttl | undefined;
  /** When the computation fails, keeps all processes from trying again for so long, at most 60 s. */
  readonly holdOff?: DurationInput | undefined;
}

/** The part of a Get that options decide. */
export function readRequest(
  options: ReadOptions,
  stale: StalePolicy = options.acceptStale ? StalePolicy.WHILE_REVALIDATE : StalePolicy.REFUSE,
): Init<typeof GetRequestSchema> {
  return {
    stalePolicy: stale,
    ...(options.maxAge === undefined ? {} : { maxAge: wireDuration(durationMs("max_age", options.maxAge)) }),
    peek: options.peek ?? false,
    slowestTier: wireTier(options.slowestTier),
  };
}

/** Everything of a Put but namespace, key, payload and writer. */
export function writeRequest(options: WriteOptions): Init<typeof PutRequestSchema> {
  const expiration = expirationOf(options);
  const { condition } = options;
  return {
    ...(expiration === undefined ? {} : { expiration }),
    kind: options.kind ?? "",
    tags: listed("tags", options.tags),
    dependsOn: listed("depends_on", options.dependsOn),
    labels: { ...options.labels },
    ...(condition === undefined ? {} : { precondition: { condition: wireCondition(condition) } }),
    ...(options.cost === undefined ? {} : { computeCost: wireDuration(durationMs("compute_cost", options.cost)) }),
  };
}

function wireCondition(condition: NonNullable<WriteOptions["condition"]>) {
  switch (condition) {
    case "absent":
      return { case: "absent", value: true } as const;
    case "present":
      return { case: "present", value: true } as const;
    default:
      if (typeof condition?.etag !== "string") {
        throw invalidArgument("condition", "a condition is `absent`, `present` or `{ etag }`");
      }
      return { case: "etag", value: condition.etag } as const;
  }
}

/** Names as they are; a text alone would be taken letter by letter. */
function listed(field: string, names: readonly string[] | undefined): string[] {
  if (names === undefined) return [];
  if (typeof names === "string") throw invalidArgument(field, "this is a list of texts");
  return [...names];
}

/** How long an entry lives, undefined where nothing is said of it. */
export function expirationOf(options: WriteOptions): Init<typeof ExpirationSchema> | undefined {
  const { ttl, staleFor, idle, jitter, refreshAhead, refreshAheadXfetch } = options;
  if ([ttl, staleFor, idle, jitter, refreshAhead, refreshAheadXfetch].every((one) => one === undefined)) {
    return undefined;
  }
  if (refreshAhead !== undefined && refreshAheadXfetch !== undefined) {
    throw invalidArgument("refresh_ahead", "an entry is renewed ahead by a share or by XFetch, not both");
  }
  return {
    ...(ttl === undefined ? {} : { lifetime: wireLifetime(ttl) }),
    ...(staleFor === undefined ? {} : { staleFor: wireDuration(durationMs("stale_for", staleFor)) }),
    ...(idle === undefined ? {} : { idleTtl: wireDuration(durationMs("idle_ttl", idle)) }),
    ...(jitter === undefined ? {} : { jitter }),
    ...(refreshAhead === undefined
      ? {}
      : { refreshAhead: { when: { case: "fraction", value: refreshAhead } } as const }),
    ...(refreshAheadXfetch === undefined
      ? {}
      : { refreshAhead: { when: { case: "xfetchBeta", value: refreshAheadXfetch } } as const }),
  };
}
