/** One kept answer: the entry as it came, what was read from it, and how it is told again. */
import type { Codec } from "../codec.js";
import { decodeChecked } from "../codec.js";
import { GetOutcome, type GetResponse } from "../generated/hotplate/v1/cache_pb.js";
import { type Etag, type Lookup, type Tier, tierOf } from "../lookup.js";
import { fromWire } from "../ttl.js";
import type { Stamp } from "./rule.js";
import { type Facts, factsOf } from "./selects.js";

/** What keeping an entry takes besides its texts and value, roughly: maps, index and this record. */
const ENTRY_BYTES = 384;
/** The same for each tag and each dependency. */
const NAME_BYTES = 96;

/** Milliseconds as the server said them. */
export interface Lives {
  readonly ageMs: number;
  readonly freshForMs: number;
  readonly usableForMs: number;
}

type Body =
  | { readonly is: "value"; readonly bytes: Uint8Array }
  | { readonly is: "negative"; readonly reason: string; readonly message: string };

/** What does not change while an entry stays the same. */
export class Content {
  readonly key: string;
  readonly facts: Facts;
  readonly etag: Etag;
  readonly #contentType: string;
  readonly #encoding: string;
  readonly body: Body;
  readonly tier: Tier;
  /** Read by the codec that came first; others read anew. */
  #shared: { codec: object; value: unknown } | null = null;

  private constructor(key: string, body: Body, response: GetResponse) {
    const metadata = response.entry?.metadata;
    this.key = key;
    this.facts = metadata === undefined ? { kind: "", tags: [], dependsOn: [] } : factsOf(metadata);
    this.etag = metadata?.etag ?? "";
    this.#contentType = metadata?.contentType ?? "";
    this.#encoding = metadata?.encoding ?? "";
    this.body = body;
    this.tier = tierOf(response.servedFrom);
  }

  /** The content of a fresh answer; null for anything else. */
  static of(key: string, response: GetResponse): { content: Content; lives: Lives } | null {
    const entry = response.entry;
    if (entry?.metadata === undefined) return null;
    let body: Body;
    if (entry.payload.case === "value" && response.outcome === GetOutcome.HIT) {
      // A copy of its own: the bytes of an answer keep the whole message alive.
      body = { is: "value", bytes: entry.payload.value.slice() };
    } else if (entry.payload.case === "negative" && response.outcome === GetOutcome.NEGATIVE) {
      body = { is: "negative", reason: entry.payload.value.reason, message: entry.payload.value.message };
    } else {
      return null;
    }
    const lives = {
      ageMs: fromWire(entry.metadata.age) ?? 0,
      freshForMs: fromWire(entry.metadata.freshFor) ?? 0,
      usableForMs: fromWire(entry.metadata.usableFor) ?? 0,
    };
    return { content: new Content(key, body, response), lives };
  }

  /** Bytes it counts for: its value twice, as it came and as it was read. */
  get bytes(): number {
    const { facts, body } = this;
    const value = body.is === "value" ? 2 * body.bytes.length : body.reason.length + body.message.length;
    const texts = [this.key, this.etag, this.#contentType, this.#encoding, facts.kind];
    const names = [...facts.tags, ...facts.dependsOn].reduce((sum, name) => sum + NAME_BYTES + name.length, 0);
    return ENTRY_BYTES + names + value + texts.reduce((sum, text) => sum + text.length, 0);
  }

  /** The value, read anew. */
  read<T>(codec: Codec<T>, bytes: Uint8Array): T {
    // Who decodes raw bytes gets bytes of their own: what is kept must not change.
    return decodeChecked(codec, this.#contentType, this.#encoding, bytes.slice());
  }

  /** The value, read once and shared with all who ask by the same codec. */
  shared<T>(codec: Codec<T>, bytes: Uint8Array): T {
    if (this.#shared?.codec === codec) return this.#shared.value as T;
    const value = this.read(codec, bytes);
    this.#shared ??= { codec, value };
    return value;
  }
}

/** An entry and what was known of it when the server was asked. Times are milliseconds of the clock that counts sleep. */
export class Kept {
  readonly content: Content;
  readonly stamp: Stamp;
  /** Of which unbroken following of changes it is part. */
  readonly trust: number;
  /** When it was asked for: what the server said of lifetimes held a little later. */
  readonly askedAt: number;
  /** When it is no longer served. */
  readonly until: number;
  /** What it takes of the room, in bytes. */
  readonly charge: number;
  readonly #lives: Lives;

  constructor(
    content: Content,
    stamp: Stamp,
    at: { trust: number; askedAt: number; ttlMaxMs: number; share: number },
    lives: Lives,
  ) {
    this.content = content;
    this.stamp = stamp;
    this.trust = at.trust;
    this.askedAt = at.askedAt;
    this.until = at.askedAt + Math.min(lives.freshForMs, at.ttlMaxMs);
    this.charge = Math.max(at.share, content.bytes);
    this.#lives = lives;
  }

  /** How old it is by now. */
  ageMs(now: number): number {
    return this.#lives.ageMs + Math.max(0, now - this.askedAt);
  }

  /** What a read answers; `share`: the value is that of all who share. */
  lookup<T>(codec: Codec<T>, now: number, share: boolean): Lookup<T> {
    const passed = Math.max(0, now - this.askedAt);
    const freshForMs = Math.max(0, this.#lives.freshForMs - passed);
    const { body } = this.content;
    if (body.is === "negative") {
      return { outcome: "negative", hit: false, reason: body.reason, message: body.message, freshForMs, near: true };
    }
    return {
      outcome: "hit",
      hit: true,
      value: share ? this.content.shared(codec, body.bytes) : this.content.read(codec, body.bytes),
      stale: false,
      ageMs: this.ageMs(now),
      freshForMs,
      usableForMs: Math.max(0, this.#lives.usableForMs - passed),
      tier: this.content.tier,
      etag: this.content.etag,
      near: true,
    };
  }
}
