/** How a near cache is set up, and what its numbers say. */
import { configurationError } from "../error.js";
import { type DurationInput, durationMs } from "../ttl.js";

/**
 * What a near cache hears of: every change of the `namespace` (right where little changes, or much is read here); changes of
 * keys that begin with one of the `prefixes` (1 to 128; only such keys are kept); changes of the `kept_keys` (right for large
 * namespaces of which little is read here: a key is kept from its second read on).
 */
export type NearFollow = "namespace" | "kept_keys" | { readonly prefixes: readonly string[] };

/** How values are kept in this process. At most 64 namespaces of a client have a near cache: further ones go without. */
export interface NearOptions {
  /**
   * Bytes that it keeps at most, for each namespace, at least 64 KiB. A value counts twice, as it came and as it was read, with
   * its key, its facts and a share for bookkeeping. A number, or text such as `"32MiB"`. Default: 64 MiB.
   */
  readonly bytesMax?: number | string | undefined;
  /**
   * Entries that it keeps at most, for each namespace, 1 or more. Room is shared: an entry also takes the share of the bytes
   * that one entry has. Default: 10,000.
   */
  readonly entriesMax?: number | undefined;
  /** For how long a value is served without asking the server again, at most. Default: 60 s. */
  readonly ttlMax?: DurationInput | undefined;
  /**
   * For how long the server may be silent before nothing is served any more, 300 ms to 10 min. It bounds how old what was
   * invalidated can still be read when the server or the network between stops without a word. Default: 3 s.
   */
  readonly progressMax?: DurationInput | undefined;
  /** What it hears of. Default: `namespace`. */
  readonly follow?: NearFollow | undefined;
  /**
   * Also keeps entries that were made from others (`dependsOn`). Then every eviction is told, and drops the copy. Not for
   * servers with a disk or a Redis below their memory: nothing tells of what is dropped there because of what it was made from.
   */
  readonly keepDependents?: boolean | undefined;
}

/** The same with everything said, in bytes and milliseconds. */
export interface NearSettings {
  readonly bytesMax: number;
  readonly entriesMax: number;
  readonly ttlMaxMs: number;
  readonly progressMaxMs: number;
  readonly follow: NearFollow;
  readonly keepDependents: boolean;
}

/** Why answers were not kept, each counted since the client was made. */
export interface NearRefusals {
  /** The stream of changes was away or had not caught up. */
  notSynced: number;
  /** They came from another server, or from before its restart. */
  otherHistory: number;
  /** What they say changed while they were on their way. */
  overtaken: number;
  /** This client wrote the same while they were on their way. */
  ownWrite: number;
  /** Their key is not followed, or not yet. */
  notFollowed: number;
  /** They were made from others; see {@link NearOptions.keepDependents}. */
  dependent: number;
  /** They do not fit. */
  tooLarge: number;
}

/** What a near cache did and holds. */
export interface NearStats {
  /** Reads answered from this process. */
  readonly hits: number;
  /** Reads that went to the server. */
  readonly misses: number;
  /** Answers that were kept. */
  readonly admitted: number;
  /** Answers that were not. */
  readonly refused: Readonly<NearRefusals>;
  /** Copies dropped because they, or a set they belong to, changed, and by this client's own writes. */
  readonly invalidated: number;
  /** Copies that made room for others. */
  readonly evicted: number;
  /** Copies dropped because changes were lost. */
  readonly distrusted: number;
  /** Of those, copies that the server then confirmed. */
  readonly revalidated: number;
  /** Times the stream of changes was lost. */
  readonly losses: number;
  /** Copies held now. */
  readonly entries: number;
  /** Bytes counted for them. */
  readonly bytes: number;
  /** Keys followed now; zero unless it follows single keys. */
  readonly followed: number;
  /** Whether the stream is there and has caught up, and progress is recent: whether it serves. */
  readonly serving: boolean;
  /** Milliseconds since the server was last heard; null before the first time. */
  readonly progressAgeMs: number | null;
}

const UNITS: Record<string, number> = { "": 1, B: 1, KiB: 1 << 10, MiB: 1 << 20, GiB: 1 << 30 };

/**
 * Checks options and fills in what is not said.
 *
 * @throws {HotplateError} `CONFIGURATION`, with what to change.
 */
export function nearSettings(options: NearOptions): NearSettings {
  const settings: NearSettings = {
    bytesMax: bytesOf(options.bytesMax ?? 64 << 20),
    entriesMax: options.entriesMax ?? 10_000,
    ttlMaxMs: milliseconds("ttlMax", options.ttlMax ?? 60),
    progressMaxMs: milliseconds("progressMax", options.progressMax ?? 3),
    follow: options.follow ?? "namespace",
    keepDependents: options.keepDependents ?? false,
  };
  const { bytesMax, entriesMax, progressMaxMs, follow } = settings;
  if (!(bytesMax >= 64 << 10) || !Number.isSafeInteger(entriesMax) || entriesMax < 1) {
    throw configurationError("nearCache: bytesMax is at least 64 KiB and entriesMax at least 1");
  }
  if (progressMaxMs < 300 || progressMaxMs > 600_000) {
    throw configurationError("nearCache: progressMax is 300 ms to 10 min");
  }
  if (typeof follow === "object") {
    const { prefixes } = follow;
    if (prefixes.length < 1 || prefixes.length > 128 || prefixes.includes("")) {
      throw configurationError("nearCache: 1 to 128 prefixes are followed, none of them empty");
    }
  }
  return settings;
}

function milliseconds(name: string, input: DurationInput): number {
  try {
    return durationMs(name, input);
  } catch (cause) {
    throw configurationError(`nearCache: ${name}: ${cause instanceof Error ? cause.message : "no duration"}`);
  }
}

function bytesOf(input: number | string): number {
  if (typeof input === "number") return Math.trunc(input);
  const parts = /^([0-9]+) ?([A-Za-z]*)$/.exec(input.trim());
  const unit = UNITS[parts?.[2] ?? "?"];
  if (parts === null || unit === undefined) {
    throw configurationError("nearCache: bytesMax is a number of bytes, or text such as `32MiB`");
  }
  return Number(parts[1]) * unit;
}
