/** Clients of the server of all tests, each in a namespace of its own, closed with the test. */
import { randomBytes } from "node:crypto";
import { inject, onTestFinished } from "vitest";
import { type ClientOptions, HotplateClient, type Log } from "../../src/index.js";

/** A log that keeps what it is told. */
export class MemoryLog implements Log {
  readonly said: string[] = [];
  debug(message: string): void {
    this.said.push(message);
  }
  warn(message: string): void {
    this.said.push(message);
  }
  error(message: string): void {
    this.said.push(message);
  }
}

/** A name that nobody else uses. */
export function freshName(): string {
  return `t${randomBytes(6).toString("hex")}`;
}

/** A client of the server of all tests. */
export function clientOf(options: ClientOptions = {}): HotplateClient {
  const client = new HotplateClient({
    url: `hotplate://${inject("server")}/${freshName()}`,
    log: new MemoryLog(),
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

/** Two clients of one namespace, as two processes would be. */
export function twoClients(first: ClientOptions = {}, second: ClientOptions = {}): [HotplateClient, HotplateClient] {
  const namespace = freshName();
  return [clientOf({ ...first, namespace }), clientOf({ ...second, namespace })];
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
  const endsAt = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > endsAt) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
