/** Sets of timeouts for where a client runs. How a timeout is applied lives in `calls.ts`. */
import { configurationError } from "./error.js";

/** The timeouts of a client, in milliseconds. */
export interface Profile {
  /** To establish a connection, TLS included. */
  readonly connectMs: number;
  /** For a call on one key, retries included; for a stream, to be opened. */
  readonly callMs: number;
  /** For a call on many entries (batches, listings, invalidations, statistics), retries included. */
  readonly bulkMs: number;
}

/** The profiles by name. */
export const profiles = {
  /** A developer's machine, with debuggers and cold starts. The default. */
  local: { connectMs: 2_000, callMs: 5_000, bulkMs: 15_000 },
  /** A service next to its cache. */
  in_cluster: { connectMs: 500, callMs: 1_000, bulkMs: 5_000 },
  /** A service that would rather compute than wait. */
  low_latency: { connectMs: 250, callMs: 250, bulkMs: 1_000 },
  /** Jobs that move much and wait long. */
  batch: { connectMs: 10_000, callMs: 30_000, bulkMs: 120_000 },
} as const satisfies Record<string, Profile>;

/** Name of a profile. */
export type ProfileName = keyof typeof profiles;

/**
 * The profile of this name.
 *
 * @throws {HotplateError} `CONFIGURATION` for any other name.
 */
export function profileNamed(name: string): Profile {
  if (!Object.hasOwn(profiles, name)) {
    throw configurationError("unknown profile: use `local`, `in_cluster`, `low_latency` or `batch`");
  }
  return profiles[name as ProfileName];
}
