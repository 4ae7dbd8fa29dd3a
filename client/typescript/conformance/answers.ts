/** What the client answered, as the protocol writes it. */
import type { HotplateError, Invalidated, ItemFailure, Lookup, Written } from "../dist/index.js";
import { writtenValue } from "./values.ts";

/** Whole milliseconds. */
export function whole(ms: number): number {
  return Math.round(ms);
}

/** What a read found. */
export function found(lookup: Lookup<unknown>): object {
  const nothing = {
    value: null,
    stale: null,
    near: null,
    tier: null,
    age_ms: null,
    fresh_for_ms: null,
    usable_for_ms: null,
    etag: null,
    miss_reason: null,
    reason: null,
    message: null,
  };
  switch (lookup.outcome) {
    case "hit":
      return {
        ...nothing,
        outcome: "hit",
        value: writtenValue(lookup.value),
        stale: lookup.stale,
        near: lookup.near,
        tier: lookup.tier,
        age_ms: whole(lookup.ageMs),
        fresh_for_ms: whole(lookup.freshForMs),
        usable_for_ms: whole(lookup.usableForMs),
        etag: lookup.etag,
      };
    case "negative":
      return {
        ...nothing,
        outcome: "negative",
        near: lookup.near,
        fresh_for_ms: whole(lookup.freshForMs),
        reason: lookup.reason,
        message: lookup.message,
      };
    case "miss":
      return { ...nothing, outcome: "miss", miss_reason: lookup.reason };
  }
}

/** What became of a write. */
export function written(outcome: Written): object {
  const etag = "etag" in outcome ? outcome.etag : null;
  const reason = "reason" in outcome ? outcome.reason : null;
  return { outcome: outcome.outcome, etag, reason };
}

/** What became of an invalidation. */
export function invalidated(outcome: Invalidated): object {
  return { outcome: outcome.outcome, matched: outcome.outcome === "done" ? outcome.matched : null };
}

/** What became of one item of a batch. */
export function item<A extends { outcome: string }>(one: A | ItemFailure, write: (one: A) => object): object {
  return one.outcome === "error" ? { error: failure((one as ItemFailure).error) } : write(one as A);
}

/** A failure. */
export function failure(error: HotplateError): object {
  const { kind, reason, field, message, details } = error;
  const retryAfterMs = error.retryAfterMs === null ? null : whole(error.retryAfterMs);
  return { kind, reason, field, message, retry_after_ms: retryAfterMs, details };
}
