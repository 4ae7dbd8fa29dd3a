/**
 * Writing a value that comes in pieces and cannot be read again, such as tokens as they are made: what the server may not have
 * yet is kept.
 */

import type { CallOptions, Calls } from "../calls.js";
import { asError, HotplateError } from "../error.js";
import type { PutRequestSchema, PutResponse } from "../generated/hotplate/v1/cache_pb.js";
import type { Init } from "../init.js";
import { crc32c, crc32cCombine } from "./crc32c.js";
import { chunkBytes, Uplink } from "./uplink.js";

/** Bytes sent that are kept until the server is known to have them. */
const KEPT_BYTES_MAX = 16 << 20;

/** Writes one value piece by piece. Closed before it is finished, nothing is stored. */
export class ValueWriter {
  readonly #link: Uplink;
  readonly #chunkBytes: number;
  /** Pieces the server may not have, and where the first begins. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #from = 0;
  /** Of the next byte that comes in. */
  #at = 0;
  /** CRC-32C of all before `at`. */
  #whole = 0;

  private constructor(link: Uplink, size: number) {
    this.#link = link;
    this.#chunkBytes = size;
  }

  /** Begins to write one value as a stream: what `put` says, without its payload. */
  static async open(calls: Calls, put: Init<typeof PutRequestSchema>, options: CallOptions): Promise<ValueWriter> {
    const writer = new ValueWriter(new Uplink(calls, put, null, options), await chunkBytes(calls, options.signal));
    try {
      // Opened at once: whoever follows finds it before its first piece.
      await writer.#link.open(0);
    } catch (failure) {
      await writer.#again(failure);
    }
    return writer;
  }

  /**
   * Sends bytes; they are copied. Waits while the server takes no more.
   *
   * @throws {HotplateError} What the server refused, or that it was away for too long. After an error the upload is lost.
   */
  async send(data: Uint8Array): Promise<void> {
    for (let from = 0; from < data.length; from += this.#chunkBytes) {
      const piece = data.slice(from, from + this.#chunkBytes);
      if (this.#keptBytes + piece.length > KEPT_BYTES_MAX) await this.#confirm();
      const crc = crc32c(piece);
      this.#whole = crc32cCombine(this.#whole, crc, piece.length);
      const offset = this.#at;
      this.#at += piece.length;
      this.#keptBytes += piece.length;
      this.#kept.push(piece);
      try {
        await this.#link.chunk(offset, piece, crc);
      } catch (failure) {
        await this.#again(failure);
      }
    }
  }

  /** Bytes sent so far. */
  get offset(): number {
    return this.#at;
  }

  /** Says that this was all, and waits until it is stored. */
  async finish(): Promise<PutResponse> {
    for (;;) {
      try {
        return await this.#link.finish({ sizeBytes: BigInt(this.#at), crc32c: this.#whole });
      } catch (failure) {
        const recovered = await this.#link.recover(failure);
        if ("done" in recovered) return recovered.done;
        try {
          await this.#resend(recovered.at);
        } catch (again) {
          await this.#again(again);
        }
      }
    }
  }

  /** Ends the upload without storing anything. */
  close(): void {
    this.#link.close();
  }

  /** Gets the stream back after a failure, with everything on it that the server does not have. */
  async #again(failure: unknown): Promise<void> {
    let error = failure;
    for (;;) {
      const recovered = await this.#link.recover(error);
      if ("done" in recovered) throw new HotplateError("INTERNAL", "the upload was finished by another");
      try {
        await this.#resend(recovered.at);
        return;
      } catch (failed) {
        error = failed;
      }
    }
  }

  async #resend(offset: number): Promise<void> {
    if (offset < this.#from || offset > this.#at) {
      const text = "the server lost the upload: what it had of it is not kept here any more";
      throw new HotplateError("FAILED_PRECONDITION", text, { reason: "UPLOAD_UNKNOWN_HERE" });
    }
    this.#forget(offset);
    await this.#link.open(offset);
    let at = this.#from;
    for (const piece of this.#kept) {
      // The server may have a part of the first.
      const rest = piece.subarray(Math.min(piece.length, Math.max(0, offset - at)));
      at += piece.length;
      if (rest.length > 0) await this.#link.chunk(at - rest.length, rest, crc32c(rest));
    }
  }

  /** Drops what the server has. */
  #forget(received: number): void {
    for (let first = this.#kept[0]; first !== undefined; first = this.#kept[0]) {
      if (this.#from + first.length > received) return;
      this.#from += first.length;
      this.#keptBytes -= first.length;
      this.#kept.shift();
    }
  }

  /** Asks what the server has until there is room again. */
  async #confirm(): Promise<void> {
    const before = this.#from;
    for (;;) {
      let error = new HotplateError("UNAVAILABLE", "the server takes nothing of the upload any more");
      try {
        this.#forget(Number((await this.#link.query()).receivedBytes));
      } catch (failure) {
        error = asError(failure);
      }
      if (this.#from > before) {
        this.#link.failures.progress();
        return;
      }
      await this.#link.failures.pause(this.#link.calls, error, this.#link.signal);
    }
  }
}
