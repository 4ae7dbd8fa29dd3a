/** What typed reads and writes answer, and how the contract's answers become that. */
import type { Codec } from "./codec.js";
import { decodeChecked } from "./codec.js";
import type { ReadValueHeader } from "./generated/hotplate/v1/blob_pb.js";
import {
  GetOutcome,
  type GetResponse,
  PutOutcome,
  type PutResponse,
  MissReason as WireMissReason,
} from "./generated/hotplate/v1/cache_pb.js";
import { type EntryMetadata, Tier as WireTier } from "./generated/hotplate/v1/types_pb.js";
import { fromWire } from "./ttl.js";

declare const version: unique symbol;
/** The version of an entry, opaque: equal content has an equal one. For conditional writes. */
export type Etag = string & { readonly [version]?: never };

/** A place where entries live; null where the server does not say. */
export type Tier = "memory" | "disk" | "shared" | null;

/** What a read found. Switch on `outcome`, or ask `hit`. */
export type Lookup<T> = Hit<T> | Negative | Miss;

/** A value with what is known about it. Durations are milliseconds. */
export interface Hit<T> {
  readonly outcome: "hit";
  readonly hit: true;
  /** The value. */
  readonly value: T;
  /** Whether it is past its lifetime. */
  readonly stale: boolean;
  /** Time since it was stored or last confirmed. */
  readonly ageMs: number;
  /** Time for which it stays fresh; zero when stale. */
  readonly freshForMs: number;
  /** Time for which it may be used at all. */
  readonly usableForMs: number;
  /** The tier that held it. */
  readonly tier: Tier;
  /** Its version, for conditional writes. */
  readonly etag: Etag;
  /** Whether it was kept in this process, and the server was not asked. */
  readonly near: boolean;
}

/** A remembered absence or failure. */
export interface Negative {
  readonly outcome: "negative";
  readonly hit: false;
  /** For programs, such as `NOT_FOUND`. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  /** Milliseconds for which it stays fresh. */
  readonly freshForMs: number;
  /** Whether it was kept in this process, and the server was not asked. */
  readonly near: boolean;
}

/** Nothing that may be used. Never an error. */
export interface Miss {
  readonly outcome: "miss";
  readonly hit: false;
  /** Why. */
  readonly reason: MissReason;
}

/**
 * Why a read found nothing: `never_stored` (nothing is known of this key), `expired`, `evicted` (it made room for others),
 * `invalidated`, `not_admitted` (it could not fit), `too_old` (older than was asked for), `tier_unavailable` (a slower tier
 * that may have it could not be asked), `timeout` (the cache did not answer in time), `unavailable` (it is away), `disabled`
 * (it is turned off in this process), `other` (a reason that this client does not know).
 */
export type MissReason =
  | "never_stored"
  | "expired"
  | "evicted"
  | "invalidated"
  | "not_admitted"
  | "too_old"
  | "tier_unavailable"
  | "timeout"
  | "unavailable"
  | "disabled"
  | "other";

/**
 * What became of a write: `stored`; `refreshed` (the same content was there: its lifetime was renewed); `precondition_failed`
 * (nothing changed; `etag` is that of the entry in the way, if there is one); `not_admitted` (it cannot fit; `reason` says
 * why); `dropped` (the cache is away or turned off: counted).
 */
export type Written =
  | { readonly outcome: "stored"; readonly etag: Etag }
  | { readonly outcome: "refreshed"; readonly etag: Etag }
  | { readonly outcome: "precondition_failed"; readonly etag: Etag | null }
  | { readonly outcome: "not_admitted"; readonly reason: string }
  | { readonly outcome: "dropped"; readonly reason: MissReason };

/**
 * What became of an invalidation: `done`, with the number of entries that were selected (an estimate where a set selected
 * many); `queued` (the cache is away: remembered, and carried out before this client reads again); `disabled`.
 */
export type Invalidated =
  | { readonly outcome: "done"; readonly matched: number }
  | { readonly outcome: "queued" }
  | { readonly outcome: "disabled" };

/**
 * What became of a refresh: `started` (`matched` are marked stale, `refreshing` are fetched by the preload job `job`, which is
 * empty when there is nothing to fetch); `queued` as an invalidation; `disabled`.
 */
export type Refreshing =
  | { readonly outcome: "started"; readonly matched: number; readonly refreshing: number; readonly job: string }
  | { readonly outcome: "queued" }
  | { readonly outcome: "disabled" };

