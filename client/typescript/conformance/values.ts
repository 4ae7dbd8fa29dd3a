/** Values as the protocol writes them, and as the client takes them. */
import { createHash } from "node:crypto";
import { type Codec, json, raw } from "../dist/index.js";
import { msgpack } from "../dist/msgpack.js";
import { Fault } from "./request.ts";

/** Bytes longer than this are answered as a hash. */
const BYTES_MAX = 4_096;

const CODECS: Record<string, Codec<unknown>> = {
  json: json(),
  raw: raw() as Codec<unknown>,
  msgpack: msgpack(),
};

/** A codec by name; without one JSON. Always the same object, so that callers share. */
export function codecOf(name: unknown): Codec<unknown> {
  const codec = CODECS[(name as string | undefined) ?? "json"];
  if (codec === undefined) throw new Fault(`unknown codec ${String(name)}`);
  return codec;
}

/** A value that was written. */
export function readValue(written: unknown): unknown {
  if (typeof written !== "object" || written === null) return written;
  if (Array.isArray(written)) return written.map(readValue);
  const one = written as { $bytes?: string; $fill?: { bytes: number; seed: number } };
  if (typeof one.$bytes === "string") return new Uint8Array(Buffer.from(one.$bytes, "base64"));
  if (one.$fill !== undefined) return filled(one.$fill.bytes, one.$fill.seed);
  return Object.fromEntries(Object.entries(written).map(([name, value]) => [name, readValue(value)]));
}

/** The bytes that `$fill` stands for. */
function filled(bytes: number, seed: number): Uint8Array {
  const made = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i += 1) made[i] = i * 31 + Math.floor(i / 251) * 7 + seed;
  return made;
}

/** A value as it is answered. */
export function writtenValue(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return value.length > BYTES_MAX
      ? { $sha256: createHash("sha256").update(value).digest("hex"), bytes: value.length }
      : { $bytes: Buffer.from(value).toString("base64") };
  }
  if (Array.isArray(value)) return value.map(writtenValue);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, writtenValue(one)]));
  }
  return value === undefined ? null : value;
}
