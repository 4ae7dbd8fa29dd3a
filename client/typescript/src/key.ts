/**
 * How keys are made: readable segments where possible, canonical hashes where not, the same in every language. The rules are
 * in `tests/conformance/README.md`, with vectors.
 */
import { createHash } from "node:crypto";
import { canonicalJson, type KeyValue, nfc, numberText } from "./canonical.js";
import { invalidArgument } from "./error.js";
import { checkText } from "./text.js";

/** Longest key, in bytes of UTF-8. */
export const KEY_BYTES_MAX = 1024;
/** Longest text, in characters, that {@link Key.text} writes out. */
export const TEXT_INLINE_MAX = 1000;
/** What a hashed part begins with. No segment can: a leading `~` is percent-encoded. */
const HASH_MARK = "~sha256:";

/** What can be used as a key: a {@link Key}, or text that is taken as the whole key, as it is. */
export type KeyInput = string | Key;

/** One segment: an id, a number, a name. */
export type KeySegment = string | number | bigint | boolean;

/**
 * A key under construction: segments joined by `:`. Each method answers a new key and leaves this one as it is.
 *
 * Characters that mean something in keys, globs and URLs (`: * ? [ ] % /`, a leading `~`), white space and control characters
 * are percent-encoded; text is in normal form C. A fault, such as an empty segment, is thrown where it is made.
 */
export class Key {
  #segments: readonly string[];

  /** Begins with these segments, such as `["model", "metrics"]`; `key(…)` is short for it. */
  constructor(segments: Iterable<KeySegment> = []) {
    this.#segments = Array.from(segments, segment);
  }

  /** Adds one segment: an id, a number, a name. Empty text is refused. */
  id(id: KeySegment): Key {
    return this.#with(segment(id));
  }

  /**
   * Adds `name_value`: text, numbers, booleans and null as they are, arrays and objects as a hash of their canonical JSON. An
   * `_` within the name is percent-encoded, so that the first one always ends it.
   */
  param(name: string, value: KeyValue): Key {
    if (name === "") {
      throw invalidArgument("key", "a key parameter has an empty name");
    }
    const encoded = encode(nfc(name)).replaceAll("_", "%5F");
    return this.#with(`${encoded}_${encodeInner(paramText(value))}`);
  }

  /** Adds a hash of the canonical JSON of many parameters at once. */
  params(values: KeyValue): Key {
    return this.#with(hash(canonicalJson(values)));
  }

  /** Adds a hash of ids whose order does not matter. Duplicates count. */
  unordered(ids: Iterable<KeySegment>): Key {
    const texts = Array.from(ids, (id) => nfc(plainText(id)));
    texts.sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
    return this.params(texts);
  }

  /** Adds free text, such as a prompt: written out up to 1,000 characters, hashed beyond. */
  text(text: string): Key {
    const normal = nfc(text);
    if (normal.length <= TEXT_INLINE_MAX || [...normal].length <= TEXT_INLINE_MAX) {
      return this.#with(segment(normal));
    }
    return this.#with(HASH_MARK + hash(normal));
  }

  /** Adds a hash of bytes: the content a result was computed from. */
  content(bytes: Uint8Array): Key {
    return this.#with(HASH_MARK + hash(bytes));
  }

  /**
   * The key's text. Beyond 1,024 bytes, as many leading segments as fit are kept and a hash of the whole follows.
   *
   * @throws {HotplateError} `INVALID_ARGUMENT` for a key without segments.
   */
  render(): string {
    if (this.#segments.length === 0) {
      throw invalidArgument("key", "a key has at least one segment");
    }
    const whole = this.#segments.join(":");
    if (whole.length * 3 <= KEY_BYTES_MAX || Buffer.byteLength(whole) <= KEY_BYTES_MAX) {
      return whole;
    }
    const suffix = HASH_MARK + hash(whole);
    let short = "";
    let bytes = suffix.length;
    for (const part of this.#segments) {
      bytes += Buffer.byteLength(part) + 1;
      if (bytes > KEY_BYTES_MAX) {
        break;
      }
      short += `${part}:`;
    }
    return short + suffix;
  }

  /** The same as {@link Key.render}. */
  toString(): string {
    return this.render();
  }

  /** Keys may name people or hold parts of prompts: what is printed identifies the key without telling it. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Key(#${hash(this.#segments.join(":")).slice(0, 16)})`;
  }

  #with(part: string): Key {
    const longer = new Key();
    // The segments are encoded already.
    longer.#segments = [...this.#segments, part];
    return longer;
  }
}

/** Begins a key: `key("model", "metrics").id("abc-123").param("top", 10)` is `model:metrics:abc-123:top_10`. */
export function key(...segments: KeySegment[]): Key {
  return new Key(segments);
}

/**
 * The text of what a caller gave as a key.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what is no key, or has no UTF-8 form.
 */
export function keyText(input: KeyInput): string {
  if (input instanceof Key) return input.render();
  checkText("key", input);
  return input;
}

function plainText(id: KeySegment): string {
  return typeof id === "string" ? id : typeof id === "boolean" ? String(id) : numberText(id);
}

function segment(id: KeySegment): string {
  const text = plainText(id);
  if (text === "") {
    throw invalidArgument("key", "a key segment is empty");
  }
  return encode(nfc(text));
}

function paramText(value: KeyValue): string {
  if (typeof value === "string") {
    if (value === "") {
      throw invalidArgument("key", "a key parameter's value is empty");
    }
    return nfc(value);
  }
  const text = canonicalJson(value);
  return typeof value === "object" && value !== null ? hash(text) : text;
}

/** The first half of the SHA-256, in lower-case hexadecimal: 128 bits are enough for names. */
function hash(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 32);
}

/** Percent-encodes a whole segment. */
function encode(text: string): string {
  return text.startsWith("~") ? `%7E${encodeInner(text.slice(1))}` : encodeInner(text);
}

function encodeInner(text: string): string {
  return text.replace(/[:*?[\]%/\p{White_Space}\p{Cc}]/gu, (found) =>
    Array.from(Buffer.from(found), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}