const REASONS: Readonly<Record<WireMissReason, MissReason>> = {
  [WireMissReason.UNSPECIFIED]: "other",
  [WireMissReason.NEVER_STORED]: "never_stored",
  [WireMissReason.EXPIRED]: "expired",
  [WireMissReason.EVICTED]: "evicted",
  [WireMissReason.INVALIDATED]: "invalidated",
  [WireMissReason.NOT_ADMITTED]: "not_admitted",
  [WireMissReason.TOO_OLD]: "too_old",
  [WireMissReason.TIER_UNAVAILABLE]: "tier_unavailable",
};

const TIERS: Readonly<Record<WireTier, Tier>> = {
  [WireTier.UNSPECIFIED]: null,
  [WireTier.MEMORY]: "memory",
  [WireTier.DISK]: "disk",
  [WireTier.SHARED]: "shared",
};

/** A miss for this reason. */
export function miss(reason: MissReason): Miss {
  return { outcome: "miss", hit: false, reason };
}

/** A tier's name. */
export function tierOf(tier: WireTier): Tier {
  return TIERS[tier] ?? null;
}

/** The contract's name of a tier. */
export function wireTier(tier: Tier | undefined): WireTier {
  switch (tier) {
    case "memory":
      return WireTier.MEMORY;
    case "disk":
      return WireTier.DISK;
    case "shared":
      return WireTier.SHARED;
    default:
      return WireTier.UNSPECIFIED;
  }
}

/** Turns an answer into what the caller asked for. */
export function lookup<T>(codec: Codec<T>, response: GetResponse): Lookup<T> {
  const { entry, outcome } = response;
  const freshForMs = fromWire(entry?.metadata?.freshFor) ?? 0;
  if (entry?.payload.case === "negative") {
    const { reason, message } = entry.payload.value;
    return { outcome: "negative", hit: false, reason, message, freshForMs, near: false };
  }
  if (entry?.payload.case === "value" && outcome !== GetOutcome.MISS) {
    const metadata = entry.metadata;
    const value = decodeChecked(codec, metadata?.contentType ?? "", metadata?.encoding ?? "", entry.payload.value);
    return hitOf(value, metadata, outcome, response.servedFrom);
  }
  return miss(REASONS[response.missReason] ?? "other");
}

/** Turns the header of a stream into what is known of the value before its bytes: its size stands for it. */
export function lookupOfStream(header: ReadValueHeader): Lookup<number> {
  const found = header.found;
  const payload = found?.entry?.payload;
  if (header.version !== "") {
    const { entry, outcome, servedFrom } = found ?? {};
    return hitOf(
      Number(header.sizeBytes),
      entry?.metadata,
      outcome ?? GetOutcome.HIT,
      servedFrom ?? WireTier.UNSPECIFIED,
    );
  }
  if (payload?.case === "negative") {
    const { reason, message } = payload.value;
    const freshForMs = fromWire(found?.entry?.metadata?.freshFor) ?? 0;
    return { outcome: "negative", hit: false, reason, message, freshForMs, near: false };
  }
  return miss(REASONS[found?.missReason ?? WireMissReason.UNSPECIFIED] ?? "other");
}

function hitOf<T>(value: T, metadata: EntryMetadata | undefined, outcome: GetOutcome, tier: WireTier): Hit<T> {
  return {
    outcome: "hit",
    hit: true,
    value,
    stale: outcome === GetOutcome.STALE,
    ageMs: fromWire(metadata?.age) ?? 0,
    freshForMs: fromWire(metadata?.freshFor) ?? 0,
    usableForMs: fromWire(metadata?.usableFor) ?? 0,
    tier: tierOf(tier),
    etag: metadata?.etag ?? "",
    near: false,
  };
}

/** What became of a write, as the contract says it. */
export function writtenOf(response: PutResponse): Written {
  const etag = response.metadata?.etag;
  switch (response.outcome) {
    case PutOutcome.REFRESHED:
      return { outcome: "refreshed", etag: etag ?? "" };
    // Only `getOrCompute` puts under a lease, and it reads that outcome by itself.
    case PutOutcome.PRECONDITION_FAILED:
    case PutOutcome.LEASE_LOST:
      return { outcome: "precondition_failed", etag: etag ?? null };
    case PutOutcome.NOT_ADMITTED:
      return { outcome: "not_admitted", reason: response.notAdmittedReason };
    default:
      return { outcome: "stored", etag: etag ?? "" };
  }
}
