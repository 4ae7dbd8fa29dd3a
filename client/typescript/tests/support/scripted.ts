/** A transport whose answers a test writes; what it does not write is answered by a cache in memory. */
import {
  create,
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { either } from "../../src/either.js";
import { timedOut } from "../../src/error.js";
import { type ClientOptions, HotplateClient, type Incoming, type Outgoing, type Transport } from "../../src/index.js";
import { MemoryCache } from "../../src/testing/index.js";
import { MemoryTransport } from "../../src/testing/memory/transport.js";
import type { Try } from "../../src/transport.js";
import { MemoryLog } from "./client.js";

/** A call as it was sent. */
export interface Sent {
  readonly method: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asks for.
  readonly request: any;
  readonly how: Try;
}

/** Answers one call: with a message's fields, by throwing, or with `undefined` for what the cache in memory says. */
export type Answer = (sent: Sent, nth: number) => unknown;

/** The transport. */
export class Scripted implements Transport {
  readonly cache = new MemoryCache();
  readonly sent: Sent[] = [];
  readonly #inner = new MemoryTransport(this.cache);
  readonly #answers = new Map<string, Answer>();

  /** Has all calls of a method answered so. */
  on(method: string, answer: Answer): this {
    this.#answers.set(method, answer);
    return this;
  }

  /** Calls of a method so far. */
  of(method: string): Sent[] {
    return this.sent.filter((one) => one.method === method);
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    how: Try,
  ): Promise<MessageShape<O>> {
    const answer = this.#begun(method.name, request, how);
    const script = this.#answers.get(method.name);
    const said = await this.#inTime(how, async () => await script?.(answer, this.of(method.name).length));
    if (said === undefined) return await this.#inner.unary(method, request, how);
    return create(method.output, said as MessageInitShape<O>);
  }

  async open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    how: Try & { readonly lane: "stream" | "transfer" },
  ): Promise<Incoming<MessageShape<O>>> {
    const answer = this.#begun(method.name, request, how);
    const script = this.#answers.get(method.name);
    const said = await this.#inTime(how, async () => await script?.(answer, this.of(method.name).length));
    if (said === undefined) return await this.#inner.open(method, request, how);
    const messages = [...(said as MessageInitShape<O>[])];
    return {
      next: () => {
        const message = messages.shift();
        return Promise.resolve(message === undefined ? undefined : create(method.output, message));
      },
      cancel: () => undefined,
    };
  }

  upload<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>,
    how: Try,
  ): Outgoing<MessageShape<I>, MessageShape<O>> {
    this.#begun(method.name, {}, how);
    return this.#inner.upload(method, how);
  }

  close(): void {
    this.#inner.close();
  }

  #begun(method: string, request: unknown, how: Try): Sent {
    const sent = { method, request, how };
    this.sent.push(sent);
    return sent;
  }

  async #inTime<A>(how: Try, work: () => Promise<A>): Promise<A> {
    if (how.endsAt === undefined) return await either(work(), [how.signal]);
    const leftMs = how.endsAt - performance.now();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(timedOut(leftMs)), Math.min(leftMs, 2 ** 31 - 1));
    try {
      return await either(work(), [how.signal, late.signal]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A client of such a transport, closed with the test. */
export function scripted(options: ClientOptions = {}): {
  readonly client: HotplateClient;
  readonly transport: Scripted;
  readonly log: MemoryLog;
} {
  const transport = new Scripted();
  const log = new MemoryLog();
  const client = new HotplateClient({ log, ...options }, transport);
  onTestFinished(() => client.close());
  return { client, transport, log };
}
