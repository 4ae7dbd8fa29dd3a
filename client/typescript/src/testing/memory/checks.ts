/** What a server refuses of what it is asked, with its own words' reasons: a program that works on this cache works there. */
import { HotplateError } from "../../error.js";
import type { InvalidateRequest, PutRequest } from "../../generated/hotplate/v1/cache_pb.js";
import type { Expiration, Negative, Selector } from "../../generated/hotplate/v1/types_pb.js";
import { Glob } from "../../near/glob.js";

const KEY_BYTES = 1024;
const NAME_BYTES = 128;
const TAGS = 64;
const ALL_TAGS = 16;
const SELECTORS = 128;
const LONG_BYTES = 16 << 10;
const GLOB_BYTES = 256;
const GLOB_WILDCARDS = 8;
const JITTER = 0.5;
const FRACTION = 0.9;
const XFETCH = [0.001, 100] as const;
const CONTROL = /\p{Cc}/u;

/** Checks a key's text. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes > 0 && bytes <= KEY_BYTES && !CONTROL.test(key)) return;
  throw refused("BAD_KEY", "key", "a key has 1 to 1,024 bytes without control characters");
}

/** Checks the name of a namespace; an empty one means `default`. */
export function checkNamespace(name: string): void {
  if (/^[A-Za-z0-9._/-]{0,64}$/.test(name)) return;
  throw refused("BAD_NAMESPACE", "namespace", "a namespace is 1 to 64 letters, digits, '-', '_', '.' or '/'");
}

/** Checks all that a Put says besides its value. */
export function checkPut(put: PutRequest): void {
  checkKey(put.key);
  length("content_type", put.contentType, 256);
  length("encoding", put.encoding, 64);
  length("kind", put.kind, NAME_BYTES);
  length("client_id", put.clientId, NAME_BYTES);
  if (put.tags.length > TAGS) throw bad("tags", `an entry has at most ${TAGS} tags`);
  for (const tag of put.tags) name("tags", tag);
  const made = put.dependsOn.reduce((sum, one) => sum + Buffer.byteLength(one), 0);
  if (put.dependsOn.length > TAGS || made > LONG_BYTES) {
    throw bad("depends_on", `an entry depends on at most ${TAGS} others with ${LONG_BYTES} bytes in all`);
  }
  for (const one of put.dependsOn) dependency("depends_on", one);
  const labels = Object.entries(put.labels);
  const said = labels.reduce((sum, [label, text]) => sum + Buffer.byteLength(label) + Buffer.byteLength(text), 0);
  if (labels.length > TAGS || said > LONG_BYTES) {
    throw bad("labels", `an entry has at most ${TAGS} labels with ${LONG_BYTES} bytes in all`);
  }
  if (put.payload.case === "negative") checkNegative(put.payload.value);
  checkExpiration(put.expiration);
}

/** Checks a remembered absence or failure. */
export function checkNegative({ reason, message }: Negative): void {
  if (!/^[A-Z0-9_]{1,64}$/.test(reason)) {
    throw bad("negative.reason", "a negative result's reason is 1 to 64 letters in UPPER_SNAKE_CASE");
  }
  length("negative.message", message, KEY_BYTES);
}

/** Checks how long something is to live, as far as that has bounds of its own. */
export function checkExpiration(expiration: Expiration | undefined): void {
  const { jitter, refreshAhead } = expiration ?? {};
  if (jitter !== undefined && !(jitter >= 0 && jitter <= JITTER)) {
    throw lifetime("expiration.jitter", `jitter is a share of the TTL from 0 to ${JITTER}`);
  }
  const when = refreshAhead?.when;
  if (when?.case === "fraction" && !(when.value >= 0 && when.value <= FRACTION)) {
    throw lifetime("expiration.refresh_ahead.fraction", `a fraction of the TTL is from 0 to ${FRACTION}`);
  }
  if (when?.case === "xfetchBeta" && !(when.value >= XFETCH[0] && when.value <= XFETCH[1])) {
    throw lifetime("expiration.refresh_ahead.xfetch_beta", "the factor of XFetch is from 0.001 to 100");
  }
}

/** Checks an Invalidate. */
export function checkInvalidate(request: InvalidateRequest): void {
  if (request.selectors.length === 0) {
    throw refused("NO_SELECTOR", "selectors", "an invalidation names at least one selector");
  }
  length("reason", request.reason, GLOB_BYTES);
  checkSelectors(request.selectors);
}

/** Checks what is selected. */
export function checkSelectors(selectors: readonly Selector[]): void {
  if (selectors.length > SELECTORS) throw bad("selectors", `at most ${SELECTORS} selectors go into one call`);
  for (const { selector } of selectors) {
    switch (selector.case) {
      case "key":
        checkKey(selector.value);
        break;
      case "prefix":
        length("prefix", selector.value, KEY_BYTES);
        break;
      case "glob":
        checkGlob(selector.value);
        break;
      case "tag":
        name("tag", selector.value);
        break;
      case "kind":
        name("kind", selector.value);
        break;
      case "allTags":
        if (selector.value.tags.length < 1 || selector.value.tags.length > ALL_TAGS) {
          throw bad("all_tags", `all_tags has 1 to ${ALL_TAGS} tags`);
        }
        for (const tag of selector.value.tags) name("all_tags", tag);
        break;
      case "dependentsOf":
        dependency("dependents_of", selector.value);
        break;
      case "everything":
        break;
      default:
        throw bad("selectors", "a selector says what it selects");
    }
  }
}

function checkGlob(pattern: string): void {
  const glob = Buffer.byteLength(pattern) <= GLOB_BYTES ? Glob.parse(pattern) : null;
  if (glob !== null && glob.wildcards <= GLOB_WILDCARDS) return;
  throw refused("BAD_GLOB", "glob", "a glob has at most 256 bytes and 8 wildcards, and ends what it begins");
}

function dependency(field: string, text: string): void {
  if (text.startsWith("tag:")) name(field, text.slice("tag:".length));
  else if (text === "" || Buffer.byteLength(text) > KEY_BYTES || CONTROL.test(text)) {
    throw bad(field, "this is a key, or a tag as `tag:NAME`");
  }
}

function name(field: string, text: string): void {
  if (text === "") throw bad(field, `${field} has at least one byte`);
  length(field, text, NAME_BYTES);
}

function length(field: string, text: string, max: number): void {
  if (Buffer.byteLength(text) > max) throw bad(field, `${field} has at most ${max} bytes`);
}

function bad(field: string, rule: string): HotplateError {
  return refused("BAD_ARGUMENT", field, rule);
}

function lifetime(field: string, rule: string): HotplateError {
  return refused("TTL_OUT_OF_BOUNDS", field, rule);
}

function refused(reason: string, field: string, rule: string): HotplateError {
  return new HotplateError("INVALID_ARGUMENT", rule, { reason, field });
}
