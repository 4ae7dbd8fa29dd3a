/** Reading one value as a stream, over as many streams as it takes. */

import { create } from "@bufbuild/protobuf";
import { type CallOptions, type Calls, timeoutOf } from "../calls.js";
import * as clock from "../clock.js";
import { either } from "../either.js";
import { asError, HotplateError, timedOut } from "../error.js";
import {
  BlobService,
  type ReadValueHeader,
  type ReadValueRequest,
  ReadValueRequestSchema,
  type ReadValueResponse,
  type ReadValueTrailer,
  type ValueChunk,
} from "../generated/hotplate/v1/blob_pb.js";
import { GetOutcome } from "../generated/hotplate/v1/cache_pb.js";
import type { Init } from "../init.js";
import type { Incoming } from "../transport.js";
import { crc32c, crc32cCombine } from "./crc32c.js";
import { damaged, FAILURES_PER_SERVER, Failures, isInterruption } from "./failures.js";

/**
 * Reads one value in pieces. Every piece is checked before it is handed out, and the whole at its end. A stream that breaks is
 * gone on with where it ended, on the same version of the value.
 */
export class ValueReader {
  readonly #calls: Calls;
  readonly #request: ReadValueRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #stepMs: number;
  /** Whose turn it is: that of the server with this version. */
  #turn: number;
  #open: Incoming<ReadValueResponse> | null = null;
  #header: ReadValueHeader | null = null;
  /** What the version is called by now, and whether it is still being written: an upload that is stored has another name. */
  #version = "";
  #followed = false;
  #trailer: ReadValueTrailer | null = null;
  /** Of the next byte. */
  #offset: bigint;
  /** Where what was asked for ends, if before the end. */
  readonly #limit: bigint | null;
  /** CRC-32C of all before `offset`; null when the beginning is not read. */
  #whole: number | null;
  readonly #failures = new Failures();

  private constructor(calls: Calls, request: ReadValueRequest, options: CallOptions) {
    this.#calls = calls;
    this.#request = request;
    this.#signal = options.signal;
    this.#stepMs = timeoutOf(options, calls.callMs);
    this.#turn = calls.turn();
    this.#offset = request.readOffset;
    this.#limit = request.readLimit > 0n ? request.readOffset + request.readLimit : null;
    this.#whole = request.readOffset === 0n ? 0 : null;
  }

