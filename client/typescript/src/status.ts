/**
 * How a gRPC status becomes an error of this client: its code, and the `google.rpc` details the server sends beside it. Those
 * few messages are read here by hand, so that nobody needs generated code for them.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { status as Code, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { HotplateError, kindOfCode } from "./error.js";

/** The trailer that holds a `google.rpc.Status`. */
const DETAILS = "grpc-status-details-bin";

interface Facts {
  reason: string | null;
  field: string | null;
  retryAfterMs: number | null;
  details: Record<string, string>;
}

/** An error as grpc-js reports it, as one of this client. */
export function errorOfStatus(failure: ServiceError): HotplateError {
  const facts: Facts = { reason: null, field: null, retryAfterMs: null, details: {} };
  readDetails(failure.metadata, facts);
  const lost = facts.reason === null && isConnectionLoss(failure);
  return new HotplateError(lost ? "UNAVAILABLE" : kindOfCode(failure.code), failure.details, facts);
}

/** Whether a call failed with a status of gRPC, and not with a fault of this program. */
export function isServiceError(failure: unknown): failure is ServiceError {
  return failure instanceof Error && typeof (failure as Partial<ServiceError>).code === "number";
}

/** grpc-js reports a stream that broke under a call as a failure of the server. */
function isConnectionLoss(failure: ServiceError): boolean {
  const broken = failure.code === Code.INTERNAL || failure.code === Code.UNKNOWN || failure.code === Code.CANCELLED;
  return (
    broken &&
    /^(?:Received RST_STREAM|Call ended without|Connection dropped|Stream removed|Server (?:closed|aborted))/.test(
      failure.details,
    )
  );
}

function readDetails(metadata: Metadata | undefined, facts: Facts): void {
  for (const value of metadata?.get(DETAILS) ?? []) {
    if (typeof value === "string") {
      continue;
    }
    try {
      each(value, (field, reader) => (field === 3 ? readAny(reader.bytes(), facts) : SKIP));
    } catch {
      // Details are for comfort: what cannot be read leaves the code and the sentence, which are the answer.
      return;
    }
  }
}

const SKIP = Symbol("skip");

/** Goes through the fields of a message; `read` reads one or asks to skip it. */
function each(bytes: Uint8Array, read: (field: number, reader: BinaryReader) => unknown): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const skipped = read(field, reader) === SKIP;
    if (skipped) {
      reader.skip(wireType, field);
    }
  }
}

function readAny(bytes: Uint8Array, facts: Facts): void {
  let type = "";
  let value: Uint8Array = new Uint8Array();
  each(bytes, (field, reader) => {
    if (field === 1) type = reader.string();
    else if (field === 2) value = reader.bytes();
    else return SKIP;
    return undefined;
  });
  switch (type.slice(type.lastIndexOf("/") + 1)) {
    case "google.rpc.ErrorInfo":
      readErrorInfo(value, facts);
      break;
    case "google.rpc.RetryInfo":
      readRetryInfo(value, facts);
      break;
    case "google.rpc.BadRequest":
      readBadRequest(value, facts);
      break;
    default:
  }
}

function readErrorInfo(bytes: Uint8Array, facts: Facts): void {
  each(bytes, (field, reader) => {
    if (field === 1) facts.reason = reader.string();
    else if (field === 3) readEntry(reader.bytes(), facts.details);
    else return SKIP;
    return undefined;
  });
}

function readEntry(bytes: Uint8Array, into: Record<string, string>): void {
  let name = "";
  let value = "";
  each(bytes, (field, reader) => {
    if (field === 1) name = reader.string();
    else if (field === 2) value = reader.string();
    else return SKIP;
    return undefined;
  });
  into[name] = value;
}

function readRetryInfo(bytes: Uint8Array, facts: Facts): void {
  each(bytes, (field, reader) => {
    if (field !== 1) return SKIP;
    let ms = 0;
    each(reader.bytes(), (part, inner) => {
      if (part === 1) ms += Number(inner.int64()) * 1000;
      else if (part === 2) ms += inner.int32() / 1e6;
      else return SKIP;
      return undefined;
    });
    facts.retryAfterMs = ms;
    return undefined;
  });
}

function readBadRequest(bytes: Uint8Array, facts: Facts): void {
  each(bytes, (field, reader) => {
    if (field !== 1) return SKIP;
    each(reader.bytes(), (part, inner) => {
      if (part !== 1) return SKIP;
      facts.field ??= inner.string();
      return undefined;
    });
    return undefined;
  });
}
