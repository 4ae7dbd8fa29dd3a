/** What a cache in memory holds: entries, how long they live, and what became of those that are gone. Knows no calls. */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { HotplateError } from "../../error.js";
import { MissReason, type PutRequest } from "../../generated/hotplate/v1/cache_pb.js";
import {
  type Entry,
  type EntryMetadata,
  EntryMetadataSchema,
  EntrySchema,
  type Expiration,
  Tier,
} from "../../generated/hotplate/v1/types_pb.js";
import type { Facts } from "../../near/selects.js";
import { fromWire, wireDuration } from "../../ttl.js";

/** Lifetimes of the classes, in milliseconds. */
const CLASSES: Readonly<Record<string, number>> = {
  very_short: 300_000,
  short: 900_000,
  medium: 1_800_000,
  long: 3_600_000,
  very_long: 7_200_000,
  day: 86_400_000,
  week: 604_800_000,
};
/** Lifetime where nothing is said, in milliseconds. */
const DEFAULT_MS = 3_600_000;
/** Removed keys that are remembered with the reason. */
const GONE_MAX = 10_000;

/** One entry. Times are milliseconds of the cache's clock. */
export interface Stored {
  readonly key: string;
  readonly payload:
    | { readonly case: "value"; readonly value: Uint8Array }
    | Extract<Entry["payload"], { case: "negative" }>;
  readonly etag: string;
  readonly contentType: string;
  readonly encoding: string;
  readonly facts: Facts;
  readonly labels: Readonly<Record<string, string>>;
  readonly costMs: number | undefined;
  storedAt: number;
  freshUntil: number;
  staleForMs: number;
  /** Number in the log of keys of the last change. */
  number: bigint;
}

/** The entries of one namespace. */
export class Entries {
  readonly #stored = new Map<string, Stored>();
  readonly #gone = new Map<string, MissReason>();

  /** An entry that may be used, fresh or stale. */
  get(key: string, now: number): Stored | undefined {
    const stored = this.#stored.get(key);
    if (stored !== undefined && now >= stored.freshUntil + stored.staleForMs) {
      this.remove(key, MissReason.EXPIRED);
      return undefined;
    }
    return stored;
  }

  /** All entries that may be used, in the order of their keys. */
  all(now: number): Stored[] {
    const keys = [...this.#stored.keys()].sort();
    return keys.flatMap((key) => this.get(key, now) ?? []);
  }

  /** Stores an entry. */
  put(stored: Stored): void {
    this.#stored.set(stored.key, stored);
    this.#gone.delete(stored.key);
  }

  /** Takes an entry out, and remembers why. */
  remove(key: string, why: MissReason): boolean {
    const was = this.#stored.delete(key);
    this.#gone.set(key, why);
    const oldest = this.#gone.size > GONE_MAX ? this.#gone.keys().next().value : undefined;
    if (oldest !== undefined) this.#gone.delete(oldest);
    return was;
  }

  /** Why there is none. */
  why(key: string): MissReason {
    return this.#gone.get(key) ?? MissReason.NEVER_STORED;
  }
}

/** The entry that a Put asks for. */
export function storedOf(put: PutRequest, now: number): Stored {
  const { payload } = put;
  if (payload.case !== "value" && payload.case !== "negative") {
    throw new HotplateError("INVALID_ARGUMENT", "a put has a value or a negative", {
      reason: "BAD_ARGUMENT",
      field: "payload",
    });
  }
  const content = payload.case === "value" ? payload.value : `${payload.value.reason}\n${payload.value.message}`;
  const hash = createHash("sha256")
    .update(put.contentType)
    .update("\n")
    .update(put.encoding)
    .update("\n")
    .update(content);
  return {
    key: put.key,
    payload,
    etag: hash.digest("hex").slice(0, 32),
    contentType: put.contentType,
    encoding: put.encoding,
    facts: { kind: put.kind, tags: sorted(put.tags), dependsOn: sorted(put.dependsOn) },
    labels: put.labels,
    costMs: fromWire(put.computeCost),
    storedAt: now,
    freshUntil: now + lifetimeMs(put.expiration),
    staleForMs: fromWire(put.expiration?.staleFor) ?? 0,
    number: 0n,
  };
}

/**
 * How long an entry stays fresh, in milliseconds. Jitter is left out: a test means what it says.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for a class that is not known, and for zero.
 */
export function lifetimeMs(expiration: Expiration | undefined): number {
  const lifetime = expiration?.lifetime;
  const ms =
    lifetime?.case === "ttlClass"
      ? CLASSES[lifetime.value]
      : lifetime?.case === "ttl"
        ? fromWire(lifetime.value)
        : DEFAULT_MS;
  if (ms === undefined || ms <= 0) {
    const text = "the lifetime is no class that is known, and no duration above zero";
    throw new HotplateError("INVALID_ARGUMENT", text, { reason: "TTL_OUT_OF_BOUNDS", field: "expiration" });
  }
  return ms;
}

/** An entry as the contract carries it; with its payload or without. */
export function entryOf(stored: Stored, now: number, withPayload: boolean): Entry {
  return create(EntrySchema, {
    key: stored.key,
    payload: withPayload ? stored.payload : { case: undefined },
    metadata: metadataOf(stored, now),
  });
}

/** What is known about an entry. */
export function metadataOf(stored: Stored, now: number): EntryMetadata {
  const size = stored.payload.case === "value" ? stored.payload.value.length : 0;
  return create(EntryMetadataSchema, {
    etag: stored.etag,
    kind: stored.facts.kind,
    contentType: stored.contentType,
    encoding: stored.encoding,
    tags: [...stored.facts.tags],
    dependsOn: [...stored.facts.dependsOn],
    labels: { ...stored.labels },
    sizeBytes: BigInt(size),
    storedBytes: BigInt(size),
    ...(stored.costMs === undefined ? {} : { computeCost: wireDuration(stored.costMs) }),
    age: wireDuration(Math.max(0, now - stored.storedAt)),
    freshFor: wireDuration(Math.max(0, stored.freshUntil - now)),
    usableFor: wireDuration(Math.max(0, stored.freshUntil + stored.staleForMs - now)),
    servedFrom: Tier.MEMORY,
  });
}

function sorted(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
