/** Writing a value whose bytes are all here: what is lost is sent again. */

import type { CallOptions, Calls } from "../calls.js";
import type { PutRequestSchema, PutResponse } from "../generated/hotplate/v1/cache_pb.js";
import type { Init } from "../init.js";
import { crc32c, crc32cCombine } from "./crc32c.js";
import { chunkBytes, Uplink } from "./uplink.js";

/**
 * Writes one value as a stream: what `put` says, with `value` as its payload. Nothing of it can be read under its key before
 * all of it is there; then it is stored in one step. A stream that breaks is gone on with where the server has it. The deadline
 * of a call on many entries, or that of the caller, is for each step, not for all.
 *
 * @throws {HotplateError} What the server refused, or that it was away for too long.
 */
export async function writeValue(
  calls: Calls,
  put: Init<typeof PutRequestSchema>,
  value: Uint8Array,
  options: CallOptions,
): Promise<PutResponse> {
  const size = await chunkBytes(calls, options.signal);
  const link = new Uplink(calls, put, value.length, options);
  /** CRC-32C of all before a byte, for the ends of chunks and for where the server went on. */
  const sums = new Map<number, number>([[0, 0]]);
  let at = 0;
  try {
    for (;;) {
      try {
        return await sendFrom(link, value, at, size, sums);
      } catch (failure) {
        const recovered = await link.recover(failure);
        if ("done" in recovered) return recovered.done;
        at = recovered.at;
      }
    }
  } finally {
    link.close();
  }
}

async function sendFrom(
  link: Uplink,
  value: Uint8Array,
  from: number,
  size: number,
  sums: Map<number, number>,
): Promise<PutResponse> {
  await link.open(from);
  let whole = sums.get(from) ?? crc32c(value.subarray(0, from));
  for (let at = from; at < value.length; at += size) {
    const data = value.subarray(at, at + size);
    const crc = crc32c(data);
    whole = crc32cCombine(whole, crc, data.length);
    sums.set(at + data.length, whole);
    await link.chunk(at, data, crc);
  }
  return await link.finish({ sizeBytes: BigInt(value.length), crc32c: whole });
}
