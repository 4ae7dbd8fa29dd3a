/** Values as streams, of a namespace. */
import { raw } from "../codec.js";
import { invalidArgument } from "../error.js";
import { type Lookup, lookupOfStream, miss, type Written, writtenOf } from "../lookup.js";
import type { OwnWrite } from "../near/near.js";
import { setOfKey } from "../near/selects.js";
import type { ReadOptions, WriteOptions } from "../options.js";
import { noteFound, type Space } from "../space.js";
import type { OperationFacts } from "../telemetry.js";
import { checkText } from "../text.js";
import { ValueReader } from "./read.js";
import { ValueWriter } from "./sink.js";

/** How a value is written in pieces. */
export interface WriteStreamOptions extends WriteOptions {
  /**
   * The media type of the pieces, together: what a codec that is to read them must read. Default: `application/octet-stream`,
   * which `raw()` writes.
   */
  readonly contentType?: string | undefined;
}

/**
 * A value that is read in pieces: `for await (const piece of stream)`. Every piece is checked before it is handed out, and the
 * whole at its end. Ending the loop early ends the stream.
 */
export class ReadStream implements AsyncIterable<Uint8Array>, AsyncDisposable {
  /** What is known of the value before its bytes: its size in bytes as the hit's value, zero while it is written. */
  readonly found: Lookup<number>;
  readonly #reader: ValueReader | null;
  readonly #ended: () => void;

  /** Without a reader there is nothing to read. @internal */
  constructor(reader: ValueReader | null, found: Lookup<number>, ended: () => void) {
    this.#reader = reader;
    this.found = found;
    this.#ended = ended;
  }

  /** The next piece; null at the end, or when there is no value. */
  async next(): Promise<Uint8Array | null> {
    let piece: Uint8Array | null = null;
    try {
      piece = (await this.#reader?.next()) ?? null;
    } finally {
      if (piece === null) this.#ended();
    }
    return piece;
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
    this.#reader?.close();
    this.#ended();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** What a stream of pieces that are written is made of. @internal */
export interface Writing {
  /** Where the pieces go; null where the cache is turned off. */
  readonly writer: ValueWriter | null;
  readonly write: OwnWrite | undefined;
  /** Told when the value may have been stored. */
  readonly written: () => void;
  /** Told at the end, however that came. */
  readonly ended: () => void;
}

/** A value that is written in pieces. Closed, or disposed of, before {@link WriteStream.finish}, nothing is stored. */
export class WriteStream implements AsyncDisposable {
  readonly #writing: Writing;
  #over = false;

  /** @internal */
  constructor(writing: Writing) {
    this.#writing = writing;
  }

  /**
   * Sends a piece; who follows gets it as it is. Waits while the server takes no more; one `send` at a time.
   *
   * @throws {HotplateError} What the server refused, or that it was away for too long. After an error the upload is lost.
   */
  async send(piece: Uint8Array | string): Promise<void> {
    if (this.#over) throw invalidArgument("stream", "the stream has ended");
    await this.#writing.writer?.send(typeof piece === "string" ? Buffer.from(piece) : piece);
  }

  /** Stores what was sent, under its key, in one step. */
  async finish(): Promise<Written> {
    if (this.#over) throw invalidArgument("stream", "the stream has ended");
    this.#over = true;
    const { writer, write, written, ended } = this.#writing;
    try {
      if (writer === null) return { outcome: "dropped", reason: "disabled" };
      const response = await writer.finish();
      write?.answered();
      return writtenOf(response);
    } finally {
      written();
      write?.end();
      ended();
    }
  }

  /** Gives up: nothing is stored. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#writing.writer?.close();
    this.#writing.write?.end();
    this.#writing.ended();
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
  facts: OperationFacts,
): Promise<ReadStream> {
  const { stalePolicy, maxAge, slowestTier } = space.getRequest(key, options);
  const { calls, gate } = space.core;
  gate.refuse(options);
  if (gate.disabled) {
    facts.result = "miss";
    return new ReadStream(null, miss("disabled"), () => undefined);
  }
  const request = {
    namespace: space.name,
    key,
    follow,
    ...(stalePolicy === undefined ? {} : { stalePolicy }),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(slowestTier === undefined ? {} : { slowestTier }),
  };
  const { options: streaming, unlink } = space.streaming(options);
  try {
    const reader = await ValueReader.open(calls, request, streaming);
    const found = lookupOfStream(reader.header);
    noteFound(facts, found);
    return new ReadStream(reader, found, unlink);
  } catch (failure) {
    unlink();
    throw failure;
  }
}

/** Begins to write a value in pieces. */
export async function openWriteStream<T>(
  space: Space<T>,
  key: string,
  options: WriteStreamOptions,
): Promise<WriteStream> {
  const { core, name } = space;
  const { contentType = raw().contentType } = options;
  checkText("content_type", contentType);
  const request = { ...space.addressed(key, options), contentType };
  core.gate.refuse(options);
  if (core.gate.disabled) {
    return new WriteStream({ writer: null, write: undefined, written: () => undefined, ended: () => undefined });
  }
  const write = space.ownWrite([setOfKey(key)]);
  const { options: streaming, unlink } = space.streaming(options);
  try {
    const writer = await ValueWriter.open(core.calls, request, streaming);
    return new WriteStream({ writer, write, written: () => core.flights.outdateKey(name, key), ended: unlink });
  } catch (failure) {
    write?.end();
    unlink();
    throw failure;
  }
}
