/** The transport that ends in a cache in memory: which call means what. Messages go through their bytes, as over a network. */
import {
  create,
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { crc32c } from "../../blob/crc32c.js";
import * as clock from "../../clock.js";
import { either } from "../../either.js";
import { asError, HotplateError, timedOut } from "../../error.js";
import type {
  ReadValueRequest,
  ReadValueResponse,
  ReadValueResponseSchema,
  WriteValueRequest,
  WriteValueResponseSchema,
} from "../../generated/hotplate/v1/blob_pb.js";
import {
  type BatchGetRequest,
  type BatchPutRequest,
  type ExplainKeyRequest,
  type ExtendLeaseRequest,
  GetOutcome,
  type GetRequest,
  GetRequestSchema,
  type InvalidateRequest,
  LeaseOutcome,
  type ListEntriesRequest,
  type PutRequest,
  PutRequestSchema,
  type ReleaseLeaseRequest,
  type RevalidateRequest,
  type StatsRequest,
  type TouchRequest,
  type UpdateWatchRequest,
  type WatchRequest,
} from "../../generated/hotplate/v1/cache_pb.js";
import { encoded, type Incoming, type Outgoing, type Transport, type Try } from "../../transport.js";
import { wireDuration } from "../../ttl.js";
import { VERSION } from "../../version.js";
import type { MemoryCache } from "./cache.js";
import { LEASE_MS } from "./leases.js";

/** Bytes of a chunk of a stream. */
const CHUNK_BYTES = 64 << 10;
/** Codes of gRPC by the kinds that items of a batch can fail with here. */
const CODES: Readonly<Record<string, number>> = { INVALID_ARGUMENT: 3, FAILED_PRECONDITION: 9, INTERNAL: 13 };

/** Calls as functions of a cache. */
export class MemoryTransport implements Transport {
  readonly #cache: MemoryCache;
  #closed = false;

  constructor(cache: MemoryCache) {
    this.#cache = cache;
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    how: Try,
  ): Promise<MessageShape<O>> {
    const ends = deadline(how);
    try {
      return await either(
        (async () => {
          // As over a network, nothing is answered in the same turn.
          await Promise.resolve();
          this.#begin();
          const handler = this.#unary[method.name];
          if (handler === undefined) throw unimplemented(method.name);
          const answer = await handler(copy(method.input, request), how.signal);
          return copy(method.output, create(method.output, answer as MessageInitShape<O>));
        })(),
        [how.signal, ends.signal],
      );
    } finally {
      ends.stop();
    }
  }

  async open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    how: Try & { readonly lane: "stream" | "transfer" },
  ): Promise<Incoming<MessageShape<O>>> {
    await either(Promise.resolve(), [how.signal]);
    this.#begin();
    const copied = copy(method.input, request);
    switch (method.name) {
      case "Watch": {
        const watch = copied as unknown as WatchRequest;
        const space = this.#cache.space(watch.namespace);
        const stream = space.history.follow(watch, () => space.list(watch.selectors, true));
        how.signal?.addEventListener("abort", () => stream.cancel(), { once: true });
        return stream as unknown as Incoming<MessageShape<O>>;
      }
      case "ReadValue": {
        const read = copied as unknown as ReadValueRequest;
        return (await this.#read(read, method.output as never)) as unknown as Incoming<MessageShape<O>>;
      }
      case "Preload":
        throw new HotplateError("FAILED_PRECONDITION", "a cache in memory has no origins", { reason: "NO_ORIGIN" });
      default:
        throw unimplemented(method.name);
    }
  }

  upload<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>,
    _how: Try,
  ): Outgoing<MessageShape<I>, MessageShape<O>> {
    const pieces: Uint8Array[] = [];
    let put: PutRequest | undefined;
    const { promise: answer, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    answer.catch(() => undefined);
    const take = (message: WriteValueRequest["message"]) => {
      if (message.case === "header") put = message.value.put;
      if (message.case === "chunk") pieces.push(message.value.data);
      if (message.case !== "finish" || put === undefined) return;
      const value = Buffer.concat(pieces);
      if (message.value.crc32c !== undefined && message.value.crc32c !== crc32c(value)) {
        throw new HotplateError("INVALID_ARGUMENT", "the value is not what was sent", { reason: "DIGEST_MISMATCH" });
      }
      const stored = this.#put(create(PutRequestSchema, { ...put, payload: { case: "value", value } }));
      const response: MessageInitShape<typeof WriteValueResponseSchema> = {
        receivedBytes: BigInt(value.length),
        put: stored,
      };
      resolve(copy(method.output, create(method.output, response as MessageInitShape<O>)));
    };
    return {
      answer,
      send: async (message) => {
        await Promise.resolve();
        try {
          this.#begin();
          take((copy(method.input, message) as unknown as WriteValueRequest).message);
        } catch (failure) {
          reject(failure);
          throw failure;
        }
      },
      end: () => undefined,
      cancel: () => reject(new HotplateError("CANCELLED", "the stream was closed")),
    };
  }

  close(): void {
    this.#closed = true;
  }

  #begin(): void {
    if (this.#closed) throw new HotplateError("CANCELLED", "the client was closed");
    this.#cache.begin();
  }

  #put(request: PutRequest) {
    return this.#cache.space(request.namespace).put(request);
  }

  async #read(request: ReadValueRequest, schema: typeof ReadValueResponseSchema): Promise<Incoming<ReadValueResponse>> {
    const { namespace, key, stalePolicy, version } = request;
    const get = create(GetRequestSchema, { namespace, key, stalePolicy });
    const found = await this.#cache.space(namespace).get(get, undefined);
    const entry = found.entry;
    const value = entry?.payload.case === "value" ? entry.payload.value : null;
    const etag = entry?.metadata?.etag ?? "";
    if (version !== "" && version !== etag) {
      throw new HotplateError("FAILED_PRECONDITION", "that version is not there any more", { reason: "VERSION_GONE" });
    }
    if (value !== null && entry !== undefined) entry.payload = { case: undefined };
    const messages: MessageInitShape<typeof ReadValueResponseSchema>["message"][] = [];
    const size = BigInt(value?.length ?? 0);
    const header = { found, version: value === null ? "" : etag, sizeBytes: size };
    messages.push({ case: "header", value: header });
    if (value !== null) {
      for (let at = Number(request.readOffset); at < value.length; at += CHUNK_BYTES) {
        const data = value.subarray(at, at + CHUNK_BYTES);
        messages.push({ case: "chunk", value: { offset: BigInt(at), crc32c: crc32c(data), data } });
      }
      messages.push({ case: "trailer", value: { sizeBytes: size, crc32c: crc32c(value), etag } });
    }
    let cancelled = false;
    return {
      next: () => {
        if (cancelled) return Promise.reject(new HotplateError("CANCELLED", "the stream was closed"));
        const message = messages.shift();
        return Promise.resolve(message === undefined ? undefined : create(schema, { message }));
      },
      cancel: () => {
        cancelled = true;
      },
    };
  }

  // biome-ignore lint/suspicious/noExplicitAny: each handler knows its request; the method's name says which that is.
  readonly #unary: Readonly<Record<string, (request: any, signal: AbortSignal | undefined) => unknown>> = {
    Get: (request: GetRequest, signal) => this.#cache.space(request.namespace).get(request, signal),
    BatchGet: async (request: BatchGetRequest, signal) => {
      const space = this.#cache.space(request.namespace);
      const results = request.items.map(async (item) => {
        try {
          return { result: { case: "response" as const, value: await space.get(item, signal) } };
        } catch (failure) {
          return { result: { case: "error" as const, value: itemError(failure) } };
        }
      });
      return { results: await Promise.all(results) };
    },
    Put: (request: PutRequest) => this.#put(request),
    BatchPut: (request: BatchPutRequest) => {
      const space = this.#cache.space(request.namespace);
      const results = request.items.map((item) => {
        try {
          return { result: { case: "response" as const, value: space.put(item) } };
        } catch (failure) {
          return { result: { case: "error" as const, value: itemError(failure) } };
        }
      });
      return { results };
    },
    Touch: (request: TouchRequest) => ({ outcome: this.#cache.space(request.namespace).touch(request) }),
    Invalidate: (request: InvalidateRequest) => this.#cache.space(request.namespace).invalidate(request),
    ExtendLease: (request: ExtendLeaseRequest) => {
      const outcome = this.#cache.space(request.namespace).extendLease(request);
      const lease = { token: request.token, duration: wireDuration(LEASE_MS) };
      return outcome === LeaseOutcome.HELD ? { outcome, lease } : { outcome };
    },
    ReleaseLease: (request: ReleaseLeaseRequest) => ({
      outcome: this.#cache.space(request.namespace).releaseLease(request),
    }),
    UpdateWatch: (request: UpdateWatchRequest) => ({
      position: this.#cache
        .space(request.namespace)
        .history.update(request.watchId, request.addKeys, request.removeKeys),
    }),
    Revalidate: (request: RevalidateRequest) => ({
      results: request.items.map((item) => this.#cache.space(request.namespace).revalidate(item)),
    }),
    ListEntries: (request: ListEntriesRequest) => ({
      entries: this.#cache.space(request.namespace).list(request.selectors),
    }),
    ExplainKey: async (request: ExplainKeyRequest, signal) => {
      const get = create(GetRequestSchema, { namespace: request.namespace, key: request.key, peek: true });
      const { outcome, missReason } = await this.#cache.space(request.namespace).get(get, signal);
      const name = (GetOutcome[outcome] ?? "").toLowerCase();
      return { outcome, missReason, explanation: `A Get would say: ${name}. A cache in memory tells no history.` };
    },
    Stats: (request: StatsRequest) => {
      const space = this.#cache.space(request.namespace);
      const { misses, ...counts } = space.counts;
      const total = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, BigInt(count)]));
      const byReason = [...misses].map(([reason, count]) => ({ reason, count: BigInt(count) }));
      return { total: { ...total, misses: byReason, entryCount: BigInt(space.list([]).length) } };
    },
    GetServerInfo: () => ({
      version: `memory ${VERSION}`,
      limits: {
        keyBytesMax: 1024n,
        batchItemsMax: 1000,
        unaryValueBytesMax: 1n << 30n,
        valueBytesMax: 1n << 30n,
        chunkBytesMax: 1n << 20n,
        watchKeysMax: 10_000,
      },
    }),
  };
}

function copy<T extends DescMessage>(schema: T, message: MessageShape<T>): MessageShape<T> {
  return fromBinary(schema, encoded(schema, message));
}

function itemError(failure: unknown) {
  const { kind, reason, field, message } = asError(failure);
  return { code: CODES[kind] ?? 13, reason: reason ?? "", field: field ?? "", message };
}

function unimplemented(name: string): HotplateError {
  return new HotplateError("UNIMPLEMENTED", `a cache in memory has no ${name}`);
}

/** Aborts when a try's time is over. */
function deadline(how: Try): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController();
  if (how.endsAt === undefined) return { signal: controller.signal, stop: () => undefined };
  const leftMs = how.endsAt - clock.now();
  const timer = setTimeout(() => controller.abort(timedOut(leftMs)), Math.min(Math.max(0, leftMs), clock.TIMER_MAX_MS));
  return { signal: controller.signal, stop: () => clearTimeout(timer) };
}
