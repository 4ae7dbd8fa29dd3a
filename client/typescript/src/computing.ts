/** `getOrCompute` of a namespace: which way a call takes, by its mode. What is done on that way lives in `compute.ts`. */

import type { InnerCallOptions } from "./calls.js";
import {
  bypass,
  type Compute,
  type Computing,
  checkComputeOptions,
  lookComputeStore,
  remembered,
  resultOf,
} from "./compute.js";
import { either } from "./either.js";
import { HotplateError } from "./error.js";
import type { Lookup } from "./lookup.js";
import { type ComputeOptions, readRequest } from "./options.js";
import { get, keptNear, lookUp } from "./reading.js";
import type { Space } from "./space.js";
import type { OperationFacts } from "./telemetry.js";
import { durationMs } from "./ttl.js";
import { send } from "./writing.js";

/** Answers the stored value, or computes and stores it. */
export async function getOrCompute<T>(
  space: Space<T>,
  key: string,
  compute: Compute<T>,
  options: ComputeOptions,
  facts: OperationFacts,
): Promise<T> {
  const { core, name, codec } = space;
  checkComputeOptions(options);
  const { maxAge, signal, timeoutMs, mode = "use" } = options;
  const near = space.nearFor({});
  if (mode === "use") {
    const kept = keptNear(space, key, { maxAge }, near);
    if (kept !== undefined) {
      facts.result = kept.outcome;
      facts.near = true;
      return required(kept);
    }
  }
  const computing: Computing<T> = {
    core,
    namespace: name,
    key,
    codec,
    options,
    near: near !== undefined,
    compute,
    ran: () => {
      facts.result = "computed";
    },
    store: async (value, write, outdated) => {
      const call: InnerCallOptions = { ends: core.tasks.late, signal: outdated };
      await send(space, space.putRequest(key, value, write), call, {});
    },
    storeHeld: (held, value, write) => held.put(space.putRequest(key, value, write)),
    read: (stale) =>
      lookUp(space, key, { namespace: name, key, ...readRequest({ maxAge }, stale) }, { timeoutMs }, undefined),
  };
  switch (mode) {
    case "bypass":
      return await bypass(computing, signal);
    case "only": {
      const acceptStale = options.staleWhileRevalidate;
      return required(await get(space, key, { maxAge, acceptStale, signal, timeoutMs }, false, facts));
    }
    default: {
      const flight = {
        namespace: name,
        key,
        codec,
        refresh: mode === "refresh",
        maxAgeMs: maxAge === undefined ? null : durationMs("max_age", maxAge),
        stale: options.staleWhileRevalidate === true,
        perProcess: options.perProcess === true,
      };
      const outcome = await core.flights.join(flight, signal, computing, (course) =>
        lookComputeStore(computing, course),
      );
      facts.result ??= outcome.is === "value" ? "hit" : "failed";
      return await either(resultOf(computing, outcome), [signal, core.tasks.signal]);
    }
  }
}

function required<T>(found: Lookup<T>): T {
  switch (found.outcome) {
    case "hit":
      return found.value;
    case "negative":
      throw remembered(found.reason, found.message);
    case "miss":
      throw new HotplateError("NOT_FOUND", "it is not in the cache", { reason: "NOT_CACHED" });
  }
}
