/**
 * Calls over the network, by grpc-js: connections, deadlines, cancellation, and the messages' bytes. Every call is made once;
 * when to try again is decided in `calls.ts`.
 */
import {
  type DescMessage,
  type DescMethod,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import * as clock from "./clock.js";
import type { Address } from "./endpoint.js";
import { cancelled, closedError, configurationError, HotplateError, invalidArgument, timedOut } from "./error.js";
import type { Profile } from "./profile.js";
import { errorOfStatus, isServiceError } from "./status.js";
import { encoded, type Incoming, type Lane, type Outgoing, type Transport, type Try } from "./transport.js";
import { VERSION } from "./version.js";

/** Largest message accepted or sent, in bytes. Above every server's own limit, so that the server's clear answer wins. */
const MESSAGE_BYTES_MAX = 16 << 20;
/** Flow control of one stream: large enough that a 1 MiB value never waits for an update. */
const STREAM_WINDOW = 4 << 20;
/** Calls under way on a connection before the next one is opened. */
const CALLS_PER_CONNECTION = 32;

/** What TLS uses, as PEM. */
export interface TlsMaterial {
  readonly ca?: Buffer | undefined;
  readonly certificate?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  readonly domain?: string | undefined;
}

/** How the network is used. */
export interface GrpcSetup {
  readonly addresses: readonly Address[];
  readonly tls: TlsMaterial;
  readonly profile: Profile;
  /** The bearer token; never printed. */
  readonly token: string | null;
  /** Connections for calls to all servers together, but at least one to each. */
  readonly connectionsMax: number;
}

/** One connection, opened when first used, and how many calls are under way on it. */
interface Line {
  readonly make: () => grpc.Client;
  client: grpc.Client | null;
  calls: number;
}

interface Server {
  readonly call: readonly Line[];
  readonly transfer: readonly Line[];
  readonly stream: readonly Line[];
}

/** The real transport. */
export class GrpcTransport implements Transport {
  readonly #servers: readonly Server[];
  readonly #connectMs: number;
  readonly #token: string | null;
  readonly #apart: <T>(work: () => T) => T;
  /** What is under way. */
  readonly #guards = new Set<Guard>();
  #closed = false;

  /** Connections are made, and kept, by `apart`: not in the surroundings of whoever calls first. */
  constructor(setup: GrpcSetup, apart: <T>(work: () => T) => T = (work) => work()) {
    this.#apart = apart;
    this.#connectMs = setup.profile.connectMs;
    this.#token = setup.token;
    const each = Math.max(1, Math.floor(setup.connectionsMax / setup.addresses.length));
    this.#servers = setup.addresses.map((address) => {
      const make = connector(address, setup.tls);
      const lines = (count: number): Line[] => Array.from({ length: count }, () => ({ make, client: null, calls: 0 }));
      return { call: lines(each), transfer: lines(each), stream: lines(1) };
    });
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    how: Try & { readonly lane?: Lane },
  ): Promise<MessageShape<O>> {
    const line = this.#line(how.turn, how.lane ?? "call");
    const bytes = bytesOf(method.input, request);
    return new Promise((resolve, reject) => {
      const guard = this.#guard(line, how);
      if (guard.refuses(reject)) return;
      const answered = (failure: grpc.ServiceError | null, answer?: MessageShape<O>) => {
        guard.end();
        if (failure !== null) reject(guard.verdict(failure));
        else if (answer === undefined) reject(new HotplateError("INTERNAL", "the server answered nothing"));
        else resolve(answer);
      };
      const [path, read, metadata] = [pathOf(method), reader(method.output), this.#metadata()];
      const call = this.#begin(line, (client) =>
        client.makeUnaryRequest<Buffer, MessageShape<O>>(
          path,
          asItIs,
          read,
          bytes,
          metadata,
          deadlineOf(how),
          answered,
        ),
      );
      guard.begin(call);
    });
  }

  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    how: Try & { readonly lane: "stream" | "transfer" },
  ): Promise<Incoming<MessageShape<O>>> {
    const line = this.#line(how.turn, how.lane);
    const bytes = bytesOf(method.input, request);
    return new Promise((resolve, reject) => {
      const guard = this.#guard(line, how);
      if (guard.refuses(reject)) return;
      const [path, read, metadata] = [pathOf(method), reader(method.output), this.#metadata()];
      const call = this.#begin(line, (client) =>
        client.makeServerStreamRequest<Buffer, MessageShape<O>>(path, asItIs, read, bytes, metadata, {}),
      );
      guard.begin(call);
      // The time that was given is for the stream to be opened; then it lasts as long as it lasts.
      guard.expireAt(how.endsAt);
      const incoming = new GrpcIncoming<MessageShape<O>>(call, guard);
      call.once("metadata", () => {
        guard.opened();
        resolve(incoming);
      });
      // One that ends before it says anything was accepted as well, and has nothing to say.
      call.once("end", () => resolve(incoming));
      incoming.failed.catch(reject);
    });
  }

  upload<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>,
    how: Try,
  ): Outgoing<MessageShape<I>, MessageShape<O>> {
    const line = this.#line(how.turn, "transfer");
    const guard = this.#guard(line, how);
    const { promise: answer, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    // Whoever sends hears of a failure there; the promise itself may be left alone.
    answer.catch(() => undefined);
    const answered = (failure: grpc.ServiceError | null, response?: MessageShape<O>) => {
      guard.end();
      if (failure !== null) reject(guard.verdict(failure));
      else if (response === undefined) reject(new HotplateError("INTERNAL", "the server answered nothing"));
      else resolve(response);
    };
    const [path, read, metadata] = [pathOf(method), reader(method.output), this.#metadata()];
    const call = this.#begin(line, (client) =>
      client.makeClientStreamRequest<Buffer, MessageShape<O>>(path, asItIs, read, metadata, {}, answered),
    );
    guard.begin(call);
    // What the stream says as an event, the answer says as well.
    call.on("error", () => undefined);
    // Who sends must hear of an answer that came early: then nobody takes what is sent.
    let stopped: HotplateError | null = null;
    let tell: ((why: HotplateError) => void) | null = null;
    const stop = (why: HotplateError) => {
      stopped = why;
      tell?.(why);
    };
    answer.then(() => stop(new HotplateError("UNAVAILABLE", "the upload's stream ended before it was finished")), stop);
    return {
      answer,
      send: (message) =>
        new Promise<void>((done, fail) => {
          if (stopped !== null) {
            fail(stopped);
            return;
          }
          let bytes: Buffer;
          try {
            bytes = bytesOf(method.input, message);
          } catch (failure) {
            fail(failure);
            return;
          }
          tell = fail;
          call.write(bytes, (failure?: Error | null) => {
            if (failure == null) done();
            else fail(guard.verdict(failure));
          });
        }),
      end: () => call.end(),
      cancel: () => call.cancel(),
    };
  }

  close(): void {
    this.#closed = true;
    for (const guard of [...this.#guards]) guard.stop(closedError());
    for (const server of this.#servers) {
      for (const line of [...server.call, ...server.transfer, ...server.stream]) {
        line.client?.close();
      }
    }
  }

  #guard(line: Line, how: Try): Guard {
    return new Guard(line, this.#connectMs, how, this.#guards);
  }

  /**
   * Begins a call. Where the connection is not there yet it is begun apart, and the call with it: what a call leaves behind that
   * waits for a connection lasts as long as that, and must not keep its caller's surroundings.
   */
  #begin<C>(line: Line, call: (client: grpc.Client) => C): C {
    const known = line.client;
    const state = known?.getChannel().getConnectivityState(false);
    if (known !== null && state === grpc.connectivityState.READY) return call(known);
    return this.#apart(() => {
      const client = clientOf(line);
      if (state === undefined || state === grpc.connectivityState.IDLE) client.getChannel().getConnectivityState(true);
      return call(client);
    });
  }

  #metadata(): grpc.Metadata {
    const metadata = new grpc.Metadata();
    if (this.#token !== null) {
      metadata.set("authorization", `Bearer ${this.#token}`);
    }
    return metadata;
  }

  /** The first connection that has few calls under way, else the one with the fewest. */
  #line(turn: number, lane: keyof Server): Line {
    if (this.#closed) throw closedError();
    const lines = this.#servers[turn % this.#servers.length]?.[lane] ?? [];
    const few = lane === "call" ? CALLS_PER_CONNECTION : 1;
    const free = lines.find((line) => line.calls < few);
    const line =
      free ?? lines.reduce<Line | undefined>((best, one) => (best && best.calls <= one.calls ? best : one), undefined);
    if (line === undefined) {
      throw configurationError("a client has at least one server");
    }
    return line;
  }
}

