/** Storing entries of a namespace, one or many, and changing how long they live. */
import { putWhole } from "./blob/whole.js";
import type { CallOptions, InnerCallOptions } from "./calls.js";
import { asError, errorOfItem } from "./error.js";
import type { Attempt } from "./gate.js";
import {
  type BatchPutResponse,
  PutRequestSchema,
  type PutResponse,
  TouchOutcome,
} from "./generated/hotplate/v1/cache_pb.js";
import { type KeyInput, keyText } from "./key.js";
import { type Written, writtenOf } from "./lookup.js";
import { setOfKey } from "./near/selects.js";
import { expirationOf, type WriteOptions } from "./options.js";
import {
  encodedBytes,
  FRAMING_BYTES,
  type ItemFailure,
  itemFailure,
  type Messages,
  noteMany,
  type PutInit,
  type Sizes,
  type Space,
  sameLength,
  unanswered,
} from "./space.js";
import type { OperationFacts } from "./telemetry.js";
import { checkTexts } from "./text.js";
import type { Ttl } from "./ttl.js";

/** Carries out one Put. */
export async function send<T>(
  space: Space<T>,
  request: PutInit,
  options: InnerCallOptions,
  facts: OperationFacts,
): Promise<Written> {
  const { core, name } = space;
  const key = request.key ?? "";
  let attempt: Attempt<PutResponse>;
  try {
    attempt = await space.writing([setOfKey(key)], () =>
      core.gate.write(() => putWhole(core, request, options), options),
    );
  } finally {
    // Who asks from now on gets no value that was looked up before this write was answered, whatever that was.
    core.flights.outdateKey(name, key);
  }
  const written: Written =
    attempt.away === undefined ? writtenOf(attempt.answer) : { outcome: "dropped", reason: attempt.away };
  facts.result = written.outcome;
  return written;
}

/** Stores several values with the same options, in order. What one of them cannot be is that one's failure. */
export async function putMany<T>(
  space: Space<T>,
  items: Iterable<readonly [KeyInput, T]>,
  options: WriteOptions,
  facts: OperationFacts,
): Promise<(Written | ItemFailure)[]> {
  // What is wrong with the options is wrong with all.
  const plain = { ...space.addressed("", options), contentType: space.codec.contentType };
  const answers = Array.from(items, ([key, value]) => putItem(space, key, value, options));
  const requests = answers.flatMap((one) => ("outcome" in one ? [] : [one]));
  const sizes = sizesOf(encodedBytes(PutRequestSchema, plain));
  const many: Messages<PutInit, Written> = {
    ...sizes,
    send: (some, rest) => putBatch(space, some, sizes, rest),
    without: (reason) => ({ outcome: "dropped", reason }),
  };
  const written = await space.inMessages(many, requests, options);
  let next = 0;
  const all = answers.map((one) => {
    if ("outcome" in one) return one;
    next += 1;
    return written[next - 1] as Written | ItemFailure;
  });
  noteMany(facts, all);
  return all;
}

function putItem<T>(space: Space<T>, key: KeyInput, value: T, options: WriteOptions): PutInit | ItemFailure {
  try {
    return space.putRequest(keyText(key), value, options);
  } catch (failure) {
    return itemFailure(asError(failure));
  }
}

/** The sizes of items that have so many bytes in common. */
function sizesOf(common: number): Sizes<PutInit> {
  const valueBytes = ({ payload }: PutInit) => (payload?.case === "value" ? payload.value.length : 0);
  const bytes = (item: PutInit) => common + FRAMING_BYTES + Buffer.byteLength(item.key ?? "") + valueBytes(item);
  return { bytes, valueBytes };
}

async function putBatch<T>(
  space: Space<T>,
  items: readonly PutInit[],
  sizes: Sizes<PutInit>,
  rest: () => CallOptions,
): Promise<(Written | ItemFailure)[]> {
  const { core, name } = space;
  const [first] = items;
  if (items.length === 1 && first !== undefined && space.goesAlone(sizes, first)) {
    return [await putAlone(space, first, rest)];
  }
  const request = { namespace: name, items: [...items] };
  const options = rest();
  let attempt: Attempt<BatchPutResponse>;
  try {
    attempt = await space.writing(
      items.map((item) => setOfKey(item.key ?? "")),
      () => core.gate.write(() => core.calls.batchPut(request, options), options, true),
    );
  } finally {
    for (const item of items) core.flights.outdateKey(name, item.key ?? "");
  }
  if (attempt.away !== undefined) {
    const reason = attempt.away;
    return items.map(() => ({ outcome: "dropped", reason }));
  }
  const { results } = attempt.answer;
  sameLength(results.length, items.length);
  const written: (Written | ItemFailure)[] = [];
  for (const [at, item] of items.entries()) {
    const result = results[at]?.result;
    if (result?.case === "response") {
      written.push(writtenOf(result.value));
    } else if (result?.case === "error" && result.value.reason === "VALUE_TOO_LARGE") {
      // A server that takes less with a call than most do: it takes the same as a stream.
      written.push(await putAlone(space, item, rest));
    } else {
      const error = result?.case === "error" ? errorOfItem(result.value) : unanswered();
      written.push(itemFailure(error));
    }
  }
  return written;
}

/** One that is too large for a message: it goes its own way. */
async function putAlone<T>(space: Space<T>, item: PutInit, rest: () => CallOptions): Promise<Written | ItemFailure> {
  const { core, name } = space;
  const key = item.key ?? "";
  let options: CallOptions = {};
  try {
    options = rest();
    const attempt = await space.writing([setOfKey(key)], () =>
      core.gate.write(() => space.bounded(options, (bounded) => putWhole(core, item, bounded)), options, true),
    );
    return attempt.away === undefined ? writtenOf(attempt.answer) : { outcome: "dropped", reason: attempt.away };
  } catch (failure) {
    if (options.signal?.aborted || core.tasks.isOver) throw failure;
    const error = asError(failure);
    const reason = core.gate.fallback(error, true);
    return reason === null ? itemFailure(error) : { outcome: "dropped", reason };
  } finally {
    core.flights.outdateKey(name, key);
  }
}

/** Gives an entry this lifetime from now on; whether there was one. */
export async function touch<T>(
  space: Space<T>,
  key: string,
  ttl: Ttl,
  options: CallOptions,
  facts: OperationFacts,
): Promise<boolean> {
  const { core, name } = space;
  const expiration = expirationOf({ ttl });
  const request = checkTexts({ namespace: name, key, ...(expiration === undefined ? {} : { expiration }) });
  const attempt = await space.writing([setOfKey(key)], () =>
    core.gate.write(() => core.calls.touch(request, options), options),
  );
  const outcome = attempt.away === undefined ? attempt.answer.outcome : undefined;
  const touched = outcome === TouchOutcome.TOUCHED || outcome === TouchOutcome.UNCHANGED;
  facts.result = touched ? "touched" : (attempt.away ?? "not_found");
  return touched;
}
