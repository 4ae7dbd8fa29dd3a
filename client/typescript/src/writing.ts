/** Storing entries of a namespace, one or many, and changing how long they live. */
import { putWhole } from "./blob/whole.js";
import type { CallOptions } from "./calls.js";
import { errorOfItem } from "./error.js";
import type { Attempt } from "./gate.js";
import { type PutResponse, TouchOutcome } from "./generated/hotplate/v1/cache_pb.js";
import { type KeyInput, keyText } from "./key.js";
import { type Written, writtenOf } from "./lookup.js";
import { setOfKey } from "./near/selects.js";
import { expirationOf, type WriteOptions } from "./options.js";
import { type ItemFailure, itemFailure, type PutInit, type Space, sameLength } from "./space.js";
import type { OperationFacts } from "./telemetry.js";
import type { Ttl } from "./ttl.js";

/** Carries out one Put. */
export async function send<T>(
  space: Space<T>,
  request: PutInit,
  options: CallOptions,
  facts: OperationFacts,
): Promise<Written> {
  const { core, name } = space;
  const key = request.key ?? "";
  const attempt: Attempt<PutResponse> = await space.writing([setOfKey(key)], () =>
    core.gate.write(() => putWhole(core, request, options), options),
  );
  // Who asks from now on gets no value that was looked up before this write was answered.
  core.flights.outdateKey(name, key);
  const written: Written =
    attempt.away === undefined ? writtenOf(attempt.answer) : { outcome: "dropped", reason: attempt.away };
  facts.result = written.outcome;
  return written;
}

/** Stores several values with the same options, in order. */
export async function putMany<T>(
  space: Space<T>,
  items: Iterable<readonly [KeyInput, T]>,
  options: WriteOptions,
): Promise<(Written | ItemFailure)[]> {
  const requests = Array.from(items, ([key, value]) => space.putRequest(keyText(key), value, options));
  const written: (Written | ItemFailure)[] = [];
  await space.inBatches(requests, options, async (some) => {
    written.push(...(await putBatch(space, some, options)));
  });
  return written;
}

async function putBatch<T>(
  space: Space<T>,
  items: readonly PutInit[],
  options: CallOptions,
): Promise<(Written | ItemFailure)[]> {
  const { core, name } = space;
  const request = { namespace: name, items: [...items] };
  const attempt = await space.writing(
    items.map((item) => setOfKey(item.key ?? "")),
    () => core.gate.write(() => core.calls.batchPut(request, options), options),
  );
  for (const item of items) core.flights.outdateKey(name, item.key ?? "");
  if (attempt.away !== undefined) {
    const reason = attempt.away;
    return items.map(() => ({ outcome: "dropped", reason }));
  }
  const { results } = attempt.answer;
  sameLength(results.length, items.length);
  return results.map(({ result }) => {
    if (result.case === "error") return itemFailure(errorOfItem(result.value));
    return result.case === "response" ? writtenOf(result.value) : { outcome: "dropped", reason: "other" };
  });
}

/** Gives an entry this lifetime from now on; whether there was one. */
export async function touch<T>(space: Space<T>, key: string, ttl: Ttl, options: CallOptions): Promise<boolean> {
  const { core, name } = space;
  const expiration = expirationOf({ ttl });
  const request = { namespace: name, key, ...(expiration === undefined ? {} : { expiration }) };
  const attempt = await space.writing([setOfKey(key)], () =>
    core.gate.write(() => core.calls.touch(request, options), options),
  );
  if (attempt.away !== undefined) return false;
  const { outcome } = attempt.answer;
  return outcome === TouchOutcome.TOUCHED || outcome === TouchOutcome.UNCHANGED;
}