/** What surrounds one call: its place on the connection, the caller's signal, and the time to connect. */
class Guard {
  readonly #line: Line;
  readonly #signal: AbortSignal | undefined;
  readonly #connectMs: number;
  readonly #began = clock.now();
  /** All that are under way. */
  readonly #all: Set<Guard>;
  #call: { cancel(): void } | null = null;
  #timers: NodeJS.Timeout[] = [];
  #ended = false;
  /** Why this side ended the call, when it did. */
  #why: HotplateError | null = null;
  readonly #abort = (): void => this.stop(cancelled(this.#signal as AbortSignal));

  constructor(line: Line, connectMs: number, how: Try, all: Set<Guard>) {
    this.#line = line;
    this.#all = all;
    this.#signal = how.signal;
    this.#connectMs = connectMs;
  }

  /** Whether the caller has given up already. */
  refuses(reject: (error: HotplateError) => void): boolean {
    if (this.#signal?.aborted !== true) {
      return false;
    }
    reject(cancelled(this.#signal));
    return true;
  }

  begin(call: { cancel(): void }): void {
    this.#call = call;
    this.#line.calls += 1;
    if (this.#ended) {
      // It failed before it began.
      this.#line.calls -= 1;
      return;
    }
    this.#all.add(this);
    this.#signal?.addEventListener("abort", this.#abort, { once: true });
    if (this.#signal?.aborted) this.#abort();
    const channel = clientOf(this.#line).getChannel();
    if (channel.getConnectivityState(false) !== grpc.connectivityState.READY) {
      this.#after(this.#connectMs, () => {
        if (channel.getConnectivityState(false) !== grpc.connectivityState.READY) {
          this.stop(new HotplateError("UNAVAILABLE", `no connection within ${this.#connectMs} ms`));
        }
      });
    }
  }

  /** Ends the call at this time, unless it was opened. */
  expireAt(endsAt: number | undefined): void {
    if (endsAt !== undefined) {
      this.#after(endsAt - clock.now(), () => this.stop(timedOut(endsAt - this.#began)));
    }
  }

  opened(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }

  /** Ends the call from this side. */
  stop(why: HotplateError): void {
    this.#why ??= why;
    this.#call?.cancel();
  }

  /** The call has ended. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#all.delete(this);
    if (this.#call !== null) this.#line.calls -= 1;
    this.opened();
    this.#signal?.removeEventListener("abort", this.#abort);
  }

  /** What a failure means: what this side did comes before what the network made of it. */
  verdict(failure: unknown): HotplateError {
    if (this.#why !== null) return this.#why;
    if (failure instanceof HotplateError) return failure;
    if (isServiceError(failure)) return errorOfStatus(failure);
    const message = failure instanceof Error ? failure.message : "the connection failed";
    return new HotplateError("UNAVAILABLE", message, { cause: failure });
  }

  #after(ms: number, work: () => void): void {
    this.#timers.push(setTimeout(work, Math.min(Math.max(0, ms), clock.TIMER_MAX_MS)));
  }
}

/** A stream of answers, one at a time: nothing is read from the network that nobody asked for, beyond what Node buffers. */
class GrpcIncoming<O> implements Incoming<O> {
  readonly #call: grpc.ClientReadableStream<O>;
  readonly #guard: Guard;
  readonly #ready: O[] = [];
  #ended = false;
  #wake: (() => void) | null = null;
  #error: HotplateError | null = null;
  /** Rejects when the stream fails; handled. */
  readonly failed: Promise<never>;

  constructor(call: grpc.ClientReadableStream<O>, guard: Guard) {
    this.#call = call;
    this.#guard = guard;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    promise.catch(() => undefined);
    call.on("data", (message: O) => {
      this.#ready.push(message);
      call.pause();
      this.#stir();
    });
    call.on("end", () => this.#end());
    call.on("error", (failure: Error) => {
      this.#error = guard.verdict(failure);
      this.#end();
      reject(this.#error);
    });
    call.pause();
  }

  async next(): Promise<O | undefined> {
    for (;;) {
      const message = this.#ready.shift();
      if (message !== undefined) return message;
      if (this.#error !== null) throw this.#error;
      if (this.#ended) return undefined;
      const stirred = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#call.resume();
      await stirred;
    }
  }

  cancel(): void {
    this.#guard.stop(new HotplateError("CANCELLED", "the stream was closed"));
  }

  #end(): void {
    this.#ended = true;
    this.#guard.end();
    this.#stir();
  }

  #stir(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

function connector(address: Address, tls: TlsMaterial): () => grpc.Client {
  const options: grpc.ClientOptions = {
    "grpc.primary_user_agent": `hotplate-typescript/${VERSION}`,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.keepalive_permit_without_calls": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.dns_min_time_between_resolutions_ms": 10_000,
    "grpc.enable_retries": 0,
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    // Each client of this file is a connection of its own.
    "grpc.use_local_subchannel_pool": 1,
    "grpc-node.flow_control_window": STREAM_WINDOW,
  };
  if (tls.domain !== undefined) {
    options["grpc.ssl_target_name_override"] = tls.domain;
  }
  const credentials = address.tls
    ? grpc.credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.certificate ?? null)
    : grpc.credentials.createInsecure();
  return () => new grpc.Client(`dns:///${address.host}:${address.port}`, credentials, options);
}

function clientOf(line: Line): grpc.Client {
  line.client ??= line.make();
  return line.client;
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * The bytes of a message.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what has none, or more than may be sent.
 */
function bytesOf<T extends DescMessage>(schema: T, message: MessageShape<T>): Buffer {
  const bytes = encoded(schema, message);
  if (bytes.length > MESSAGE_BYTES_MAX) {
    throw invalidArgument(
      "request",
      `a message of ${bytes.length} bytes is not sent: at most ${MESSAGE_BYTES_MAX} are`,
    );
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What is bytes already. */
function asItIs(bytes: Buffer): Buffer {
  return bytes;
}

function reader<T extends DescMessage>(schema: T): (bytes: Buffer) => MessageShape<T> {
  return (bytes) => fromBinary(schema, bytes);
}

function deadlineOf(how: Try): grpc.CallOptions {
  return how.endsAt === undefined ? {} : { deadline: Date.now() + Math.max(0, how.endsAt - clock.now()) };
}