  /**
   * Opens the stream; the header says whether there is a value. The deadline of a call on one key is for each step: to be
   * opened, and each piece; when a value is followed, its writer may pause for as long as it likes.
   */
  static async open(
    calls: Calls,
    request: Init<typeof ReadValueRequestSchema>,
    options: CallOptions,
  ): Promise<ValueReader> {
    const reader = new ValueReader(calls, create(ReadValueRequestSchema, request), options);
    for (;;) {
      try {
        reader.#header = await reader.#reopen();
        // Where there is nothing to read, nothing is held.
        if (reader.#header.version === "") reader.close();
        return reader;
      } catch (failure) {
        reader.close();
        await reader.#failures.pause(calls, asError(failure), options.signal);
      }
      reader.#turn += 1;
    }
  }

  /** What is read: what a Get would answer, the version, the size where it is known. */
  get header(): ReadValueHeader {
    if (this.#header === null) throw new HotplateError("INTERNAL", "the stream has no header yet");
    return this.#header;
  }

  /** What the server said at the end; null before, and of a part whose last byte was the last that came. */
  get trailer(): ReadValueTrailer | null {
    return this.#trailer;
  }

  /** Of the next byte: how far it was read. */
  get offset(): bigint {
    return this.#offset;
  }

  /**
   * The next piece; null when all was read, or there is no value.
   *
   * @throws {HotplateError} The server is away for too long; reason `VERSION_GONE` when this version is not there any more, and
   *   `DIGEST_MISMATCH` when the pieces are not the whole that the server meant. What was handed out before is not the value then.
   */
  async next(): Promise<Uint8Array | null> {
    while (this.#trailer === null && this.header.version !== "") {
      try {
        const bytes = await this.#piece();
        if (bytes === null) return null;
        this.#failures.progress();
        return bytes;
      } catch (failure) {
        await this.#againAfter(asError(failure));
      }
    }
    return null;
  }

  /** Ends the stream. */
  close(): void {
    this.#open?.cancel();
    this.#open = null;
  }

  /** Whether a part was asked for, and is here. To ask for no more bytes of it would be to ask for all. */
  get #hasAllAsked(): boolean {
    return this.#limit !== null && this.#offset >= this.#limit;
  }

  /** Waits before the stream is opened again, if there is anything left to read: at the same server, as others may not have this version, and at another when this one stays away. */
  async #againAfter(error: HotplateError): Promise<void> {
    this.close();
    if (this.#hasAllAsked && isInterruption(error)) return;
    await this.#failures.pause(this.#calls, error, this.#signal);
    if (!this.#followed && this.#failures.count % FAILURES_PER_SERVER === 0) this.#turn += 1;
  }

  async #piece(): Promise<Uint8Array | null> {
    if (this.#open === null) {
      if (this.#hasAllAsked) return null;
      await this.#reopen();
    }
    const message = await this.#message();
    switch (message?.case) {
      case "chunk":
        return this.#checked(message.value);
      case "trailer":
        this.#ended(message.value);
        this.#trailer = message.value;
        this.close();
        return null;
      case "header":
        throw damaged("the server sent a header twice");
      default:
        throw new HotplateError("UNAVAILABLE", "the stream ended before the value did");
    }
  }

  /** Opens a stream that begins at the next byte. */
  async #reopen(): Promise<ReadValueHeader> {
    const goesOn = this.#version !== "";
    const request = goesOn
      ? {
          ...this.#request,
          version: this.#version,
          readOffset: this.#offset,
          readLimit: this.#limit === null ? 0n : this.#limit - this.#offset,
        }
      : this.#request;
    this.#open = await this.#calls.transport.open(BlobService.method.readValue, request, {
      turn: this.#turn,
      endsAt: clock.now() + this.#stepMs,
      signal: this.#signal,
      lane: "transfer",
    });
    this.#followed = false;
    const message = await this.#message();
    if (message?.case !== "header") {
      throw new HotplateError("UNAVAILABLE", "the stream ended before its header");
    }
    this.#mustBeTheSame(message.value);
    this.#followed = isFollowed(message.value);
    this.#version = message.value.version;
    return message.value;
  }

  /** What goes on with what was read before must be the same version: another one is never mixed in. */
  #mustBeTheSame(header: ReadValueHeader): void {
    const before = this.#header;
    const wasFollowed = before !== null && this.#version === before.version && isFollowed(before);
    const storedSince = wasFollowed && header.version !== "";
    if (this.#version === "" || this.#version === header.version || storedSince) return;
    throw new HotplateError("FAILED_PRECONDITION", "the value that was being read is not there any more", {
      reason: "VERSION_GONE",
    });
  }

  async #message(): Promise<ReadValueResponse["message"] | undefined> {
    const open = this.#open;
    if (open === null) return undefined;
    // Who writes may pause for as long as they like.
    const next = this.#followed ? open.next() : within(this.#stepMs, open.next());
    return (await either(next, [this.#signal]))?.message;
  }

  #checked(chunk: ValueChunk): Uint8Array {
    const end = chunk.offset + BigInt(chunk.data.length);
    if (chunk.offset !== this.#offset || chunk.data.length === 0 || (this.#limit !== null && end > this.#limit)) {
      throw damaged("a piece of the value is not where it should be");
    }
    if (crc32c(chunk.data) !== chunk.crc32c) {
      throw damaged("a piece of the value arrived otherwise than it was sent");
    }
    if (this.#whole !== null) this.#whole = crc32cCombine(this.#whole, chunk.crc32c, chunk.data.length);
    this.#offset = end;
    return chunk.data;
  }

  /** Checks that all that was read is what the server meant to send. Of a part, the server may not know yet how large the whole becomes. */
  #ended(trailer: ReadValueTrailer): void {
    const all = this.#offset === trailer.sizeBytes;
    const proved = !all || this.#whole === null || this.#whole === trailer.crc32c;
    if (proved && (all || this.#hasAllAsked)) return;
    throw new HotplateError("INTERNAL", "what was read is not the value that the server has", {
      reason: "DIGEST_MISMATCH",
    });
  }
}

/** Whether the value is still being written. */
function isFollowed(header: ReadValueHeader): boolean {
  return header.found?.outcome === GetOutcome.PENDING;
}

/**
 * Waits for a step of a transfer. There is no deadline for all of it, as nobody knows how long it takes: what counts is that it
 * goes on.
 */
export async function within<T>(ms: number, step: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timedOut(ms)), Math.min(ms, clock.TIMER_MAX_MS));
  try {
    return await Promise.race([step, promise]);
  } finally {
    clearTimeout(timer);
  }
}
