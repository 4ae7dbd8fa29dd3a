/** What a request is, and how its arguments are read. */
import { Key, type KeyInput, type KeySegment, type KeyValue } from "../dist/index.js";

/** One request. */
export type Request = { readonly id: unknown; readonly op: string } & Readonly<Record<string, unknown>>;

/** The driver met something that must not be. */
export class Fault extends Error {}

/** The client has no such thing. */
export class Unsupported extends Error {}

/** Refuses what this driver is too old to know. */
export function only(what: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Fault(`${what}: unknown field ${unknown.join(", ")}`);
}

/** Text that must be there. */
export function textOf(request: Readonly<Record<string, unknown>>, name: string): string {
  const value = request[name];
  if (typeof value !== "string") throw new Fault(`${name} is to be text`);
  return value;
}

/** A number, where it is there. */
export function numberOf(request: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = request[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number") throw new Fault(`${name} is to be a number`);
  return value;
}

/** Milliseconds as the client takes durations. */
export function millisecondsOf(request: Readonly<Record<string, unknown>>, name: string): number | string | undefined {
  const ms = numberOf(request, name);
  return ms === undefined ? undefined : ms === 0 ? 0 : `${ms}ms`;
}

/** An object, empty where it is not there. */
export function objectOf(request: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, unknown>> {
  const value = request[name];
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw new Fault(`${name} is to be an object`);
  return value as Record<string, unknown>;
}

/** A list that must be there. */
export function listOf(request: Readonly<Record<string, unknown>>, name: string): readonly unknown[] {
  const value = request[name];
  if (!Array.isArray(value)) throw new Fault(`${name} is to be a list`);
  return value;
}

/** A key: text as it is, or the calls of the builder. */
export function keyOf(value: unknown): KeyInput {
  if (typeof value === "string") return value;
  const calls = (value as { calls?: unknown } | null)?.calls;
  if (!Array.isArray(calls)) throw new Fault("a key is text or calls");
  return keyOfCalls(calls);
}

/** A key made by the calls of the builder, as in keys.json. */
export function keyOfCalls(calls: readonly unknown[]): Key {
  return calls.reduce<Key>((key, call) => {
    const [name, ...args] = call as [string, ...unknown[]];
    switch (name) {
      case "segments":
        return (args[0] as KeySegment[]).reduce<Key>((made, segment) => made.id(segment), key);
      case "id":
        return key.id(args[0] as KeySegment);
      case "param":
        return key.param(args[0] as string, args[1] as KeyValue);
      case "params":
        return key.params(args[0] as KeyValue);
      case "unordered":
        return key.unordered(args[0] as KeySegment[]);
      case "text":
        return key.text(args[0] as string);
      case "content":
        return key.content(Buffer.from(args[0] as string, "hex"));
      default:
        throw new Fault(`the key builder has no call ${name}`);
    }
  }, new Key());
}
