/** Which way a whole value takes: with the call where it is small enough, as a stream where it is not. */

import type { CallOptions, Calls, InnerCallOptions } from "../calls.js";
import { linked } from "../either.js";
import { HotplateError } from "../error.js";
import type { ReadValueRequestSchema } from "../generated/hotplate/v1/blob_pb.js";
import type {
  GetRequestSchema,
  GetResponse,
  PutRequestSchema,
  PutResponse,
} from "../generated/hotplate/v1/cache_pb.js";
import type { Init } from "../init.js";
import { ValueReader } from "./read.js";
import { writeValue } from "./upload.js";

/** Bytes of a value that every server takes with a call, unless it says otherwise. */
const SURE_BYTES = 1 << 20;
/** How often a value that is replaced while it is read is read anew. */
const VERSIONS_MAX = 4;

/** A Get whose answer has the value, however large it is. */
export async function getWhole(
  core: { readonly calls: Calls },
  request: Init<typeof GetRequestSchema>,
  options: CallOptions,
): Promise<GetResponse> {
  return await withLarge(core, request, await core.calls.get(request, options), options);
}

/**
 * An answer with its value, which is read as a stream where the answer says that it is large. When it was replaced meanwhile the
 * same is asked again, except for a lease: what came with the first answer is its caller's.
 */
export async function withLarge(
  { calls }: { readonly calls: Calls },
  request: Init<typeof GetRequestSchema>,
  answer: GetResponse,
  options: CallOptions,
): Promise<GetResponse> {
  let response = answer;
  const { missPolicy: _policy, waitTimeout: _wait, ...again } = request;
  for (let versions = 0; versions <= VERSIONS_MAX; versions += 1) {
    const { entry } = response;
    if (entry?.payload.case !== "large") return response;
    if (versions === VERSIONS_MAX) break;
    try {
      const value = await allOf(calls, readOf(again, entry.metadata?.etag ?? ""), options);
      if (value !== null) {
        entry.payload = { case: "value", value };
        return response;
      }
    } catch (failure) {
      if (!(failure instanceof HotplateError && failure.reason === "VERSION_GONE")) throw failure;
    }
    response = await calls.get(again, options);
  }
  throw new HotplateError("UNAVAILABLE", "the value was replaced each time it was read", { reason: "VERSION_GONE" });
}

/** The stream of the version that a Get found. */
function readOf(asked: Init<typeof GetRequestSchema>, version: string): Init<typeof ReadValueRequestSchema> {
  const { namespace = "", key = "", stalePolicy, slowestTier } = asked;
  return {
    namespace,
    key,
    version,
    ...(stalePolicy === undefined ? {} : { stalePolicy }),
    ...(slowestTier === undefined ? {} : { slowestTier }),
  };
}

/** All bytes of a value; null when there is none. */
async function allOf(
  calls: Calls,
  request: Init<typeof ReadValueRequestSchema>,
  options: CallOptions,
): Promise<Uint8Array | null> {
  // The deadline of the call is for each step here: how long all of it takes nobody knows.
  const { signal, unlink } = linked([options.signal, calls.closing]);
  try {
    const reader = await ValueReader.open(calls, request, { signal, timeoutMs: options.timeoutMs });
    try {
      if (reader.header.version === "") return null;
      const pieces: Uint8Array[] = [];
      for (let piece = await reader.next(); piece !== null; piece = await reader.next()) pieces.push(piece);
      return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    } finally {
      reader.close();
    }
  } finally {
    unlink();
  }
}

/** A Put of a value of any size. */
export async function putWhole(
  { calls }: { readonly calls: Calls },
  request: Init<typeof PutRequestSchema>,
  options: InnerCallOptions,
): Promise<PutResponse> {
  if (request.payload?.case !== "value") return await calls.put(request, options);
  const { value } = request.payload;
  if (value.length <= SURE_BYTES && calls.knownLimits === null) {
    try {
      return await calls.put(request, options);
    } catch (failure) {
      // A server that takes less says so; then its limits are known.
      if (!(failure instanceof HotplateError && failure.reason === "VALUE_TOO_LARGE")) throw failure;
      const limits = await calls.limits(options);
      if (limits.chunkBytesMax === 0n || BigInt(value.length) <= limits.unaryValueBytesMax) throw failure;
      return await written(calls, request, value, options);
    }
  }
  const limits = await calls.limits(options);
  // A server without streams says itself what is too large.
  return limits.chunkBytesMax === 0n || BigInt(value.length) <= limits.unaryValueBytesMax
    ? await calls.put(request, options)
    : await written(calls, request, value, options);
}

async function written(
  calls: Calls,
  request: Init<typeof PutRequestSchema>,
  value: Uint8Array,
  options: InnerCallOptions,
): Promise<PutResponse> {
  const ends = options.ends === undefined ? calls.closing : options.ends;
  const { signal, unlink } = linked([options.signal, ends]);
  try {
    return await writeValue(calls, request, value, { signal, timeoutMs: options.timeoutMs });
  } finally {
    unlink();
  }
}

/** Bytes of a value that go with a call, as far as is known by now. */
export function unaryBytes(calls: Calls): number {
  const limits = calls.knownLimits;
  if (limits === null) return SURE_BYTES;
  return limits.chunkBytesMax === 0n ? Number.POSITIVE_INFINITY : Number(limits.unaryValueBytesMax);
}
