/** Finding entries of a namespace: near, then at the server; one or many. */
import { getWhole } from "./blob/whole.js";
import type { CallOptions } from "./calls.js";
import { sinceBoot } from "./clock.js";
import { asError, errorOfItem } from "./error.js";
import { EntryView, GetOutcome, GetRequestSchema } from "./generated/hotplate/v1/cache_pb.js";
import { type KeyInput, keyText } from "./key.js";
import { type Lookup, lookup, type MissReason, miss } from "./lookup.js";
import type { Near } from "./near/near.js";
import { type ReadOptions, readRequest } from "./options.js";
import {
  encodedBytes,
  FRAMING_BYTES,
  type GetInit,
  type ItemFailure,
  itemFailure,
  type Messages,
  noteFound,
  noteMany,
  type Space,
  sameLength,
} from "./space.js";
import type { OperationFacts } from "./telemetry.js";
import { durationMs, fromWire } from "./ttl.js";

/** Finds one entry; `share`: the value may be that of all who share. */
export async function get<T>(
  space: Space<T>,
  key: string,
  options: ReadOptions,
  share: boolean,
  facts: OperationFacts,
): Promise<Lookup<T>> {
  const near = space.nearFor(options);
  const kept = near?.hit(key, maxAgeMs(options));
  const found =
    kept === undefined
      ? await lookUp(space, key, space.getRequest(key, options), options, near)
      : kept.lookup(space.codec, sinceBoot(), share);
  noteFound(facts, found);
  return found;
}

/** Asks the server. */
export async function lookUp<T>(
  space: Space<T>,
  key: string,
  request: GetInit,
  options: CallOptions,
  near: Near | undefined,
): Promise<Lookup<T>> {
  const fill = near?.ask();
  const attempt = await space.core.gate.read(() => getWhole(space.core, request, options), options);
  if (attempt.away !== undefined) return miss(attempt.away);
  fill?.offer(key, attempt.answer);
  return lookup(space.codec, attempt.answer);
}

/** What this process keeps. What cannot be read is left to who computes it anew. */
export function keptNear<T>(
  space: Space<T>,
  key: string,
  options: ReadOptions,
  near: Near | undefined,
): Lookup<T> | undefined {
  const kept = near?.hit(key, maxAgeMs(options));
  if (kept === undefined) return undefined;
  try {
    return kept.lookup(space.codec, sinceBoot(), false);
  } catch (failure) {
    space.core.log.debug("a kept value cannot be read and is looked up anew", asError(failure));
    return undefined;
  }
}

/** Finds several entries, in the order of their keys. What is no key is that one's failure. */
export async function getMany<T>(
  space: Space<T>,
  keys: Iterable<KeyInput>,
  options: ReadOptions,
  facts: OperationFacts,
): Promise<(Lookup<T> | ItemFailure)[]> {
  const near = space.nearFor(options);
  // What is wrong with the options is wrong with all.
  const plain = space.getRequest("", options);
  const maxAge = maxAgeMs(options);
  const found: (Lookup<T> | ItemFailure)[] = [];
  const missing: Missing[] = [];
  for (const input of keys) {
    const at = found.length;
    found.push(
      alone(() => {
        const key = keyText(input);
        const kept = near?.hit(key, maxAge);
        if (kept !== undefined) return kept.lookup(space.codec, sinceBoot(), false);
        missing.push({ at, key });
        return miss("other");
      }),
    );
  }
  const common = encodedBytes(GetRequestSchema, plain) + FRAMING_BYTES;
  const many: Messages<Missing, Lookup<T>> = {
    bytes: ({ key }) => common + Buffer.byteLength(key),
    valueBytes: () => 0,
    send: (some, rest) => getBatch(space, some, options, rest, near),
    without: miss,
  };
  const answers = await space.inMessages(many, missing, options);
  for (const [index, { at }] of missing.entries()) found[at] = answers[index] as Lookup<T> | ItemFailure;
  noteMany(facts, found);
  return found;
}

/** A key that this process does not keep, and where its answer belongs. */
interface Missing {
  readonly at: number;
  readonly key: string;
}

async function getBatch<T>(
  space: Space<T>,
  some: readonly Missing[],
  options: ReadOptions,
  rest: () => CallOptions,
  near: Near | undefined,
): Promise<(Lookup<T> | ItemFailure)[]> {
  const { core, name, codec } = space;
  const request = { namespace: name, items: some.map(({ key }) => ({ ...readRequest(options), key })) };
  const fill = near?.ask();
  const call = rest();
  const attempt = await core.gate.read(() => core.calls.batchGet(request, call), call, true);
  if (attempt.away !== undefined) return some.map(() => miss(attempt.away as MissReason));
  const { results } = attempt.answer;
  sameLength(results.length, some.length);
  const found: (Lookup<T> | ItemFailure)[] = [];
  for (const [index, { key }] of some.entries()) {
    const result = results[index]?.result;
    if (result?.case === "error") {
      found.push(itemFailure(errorOfItem(result.value)));
    } else if (result?.case === "response" && result.value.entry?.payload.case !== "large") {
      fill?.offer(key, result.value);
      found.push(alone(() => lookup(codec, result.value)));
    } else {
      // Too large for the answer of a batch: asked for alone, one after the other.
      found.push(await getAlone(space, key, options, rest, near));
    }
  }
  return found;
}

async function getAlone<T>(
  space: Space<T>,
  key: string,
  options: ReadOptions,
  rest: () => CallOptions,
  near: Near | undefined,
): Promise<Lookup<T> | ItemFailure> {
  const { core, codec } = space;
  try {
    const request = space.getRequest(key, options);
    const fill = near?.ask();
    const call = rest();
    const attempt = await core.gate.read(
      () => space.bounded(call, (bounded) => getWhole(core, request, bounded)),
      call,
      true,
    );
    if (attempt.away !== undefined) return miss(attempt.away);
    fill?.offer(key, attempt.answer);
    return lookup(codec, attempt.answer);
  } catch (failure) {
    if (options.signal?.aborted || core.tasks.isOver) throw failure;
    const error = asError(failure);
    const away = core.gate.fallback(error, true);
    return away === null ? itemFailure(error) : miss(away);
  }
}

/** Milliseconds for which an entry stays fresh; null when there is none. */
export async function ttlMs<T>(space: Space<T>, key: string, options: CallOptions): Promise<number | null> {
  const request = { ...space.getRequest(key, { peek: true }), view: EntryView.METADATA };
  const attempt = await space.core.gate.read(() => space.core.calls.get(request, options), options);
  if (attempt.away !== undefined) return null;
  const { outcome, entry } = attempt.answer;
  const found = outcome === GetOutcome.HIT || outcome === GetOutcome.NEGATIVE;
  return found && entry?.metadata !== undefined ? (fromWire(entry.metadata.freshFor) ?? 0) : null;
}

function maxAgeMs(options: ReadOptions): number | undefined {
  return options.maxAge === undefined ? undefined : durationMs("max_age", options.maxAge);
}

function alone<T>(read: () => Lookup<T>): Lookup<T> | ItemFailure {
  try {
    return read();
  } catch (failure) {
    return itemFailure(asError(failure));
  }
}
