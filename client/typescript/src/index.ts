/** What users of the package see. Adapters, stubs and helpers for tests have entries of their own. */

export type { ReadStream, WriteStream, WriteStreamOptions } from "./blob/streams.js";
export type { CachedFunction, CachedOptions } from "./cached.js";
export { type CallOptions, Calls } from "./calls.js";
export type { KeyValue } from "./canonical.js";
export { HotplateClient, type NamespaceOptions } from "./client.js";
export { type Codec, json, raw, type Schema, type SchemaResult, type StandardSchema, text } from "./codec.js";
export type { Computation, Compute } from "./compute.js";
export { type ErrorFacts, type ErrorKind, HotplateError } from "./error.js";
export type { DegradationCounts, OnError } from "./gate.js";
export type { InvalidateOptions, MarkStaleOptions, RefreshOptions } from "./invalidation.js";
export { KEY_BYTES_MAX, Key, type KeyInput, type KeySegment, key, TEXT_INLINE_MAX } from "./key.js";
export type { Log } from "./log.js";
export type {
  Etag,
  Hit,
  Invalidated,
  Lookup,
  Miss,
  MissReason,
  Negative,
  Refreshing,
  Tier,
  Written,
} from "./lookup.js";
export { Namespace, type ScanOptions } from "./namespace.js";
export type { NearFollow, NearOptions, NearRefusals, NearStats } from "./near/options.js";
export type { CacheMode, ComputeOptions, ReadOptions, WriteOptions } from "./options.js";
export type {
  Preload,
  PreloadItem,
  PreloadOptions,
  PreloadProgress,
  PreloadResult,
  PreloadState,
} from "./preload.js";
export { type Profile, type ProfileName, profiles } from "./profile.js";
export { protobuf } from "./protobuf.js";
export { type Select, type SelectInput, type Selection, select } from "./selector.js";
export type { ClientOptions, TlsOptions } from "./settings.js";
export type { ItemFailure } from "./space.js";
export type { OperationFacts, Telemetry } from "./telemetry.js";
export type { Incoming, Outgoing, Transport, Try } from "./transport.js";
export { type DurationInput, formatDuration, parseDuration, type Ttl, ttl } from "./ttl.js";
export { VERSION } from "./version.js";
export type { EventType, Watch, WatchEvent, WatchItem, WatchOptions } from "./watch.js";
