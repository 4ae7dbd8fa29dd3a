/**
 * One upload's stream to the server, opened as often as it takes. What is sent, and what is kept to be sent again, is its
 * callers' business.
 */

import { create } from "@bufbuild/protobuf";
import { type CallOptions, type Calls, newId, timeoutOf } from "../calls.js";
import * as clock from "../clock.js";
import { either } from "../either.js";
import { asError, HotplateError } from "../error.js";
import {
  BlobService,
  QueryWriteRequestSchema,
  type QueryWriteResponse,
  type ValueChunk,
  ValueChunkSchema,
  type WriteValueFinishSchema,
  type WriteValueRequest,
  WriteValueRequestSchema,
  type WriteValueResponse,
} from "../generated/hotplate/v1/blob_pb.js";
import type { PutRequestSchema, PutResponse } from "../generated/hotplate/v1/cache_pb.js";
import type { Init } from "../init.js";
import type { Outgoing } from "../transport.js";
import { FAILURES_PER_SERVER, Failures } from "./failures.js";
import { within } from "./read.js";

/** Bytes of a chunk that is sent, where the server takes as much. */
const CHUNK_BYTES = 1 << 20;

/** Where an upload is after its stream broke: it goes on at a byte, or it had been finished. */
export type Recovered = { readonly at: number } | { readonly done: PutResponse };

/** The bytes of a chunk to send. */
export async function chunkBytes(calls: Calls, signal: AbortSignal | undefined): Promise<number> {
  const allowed = Number((await calls.limits({ signal })).chunkBytesMax);
  if (allowed === 0) {
    throw new HotplateError("UNIMPLEMENTED", "the server takes no values as streams: it is older than this client");
  }
  return Math.min(allowed, CHUNK_BYTES);
}

/** An upload. */
export class Uplink {
  readonly calls: Calls;
  readonly failures = new Failures();
  readonly signal: AbortSignal | undefined;
  readonly #uploadId = newId();
  readonly #put: Init<typeof PutRequestSchema>;
  readonly #sizeBytes: number;
  readonly #stepMs: number;
  #turn: number;
  #open: Outgoing<WriteValueRequest, WriteValueResponse> | null = null;
  /** The most the server is known to have had. */
  #most = 0;

  /** An upload of what `put` says, without its payload. Opens nothing. */
  constructor(calls: Calls, put: Init<typeof PutRequestSchema>, sizeBytes: number | null, options: CallOptions) {
    this.calls = calls;
    this.signal = options.signal;
    this.#stepMs = timeoutOf(options, calls.bulkMs);
    this.#put = { ...put, payload: { case: undefined } };
    this.#sizeBytes = sizeBytes ?? 0;
    this.#turn = calls.turn();
  }

  /** Opens a stream that goes on at this byte. */
  async open(writeOffset: number): Promise<void> {
    this.close();
    this.#open = this.calls.transport.upload(BlobService.method.writeValue, { turn: this.#turn, signal: this.signal });
    await this.#send({
      case: "header",
      value: {
        uploadId: this.#uploadId,
        put: this.#put,
        sizeBytes: BigInt(this.#sizeBytes),
        writeOffset: BigInt(writeOffset),
      },
    });
  }

  /** Sends a chunk. Fails with what the server says when it ends the stream. */
  chunk(offset: number, data: Uint8Array, crc: number): Promise<void> {
    const value: ValueChunk = create(ValueChunkSchema, { offset: BigInt(offset), crc32c: crc, data });
    return this.#send({ case: "chunk", value });
  }

  /** Says that all was sent, ends the stream and waits for what the server makes of it. */
  async finish(finish: Init<typeof WriteValueFinishSchema>): Promise<PutResponse> {
    await this.#send({ case: "finish", value: finish });
    const open = this.#open;
    if (open === null) throw broken();
    open.end();
    try {
      const { put } = await either(within(this.#stepMs, open.answer), [this.signal]);
      if (put === undefined) throw broken();
      return put;
    } finally {
      this.close();
    }
  }

  /** After a failure: waits, asks how much the server has, and answers where to go on. */
  async recover(failure: unknown): Promise<Recovered> {
    this.close();
    let error = asError(failure);
    if (isUnknown(error)) {
      this.failures.add(error);
      return { at: 0 };
    }
    for (;;) {
      await this.failures.pause(this.calls, error, this.signal);
      if (this.failures.count % FAILURES_PER_SERVER === 0) this.#turn += 1;
      try {
        const found = await this.query();
        if (found.put !== undefined) return { done: found.put };
        const received = Number(found.receivedBytes);
        if (received > this.#most) {
          this.#most = received;
          this.failures.progress();
        }
        return { at: received };
      } catch (failed) {
        error = asError(failed);
        // That it never heard of the upload is the same failure: what broke is counted.
        if (isUnknown(error)) return { at: 0 };
      }
    }
  }

  /** How much of the upload the server has. */
  query(): Promise<QueryWriteResponse> {
    const request = create(QueryWriteRequestSchema, { namespace: this.#put.namespace ?? "", uploadId: this.#uploadId });
    return this.calls.transport.unary(BlobService.method.queryWrite, request, {
      turn: this.#turn,
      endsAt: clock.now() + this.calls.callMs,
      signal: this.signal,
      lane: "transfer",
    });
  }

  /** Ends the stream without a finish. */
  close(): void {
    this.#open?.cancel();
    this.#open = null;
  }

  async #send(message: NonNullable<Init<typeof WriteValueRequestSchema>["message"]>): Promise<void> {
    const open = this.#open;
    if (open === null) throw broken();
    try {
      const sent = open.send(create(WriteValueRequestSchema, { message }));
      await either(within(this.#stepMs, sent), [this.signal]);
    } catch (failure) {
      this.close();
      throw failure;
    }
  }
}

/** Whether the server has nothing of the upload. */
function isUnknown(error: HotplateError): boolean {
  return error.reason === "UPLOAD_UNKNOWN";
}

function broken(): HotplateError {
  return new HotplateError("UNAVAILABLE", "the upload's stream ended before it was finished");
}
