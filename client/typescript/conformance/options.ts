/** Options as the protocol writes them, and as the client takes them. */
import type { ClientOptions, ComputeOptions, NearOptions, ReadOptions, WriteOptions } from "../dist/index.js";
import { Fault, millisecondsOf, numberOf, objectOf, only, type Request } from "./request.ts";

type Given = Readonly<Record<string, unknown>>;

const READ = ["accept_stale", "max_age_ms", "peek", "slowest_tier", "without_near_cache"];
const WRITE = [
  "ttl",
  "stale_for_ms",
  "idle_ms",
  "jitter",
  "refresh_ahead",
  "refresh_ahead_xfetch",
  "kind",
  "tags",
  "depends_on",
  "labels",
  "cost_ms",
  "if_absent",
  "if_present",
  "if_etag",
];
const COMPUTE = [
  "mode",
  "stale_if_error",
  "stale_while_revalidate",
  "max_age_ms",
  "wait_ms",
  "per_process",
  "remember_failure",
  "hold_off_ms",
];
const SETTINGS = [
  "namespace",
  "token",
  "allow_insecure_token",
  "timeout_ms",
  "profile",
  "on_error",
  "disabled",
  "journal_max",
  "computations_max",
  "client_id",
  "pipelining",
  "connections_max",
  "near",
];
const NEAR = ["bytes_max", "entries_max", "ttl_max_ms", "progress_max_ms", "follow", "keep_dependents"];

/** What is said, without what is not. */
function said<T extends object>(fields: T): { [P in keyof T]?: Exclude<T[P], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries) as { [P in keyof T]?: Exclude<T[P], undefined> };
}

/** Options of reads. */
export function readOptions(request: Request, signal: AbortSignal): ReadOptions {
  const given = objectOf(request, "options");
  only("options", given, READ);
  return said({
    acceptStale: given["accept_stale"],
    maxAge: millisecondsOf(given, "max_age_ms"),
    peek: given["peek"],
    slowestTier: given["slowest_tier"],
    withoutNearCache: given["without_near_cache"],
    signal,
  }) as ReadOptions;
}

/** Options of writes. */
export function writeOptions(request: Request, signal: AbortSignal): WriteOptions {
  const given = objectOf(request, "options");
  only("options", given, WRITE);
  return { ...writing(given), signal };
}

function writing(given: Given): WriteOptions {
  const etag = given["if_etag"];
  const condition =
    etag !== undefined && etag !== null
      ? { etag }
      : given["if_absent"] === true
        ? "absent"
        : given["if_present"] === true
          ? "present"
          : undefined;
  return said({
    ttl: given["ttl"],
    staleFor: millisecondsOf(given, "stale_for_ms"),
    idle: millisecondsOf(given, "idle_ms"),
    jitter: numberOf(given, "jitter"),
    refreshAhead: numberOf(given, "refresh_ahead"),
    refreshAheadXfetch: numberOf(given, "refresh_ahead_xfetch"),
    kind: given["kind"],
    tags: given["tags"],
    dependsOn: given["depends_on"],
    labels: given["labels"],
    cost: millisecondsOf(given, "cost_ms"),
    condition,
  }) as WriteOptions;
}

/** Options of `getOrCompute`. */
export function computeOptions(request: Request, signal: AbortSignal): ComputeOptions {
  const given = objectOf(request, "options");
  only("options", given, [...WRITE, ...COMPUTE]);
  return {
    ...writing(given),
    ...(said({
      mode: given["mode"],
      staleIfError: given["stale_if_error"],
      staleWhileRevalidate: given["stale_while_revalidate"],
      maxAge: millisecondsOf(given, "max_age_ms"),
      wait: millisecondsOf(given, "wait_ms"),
      perProcess: given["per_process"],
      rememberFailure: given["remember_failure"],
      holdOff: millisecondsOf(given, "hold_off_ms"),
    }) as ComputeOptions),
    signal,
  };
}

/** Settings of a client. */
export function clientOptions(request: Request): ClientOptions {
  const given = objectOf(request, "settings");
  only("settings", given, SETTINGS);
  const urls = (request["urls"] as string[] | undefined) ?? request["url"];
  const near = given["near"];
  return said({
    url: urls,
    namespace: given["namespace"],
    token: given["token"],
    allowInsecureToken: given["allow_insecure_token"],
    timeoutMs: numberOf(given, "timeout_ms"),
    profile: given["profile"],
    onError: given["on_error"],
    disabled: given["disabled"],
    journalMax: numberOf(given, "journal_max"),
    computationsMax: numberOf(given, "computations_max"),
    clientId: given["client_id"],
    // `pipelining` changes nothing here: every call goes alone.
    connectionsMax: numberOf(given, "connections_max"),
    nearCache: near === undefined || near === null ? undefined : nearOptions(near as Given),
  }) as ClientOptions;
}

function nearOptions(given: Given): NearOptions {
  only("near", given, NEAR);
  const follow = given["follow"];
  const known = follow === undefined || follow === "namespace" || follow === "kept_keys" || typeof follow === "object";
  if (!known) throw new Fault("near: follow is `namespace`, `kept_keys` or prefixes");
  return said({
    bytesMax: numberOf(given, "bytes_max"),
    entriesMax: numberOf(given, "entries_max"),
    ttlMax: millisecondsOf(given, "ttl_max_ms"),
    progressMax: millisecondsOf(given, "progress_max_ms"),
    follow,
    keepDependents: given["keep_dependents"],
  }) as NearOptions;
}
