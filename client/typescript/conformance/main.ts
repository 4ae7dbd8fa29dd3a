/**
 * The driver of this language for `cargo x conformance`: reads requests, has them carried out, writes answers. It speaks
 * `tests/conformance/PROTOCOL.md`, knows no scenario and judges nothing.
 */
import { createInterface } from "node:readline";
import { HotplateError, VERSION } from "../dist/index.js";
import { failure as failureOf } from "./answers.ts";
import { Fault, type Request, Unsupported } from "./request.ts";
import { Session } from "./session.ts";
import { vectorOperations } from "./vectors.ts";

/** Time the clients have to end, once there is nothing more to read. */
const CLOSE_MS = 4_000;

const session = new Session();
const given = new Map<unknown, AbortController>();

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

/** Integers that no float holds are kept as such: a key made of them must be refused. */
function exactly(_name: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  const isUnsafe = typeof value === "number" && source !== undefined && /^-?[0-9]+$/.test(source);
  return isUnsafe && !Number.isSafeInteger(value) ? BigInt(source) : value;
}

function read(line: string): Request {
  const needsExactly = line.includes('"calls"');
  return JSON.parse(line, needsExactly ? (exactly as (name: string, value: unknown) => unknown) : undefined) as Request;
}

async function carryOut(request: Request, signal: AbortSignal): Promise<object> {
  if (request.op === "cancel") {
    given.get(request["target"])?.abort();
    return {};
  }
  const vector = vectorOperations[request.op];
  return vector === undefined ? await session.carryOut(request, signal) : vector(request);
}

async function answer(line: string): Promise<void> {
  let id: unknown = null;
  try {
    const request = read(line);
    id = request.id;
    const controller = new AbortController();
    given.set(id, controller);
    say({ id, ok: await carryOut(request, controller.signal) });
  } catch (failure) {
    if (failure instanceof HotplateError) say({ id, error: failureOf(failure) });
    else if (failure instanceof Unsupported) say({ id, unsupported: failure.message });
    else if (failure instanceof Fault) say({ id, fault: failure.message });
    else say({ id, fault: failure instanceof Error ? (failure.stack ?? failure.message) : String(failure) });
  } finally {
    given.delete(id);
  }
}

say({ hello: { language: "typescript", version: VERSION, protocol: 1 } });
for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
  if (line.trim() !== "") void answer(line);
}
for (const controller of given.values()) controller.abort();
const late = setTimeout(() => process.exit(0), CLOSE_MS);
await session.close();
clearTimeout(late);
process.stdout.end(() => process.exit(0));
