/** Values as streams, of a namespace. */
import { HotplateError } from "../error.js";
import { type Lookup, lookupOfStream, type Written, writtenOf } from "../lookup.js";
import type { OwnWrite } from "../near/near.js";
import { setOfKey } from "../near/selects.js";
import type { ReadOptions, WriteOptions } from "../options.js";
import type { Space } from "../space.js";
import { ValueReader } from "./read.js";
import { ValueWriter } from "./sink.js";

/**
 * A value that is read in pieces: `for await (const piece of stream)`. Every piece is checked before it is handed out, and the
 * whole at its end. Ending the loop early ends the stream.
 */
export class ReadStream implements AsyncIterable<Uint8Array>, AsyncDisposable {
  /** What is known of the value before its bytes: its size in bytes as the hit's value, zero while it is written. */
  readonly found: Lookup<number>;
  readonly #reader: ValueReader;

  /** @internal */
  constructor(reader: ValueReader) {
    this.#reader = reader;
    this.found = lookupOfStream(reader.header);
  }

  /** The next piece; null at the end, or when there is no value. */
  next(): Promise<Uint8Array | null> {
    return this.#reader.next();
  }

  /** The rest of the value in one piece of memory. */
  async bytes(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let piece = await this.next(); piece !== null; piece = await this.next()) yield piece;
    } finally {
      this.close();
    }
  }

  /** Ends the stream. */
  close(): void {
    this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** A value that is written in pieces. Closed, or disposed of, before {@link WriteStream.finish}, nothing is stored. */
export class WriteStream implements AsyncDisposable {
  readonly #writer: ValueWriter;
  readonly #write: OwnWrite | undefined;
  readonly #stored: () => void;
  #ended = false;

  /** @internal */
  constructor(writer: ValueWriter, write: OwnWrite | undefined, stored: () => void) {
    this.#writer = writer;
    this.#write = write;
    this.#stored = stored;
  }

  /**
   * Sends a piece; who follows gets it as it is. Waits while the server takes no more; one `send` at a time.
   *
   * @throws {HotplateError} What the server refused, or that it was away for too long. After an error the upload is lost.
   */
  async send(piece: Uint8Array | string): Promise<void> {
    if (this.#ended) throw new HotplateError("INVALID_ARGUMENT", "the stream has ended");
    await this.#writer.send(typeof piece === "string" ? Buffer.from(piece) : piece);
  }

  /** Stores what was sent, under its key, in one step. */
  async finish(): Promise<Written> {
    if (this.#ended) throw new HotplateError("INVALID_ARGUMENT", "the stream has ended");
    this.#ended = true;
    try {
      const response = await this.#writer.finish();
      this.#write?.answered();
      this.#stored();
      return writtenOf(response);
    } finally {
      this.#write?.end();
    }
  }

  /** Gives up: nothing is stored. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#writer.close();
    this.#write?.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** Opens a stream of a value's bytes; with `follow` also of one that is being written. */
export async function openReadStream<T>(
  space: Space<T>,
  key: string,
  options: ReadOptions,
  follow: boolean,
): Promise<ReadStream> {
  const { stalePolicy, maxAge, slowestTier } = space.getRequest(key, options);
  const request = {
    namespace: space.name,
    key,
    follow,
    ...(stalePolicy === undefined ? {} : { stalePolicy }),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(slowestTier === undefined ? {} : { slowestTier }),
  };
  return new ReadStream(await ValueReader.open(space.core.calls, request, space.streaming(options)));
}

/** Begins to write a value in pieces. */
export async function openWriteStream<T>(space: Space<T>, key: string, options: WriteOptions): Promise<WriteStream> {
  const { core, name, codec } = space;
  const request = { ...space.addressed(key, options), contentType: codec.contentType };
  const write = space.ownWrite([setOfKey(key)]);
  try {
    const writer = await ValueWriter.open(core.calls, request, space.streaming(options));
    return new WriteStream(writer, write, () => core.flights.outdateKey(name, key));
  } catch (failure) {
    write?.end();
    throw failure;
  }
}
