/** Which way a whole value takes: with the call where it is small enough, as a stream where it is not. */

import type { CallOptions, Calls } from "../calls.js";
import { HotplateError } from "../error.js";
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
  { calls }: { readonly calls: Calls },
  request: Init<typeof GetRequestSchema>,
  options: CallOptions,
): Promise<GetResponse> {
  let response = await calls.get(request, options);
  const { namespace = "", key = "" } = request;
  const again = request.stalePolicy === undefined ? {} : { stalePolicy: request.stalePolicy };
  for (let versions = 0; versions <= VERSIONS_MAX; versions += 1) {
    const { entry } = response;
    if (entry?.payload.case !== "large") return response;
    if (versions === VERSIONS_MAX) break;
    const version = entry.metadata?.etag ?? "";
    try {
      const value = await allOf(calls, { namespace, key, version, ...again }, options);
      if (value !== null) {
        entry.payload = { case: "value", value };
        return response;
      }
    } catch (failure) {
      if (!(failure instanceof HotplateError && failure.reason === "VERSION_GONE")) throw failure;
    }
    response = await calls.get({ namespace, key, ...again }, options);
  }
  throw new HotplateError("UNAVAILABLE", "the value was replaced each time it was read", { reason: "VERSION_GONE" });
}

/** All bytes of a value; null when there is none. */
async function allOf(
  calls: Calls,
  request: Parameters<typeof ValueReader.open>[1],
  options: CallOptions,
): Promise<Uint8Array | null> {
  // The deadline of the call is for each step here: how long all of it takes nobody knows.
  const reader = await ValueReader.open(calls, request, { signal: options.signal });
  try {
    if (reader.header.version === "") return null;
    const pieces: Uint8Array[] = [];
    for (let piece = await reader.next(); piece !== null; piece = await reader.next()) pieces.push(piece);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  } finally {
    reader.close();
  }
}

/** A Put of a value of any size. */
export async function putWhole(
  { calls }: { readonly calls: Calls },
  request: Init<typeof PutRequestSchema>,
  options: CallOptions,
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
      return await writeValue(calls, request, value, options);
    }
  }
  const limits = await calls.limits(options);
  // A server without streams says itself what is too large.
  return limits.chunkBytesMax === 0n || BigInt(value.length) <= limits.unaryValueBytesMax
    ? await calls.put(request, options)
    : await writeValue(calls, request, value, options);
}
