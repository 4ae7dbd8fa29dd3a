/**
 * The one error type of the client. How a gRPC status becomes one lives in `status.ts`; what to do about an error lives with
 * the callers.
 */
import type { ItemError } from "./generated/hotplate/v1/cache_pb.js";
import { fromWire } from "./ttl.js";

/**
 * What sort of failure it was: the thing to branch on.
 *
 * - `UNAVAILABLE`: the server could not be reached or is not ready. A later try may succeed.
 * - `DEADLINE_EXCEEDED`: the time allowed for the call ran out. Whether the server acted is not known.
 * - `UNAUTHENTICATED`: the server does not know who is calling: no token, or a wrong one.
 * - `PERMISSION_DENIED`: the caller is known but may not do this in this namespace.
 * - `INVALID_ARGUMENT`: the request can never succeed as it is; `field` often names the part at fault.
 * - `NOT_FOUND`: something named in the request does not exist. Never a missing key: that is a miss.
 * - `RESOURCE_EXHAUSTED`: a bound was reached; less, or later, may succeed.
 * - `FAILED_PRECONDITION`: the server is not set up for this.
 * - `CANCELLED`: the caller's signal was aborted (then `cause` is its reason), or the client was closed.
 * - `UNIMPLEMENTED`: the server does not know this call.
 * - `INTERNAL`: a fault in the server, or an answer that makes no sense.
 * - `CODEC`: a value could not be encoded or decoded, or has another content type than the namespace's codec reads.
 * - `CONFIGURATION`: the client was set up in a way that cannot work.
 * - `COMPUTE`: the caller's own computation failed; `cause` is what it threw, where that happened in this process.
 */
export type ErrorKind =
  | "UNAVAILABLE"
  | "DEADLINE_EXCEEDED"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "CANCELLED"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "CODEC"
  | "CONFIGURATION"
  | "COMPUTE";

/** What an error may say besides its kind and its sentence. */
export interface ErrorFacts {
  /** The reason for programs, such as `TTL_OUT_OF_BOUNDS`. */
  readonly reason?: string | null;
  /** The request field at fault. */
  readonly field?: string | null;
  /** Milliseconds to wait before trying again. */
  readonly retryAfterMs?: number | null;
  /** What else there is for programs, by name. */
  readonly details?: Readonly<Record<string, string>>;
  /** What caused it. */
  readonly cause?: unknown;
}

/** A failure: what sort, why, which field, and when to try again. It never holds a value, a key or a token. */
export class HotplateError extends Error {
  /** What sort of failure. */
  readonly kind: ErrorKind;
  /** The server's reason for programs, such as `TTL_OUT_OF_BOUNDS`; null where it gave none. */
  readonly reason: string | null;
  /** The request field at fault, when one is. */
  readonly field: string | null;
  /** Milliseconds to wait before trying again, when the server said so. */
  readonly retryAfterMs: number | null;
  /** What else the server said for programs, by name: with `TIER_PENDING` what was done and what is still to be. */
  readonly details: Readonly<Record<string, string>>;

  constructor(kind: ErrorKind, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "HotplateError";
    this.kind = kind;
    this.reason = facts.reason ?? null;
    this.field = facts.field ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.details = facts.details ?? {};
  }

  /** Kind, reason, sentence and field on one line. */
  override toString(): string {
    const reason = this.reason === null ? "" : ` (${this.reason})`;
    const field = this.field === null ? "" : ` (field \`${this.field}\`)`;
    return `${this.name}: ${this.kind}${reason}: ${this.message}${field}`;
  }
}

/** The kinds of gRPC's status codes, by number. */
const KINDS: readonly ErrorKind[] = [
  "INTERNAL",
  "CANCELLED",
  "INTERNAL",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "FAILED_PRECONDITION",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "FAILED_PRECONDITION",
  "INVALID_ARGUMENT",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "INTERNAL",
  "UNAUTHENTICATED",
];

/** The kind that a gRPC status code, as in the items of a batch, stands for. */
export function kindOfCode(code: number): ErrorKind {
  return KINDS[code] ?? "INTERNAL";
}

/** Failures that were found out in this process: no server had a part in them. */
const OWN = new WeakSet<HotplateError>();

/** Notes that a failure was found out here, before anything was sent: it says nothing of the cache. */
export function unsent(error: HotplateError): HotplateError {
  OWN.add(error);
  return error;
}

/** Whether a failure was found out here, before anything was sent. */
export function isUnsent(error: HotplateError): boolean {
  return OWN.has(error);
}

/** Whether the cache itself is away, as opposed to the request, or this program, being at fault. */
export function isOutage(error: HotplateError): boolean {
  if (isUnsent(error)) return false;
  switch (error.kind) {
    case "UNAVAILABLE":
    case "DEADLINE_EXCEEDED":
    case "RESOURCE_EXHAUSTED":
    case "INTERNAL":
    case "CANCELLED":
      return true;
    default:
      return false;
  }
}

/** A setting of the client that cannot work. */
export function configurationError(message: string): HotplateError {
  return new HotplateError("CONFIGURATION", message);
}

/** An argument that the client refuses by itself, before any call. */
export function invalidArgument(field: string, message: string): HotplateError {
  return unsent(new HotplateError("INVALID_ARGUMENT", message, { field }));
}

/** What a client that is closed answers. */
export function closedError(): HotplateError {
  return new HotplateError("CANCELLED", "the client was closed");
}

/** What has no answer without a cache says where that is turned off. */
export function disabledError(): HotplateError {
  const text = "the cache is turned off in this process, by HOTPLATE_DISABLE or `disabled`";
  return unsent(new HotplateError("FAILED_PRECONDITION", text, { reason: "DISABLED" }));
}

/** A value that could not be encoded or decoded. */
export function codecError(message: string): HotplateError {
  return new HotplateError("CODEC", message);
}

/** The time allowed for a call ran out here, before an answer came. */
export function timedOut(afterMs: number): HotplateError {
  return new HotplateError("DEADLINE_EXCEEDED", `no answer within ${Math.round(afterMs)} ms`);
}

/** A caller who gave up. */
export function cancelled(signal: AbortSignal): HotplateError {
  const reason: unknown = signal.reason;
  return reason instanceof HotplateError
    ? reason
    : new HotplateError("CANCELLED", "the caller gave up", { cause: reason });
}

/** Any failure as one of this client; what is none already is a fault of it. */
export function asError(failure: unknown): HotplateError {
  if (failure instanceof HotplateError) {
    return failure;
  }
  const message = failure instanceof Error ? failure.message : "something that is no error was thrown";
  return unsent(new HotplateError("INTERNAL", message, { cause: failure }));
}

/** The failure of one item of a batch or a stream. */
export function errorOfItem(item: ItemError): HotplateError {
  return new HotplateError(kindOfCode(item.code), item.message, {
    reason: item.reason === "" ? null : item.reason,
    field: item.field === "" ? null : item.field,
    retryAfterMs: item.retryAfter === undefined ? null : (fromWire(item.retryAfter) ?? 0),
    details: { ...item.details },
  });
}
