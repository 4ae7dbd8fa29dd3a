/**
 * How long entries live: the server's named classes, durations as people write them, and what the contract carries. All
 * durations inside the client are numbers of milliseconds.
 */
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { invalidArgument } from "./error.js";
import type { Expiration } from "./generated/hotplate/v1/types_pb.js";

/** The lifetime classes that every server knows and resolves, so that operators can retune them. */
export const ttl = {
  /** 300 s unless the server says otherwise. */
  VERY_SHORT: "very_short",
  /** 900 s. */
  SHORT: "short",
  /** 1,800 s. */
  MEDIUM: "medium",
  /** 3,600 s. */
  LONG: "long",
  /** 7,200 s. */
  VERY_LONG: "very_long",
  /** 86,400 s. */
  DAY: "day",
  /** 604,800 s. */
  WEEK: "week",
} as const;

/** A duration: a number of **seconds** (down to the millisecond), or text such as `"1d2h3m50s"`, `"250ms"` or `"90"`. */
export type DurationInput = number | string;

/**
 * How long an entry stays fresh: a class by name (`"long"`, `ttl.LONG`, or one the server adds), a duration such as `"1h30m"`,
 * or a number of **seconds**. Zero is an error.
 */
export type Ttl = DurationInput;

/** A lifetime that was read: a class that the server resolves, or milliseconds. */
export type ParsedTtl = { readonly class: string } | { readonly ms: number };

/** Units in the order in which they may appear, with their milliseconds. */
const UNITS = [
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;
const MAX_MS = 100 * 365 * 86_400_000;

/**
 * Reads `1w2d3h4m5s6ms` (each unit at most once, largest first), or a plain number of seconds with a fraction down to the
 * millisecond; answers milliseconds.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for anything else, for zero, and for more than 100 years.
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  const ms = /^[0-9.]*$/.test(trimmed) ? plainSeconds(trimmed) : withUnits(trimmed);
  return checked(ms);
}

function checked(ms: number | null): number {
  if (ms === null || Number.isNaN(ms)) {
    throw invalidArgument("duration", "not a duration: write for example `1d2h3m50s`, `250ms` or `90`");
  }
  if (ms <= 0) {
    throw invalidArgument("duration", "a duration of zero is no lifetime: use at least 1ms");
  }
  if (ms > MAX_MS) {
    throw invalidArgument("duration", "a duration is at most 100 years");
  }
  return ms;
}

function plainSeconds(text: string): number | null {
  const parts = /^([0-9]+)(?:\.([0-9]{1,3}))?$/.exec(text);
  if (parts === null) {
    return null;
  }
  return Number(parts[1]) * 1_000 + Number((parts[2] ?? "0").padEnd(3, "0"));
}

function withUnits(text: string): number | null {
  let rest = text;
  let next = 0;
  let total = 0;
  while (rest !== "") {
    const part = /^([0-9]+)([^0-9]+)/.exec(rest);
    if (part === null) {
      return null;
    }
    const at = UNITS.findIndex(([unit], index) => index >= next && unit === part[2]);
    const unit = UNITS[at];
    if (unit === undefined) {
      return null;
    }
    total += Number(part[1]) * unit[1];
    next = at + 1;
    rest = rest.slice(part[0].length);
  }
  return total;
}

/** Milliseconds as {@link parseDuration} reads them, cut to the millisecond; `0ms` for none. */
export function formatDuration(ms: number): string {
  let rest = Math.trunc(Math.max(0, ms));
  let text = "";
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    if (count > 0) {
      text += `${count}${unit}`;
      rest -= count * length;
    }
  }
  return text === "" ? "0ms" : text;
}

/**
 * Milliseconds of what a caller wrote.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT`, naming `field`.
 */
export function durationMs(field: string, input: DurationInput): number {
  try {
    return typeof input === "number" ? checked(Math.round(input * 1_000)) : parseDuration(input);
  } catch (failure) {
    throw failure instanceof Error ? invalidArgument(field, failure.message) : failure;
  }
}

/** The same where zero means "not at all". */
export function durationOrZeroMs(field: string, input: DurationInput): number {
  return input === 0 ? 0 : durationMs(field, input);
}

/**
 * Reads a lifetime: a class by name in any case, a duration, or seconds.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what is none.
 */
export function parseTtl(input: Ttl): ParsedTtl {
  if (typeof input === "string") {
    const lower = input.trim().toLowerCase();
    if (/^[a-z]/.test(lower)) {
      return { class: lower };
    }
    return { ms: parseDuration(lower) };
  }
  return { ms: durationMs("ttl", input) };
}

/** A lifetime as the contract carries it. */
export function wireLifetime(input: Ttl): Expiration["lifetime"] {
  const parsed = parseTtl(input);
  return "class" in parsed
    ? { case: "ttlClass", value: parsed.class }
    : { case: "ttl", value: wireDuration(parsed.ms) };
}

/** Milliseconds as the contract carries them. */
export function wireDuration(ms: number): Duration {
  const whole = Math.floor(ms / 1_000);
  return create(DurationSchema, { seconds: BigInt(whole), nanos: Math.round((ms - whole * 1_000) * 1e6) });
}

/** Milliseconds of a duration of an answer; undefined for one that is unset or negative. */
export function fromWire(duration: Duration | undefined): number | undefined {
  if (duration === undefined || duration.seconds < 0n || duration.nanos < 0) {
    return undefined;
  }
  return Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}
