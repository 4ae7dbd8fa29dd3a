/**
 * One text for one value: JSON as RFC 8785 writes it, restricted to what every language can agree on. Keys are hashed over
 * this text, so a difference of one byte between two clients is a cache that never hits.
 */
import { type HotplateError, invalidArgument } from "./error.js";

/** Largest integer that every language's floats hold exactly. */
const INTEGER_MAX = 2n ** 53n - 1n;
/** Deepest nesting of arrays and objects. */
const DEPTH_MAX = 64;

/**
 * What can be part of a key: JSON, and `bigint` within ±(2^53 - 1). Members that are `undefined` are left out, as JSON leaves
 * them out.
 */
export type KeyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly KeyValue[]
  | { readonly [name: string]: KeyValue | undefined };

/**
 * Text in Unicode normal form C: what looks the same is the same.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for a lone surrogate, which no UTF-8 can hold.
 */
export function nfc(text: string): string {
  if (!text.isWellFormed()) {
    throw invalidArgument("key", "a text of a key has half of a surrogate pair: it has no UTF-8 form");
  }
  return text.normalize("NFC");
}

/**
 * The canonical text of a JSON value.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for an integer beyond ±(2^53 - 1), a number that is not finite, nesting beyond
 *   64, two names of an object that are one after normalisation, and what is no JSON.
 */
export function canonicalJson(value: unknown): string {
  const out: string[] = [];
  write(out, value, 0);
  return out.join("");
}

function write(out: string[], value: unknown, depth: number): void {
  if (depth > DEPTH_MAX) {
    throw invalidArgument("key", "a key parameter is nested deeper than 64");
  }
  if (value === null || value === true || value === false) {
    out.push(String(value));
  } else if (typeof value === "number" || typeof value === "bigint") {
    out.push(numberText(value));
  } else if (typeof value === "string") {
    out.push(JSON.stringify(nfc(value)));
  } else if (Array.isArray(value)) {
    // A hole is none of its keys, and what else it has would be lost.
    if (Object.keys(value).length !== value.length) throw noForm();
    out.push("[");
    value.forEach((item, index) => {
      if (index > 0) out.push(",");
      write(out, item, depth + 1);
    });
    out.push("]");
  } else if (isPlain(value)) {
    writeObject(out, value, depth);
  } else {
    throw noForm();
  }
}

function noForm(): HotplateError {
  return invalidArgument(
    "key",
    "a key parameter has no JSON form: use text, numbers, booleans, arrays without holes and plain objects",
  );
}

/** Names in the order of their UTF-16 code units, as RFC 8785 asks and as JavaScript compares. */
function writeObject(out: string[], members: Record<string, unknown>, depth: number): void {
  const named = Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [nfc(name), value] as const)
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  out.push("{");
  named.forEach(([name, value], index) => {
    if (index > 0) {
      if (named[index - 1]?.[0] === name) {
        throw invalidArgument("key", "two names of a key parameter are the same in normal form");
      }
      out.push(",");
    }
    out.push(JSON.stringify(name), ":");
    write(out, value, depth + 1);
  });
  out.push("}");
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const isOwn = prototype === Object.prototype || prototype === null;
  return isOwn && Object.getOwnPropertySymbols(value).length === 0;
}

/**
 * A number as ECMAScript prints it. A `number` is a float, as in every language; whether it was meant as an integer nobody can
 * tell, so only a `bigint` is held to ±(2^53 - 1).
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what is out of bounds or not finite.
 */
export function numberText(value: number | bigint): string {
  if (typeof value === "bigint") {
    if (value > INTEGER_MAX || value < -INTEGER_MAX) {
      throw invalidArgument("key", "an integer in a key is beyond ±(2^53 - 1): pass it as text");
    }
    return value.toString();
  }
  if (!Number.isFinite(value)) {
    throw invalidArgument("key", "a number in a key is not finite");
  }
  return String(value === 0 ? 0 : value);
}
