/**
 * The port between the client and the network: calls as messages, once, without retries. `grpc.ts` is the real one;
 * `testing/memory.ts` keeps everything in this process.
 */
import {
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { disabledError, invalidArgument } from "./error.js";

/** How one try of a call is made. */
export interface Try {
  /** Whose turn it is; servers take turns. */
  readonly turn: number;
  /** When it has to be answered, on the clock of `clock.ts`. Undefined: no such time. */
  readonly endsAt?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/** Which connections a call shares: a slow reader of large values must not hold up small calls. */
export type Lane = "call" | "transfer";

/** A stream of answers. */
export interface Incoming<O> {
  /** The next message, undefined at the end. Not to be called again before it has answered. */
  next(): Promise<O | undefined>;
  /** Ends the stream; a `next` that waits fails with `CANCELLED`. */
  cancel(): void;
}

/** A stream of messages with one answer. */
export interface Outgoing<I, O> {
  /** Sends a message, and waits while the network takes no more. */
  send(message: I): Promise<void>;
  /** The answer; it may come before all was sent. Handled: to leave it alone is no fault. */
  readonly answer: Promise<O>;
  /** Says that all was sent. */
  end(): void;
  /** Ends it without. */
  cancel(): void;
}

/** What carries calls. Every failure is a `HotplateError`. */
export interface Transport {
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    how: Try & { readonly lane?: Lane },
  ): Promise<MessageShape<O>>;

  /** Opens a stream of answers: resolves when the server has accepted it. `endsAt` is for that alone. */
  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    how: Try & { readonly lane: "stream" | "transfer" },
  ): Promise<Incoming<MessageShape<O>>>;

  /** Opens a stream of messages. */
  upload<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>,
    how: Try,
  ): Outgoing<MessageShape<I>, MessageShape<O>>;

  /** Ends all connections. */
  close(): void;
}

/**
 * The bytes of a message.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what has none: that is its caller's fault, and never that of the cache.
 */
export function encoded<T extends DescMessage>(schema: T, message: MessageShape<T>): Uint8Array {
  try {
    return toBinary(schema, message);
  } catch {
    // What it says may quote the value.
    throw invalidArgument("request", "the request has a value that the contract cannot carry");
  }
}

/** Carries nothing: for a client that is turned off. */
export class NoTransport implements Transport {
  unary(): Promise<never> {
    return Promise.reject(disabledError());
  }

  open(): Promise<never> {
    return Promise.reject(disabledError());
  }

  upload(): never {
    throw disabledError();
  }

  close(): void {
    // There is nothing to end.
  }
}
