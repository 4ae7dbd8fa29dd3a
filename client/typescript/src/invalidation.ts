/**
 * Dropping entries, marking them stale and having them fetched anew, by what selects them. What is kept in this process
 * follows.
 */
import type { CallOptions } from "./calls.js";
import { replay } from "./core.js";
import {
  InvalidateMode,
  type InvalidateRequestSchema,
  type InvalidateResponse,
} from "./generated/hotplate/v1/cache_pb.js";
import type { Init } from "./init.js";
import type { Invalidated, Refreshing } from "./lookup.js";
import { setOf } from "./near/selects.js";
import { type SelectInput, wireSelectors } from "./selector.js";
import type { Space } from "./space.js";
import type { OperationFacts } from "./telemetry.js";
import { checkTexts } from "./text.js";
import { type DurationInput, durationMs, wireDuration } from "./ttl.js";

/** How entries are dropped. */
export interface InvalidateOptions extends CallOptions {
  /** Why, for people: kept with what is dropped, shown by `explain` and told to who watches. At most 256 bytes. */
  readonly reason?: string | undefined;
}

/** How entries are marked stale. */
export interface MarkStaleOptions extends InvalidateOptions {
  /** At most 1 h: each entry becomes stale at a moment of its own within it, so that not everything is computed anew at once. */
  readonly spreadOver?: DurationInput | undefined;
}

/** Where a refresh fetches from. */
export interface RefreshOptions extends InvalidateOptions {
  /** Origin of the namespace. Without: its only one. */
  readonly origin?: string | undefined;
  /** Values for the origin's template, the same for every entry. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

/** What became of a call. */
type Change = InvalidateResponse | "queued" | "disabled";

/** Drops what is selected. */
export async function drop<T>(
  space: Space<T>,
  selection: SelectInput,
  options: InvalidateOptions,
  facts: OperationFacts,
): Promise<Invalidated> {
  return invalidated(await change(space, selection, {}, options, facts));
}

/** Marks stale what is selected. */
export async function markStale<T>(
  space: Space<T>,
  selection: SelectInput,
  options: MarkStaleOptions,
  facts: OperationFacts,
): Promise<Invalidated> {
  const { spreadOver } = options;
  const how = {
    mode: InvalidateMode.MARK_STALE,
    ...(spreadOver === undefined ? {} : { spreadOver: wireDuration(durationMs("spread_over", spreadOver)) }),
  };
  return invalidated(await change(space, selection, how, options, facts));
}

/** Marks stale what is selected, and has the server fetch it anew. */
export async function refresh<T>(
  space: Space<T>,
  selection: SelectInput,
  options: RefreshOptions,
  facts: OperationFacts,
): Promise<Refreshing> {
  const from = { origin: options.origin ?? "", parameters: { ...options.parameters } };
  const done = await change(space, selection, { mode: InvalidateMode.REFRESH, refresh: from }, options, facts);
  if (typeof done === "string") return { outcome: done };
  return {
    outcome: "started",
    matched: Number(done.matchedCount),
    refreshing: Number(done.refreshingCount),
    job: done.refreshJobId,
  };
}

async function change<T>(
  { core, name }: Space<T>,
  selection: SelectInput,
  how: Init<typeof InvalidateRequestSchema>,
  options: InvalidateOptions,
  facts: OperationFacts,
): Promise<Change> {
  const selectors = wireSelectors(selection);
  const request = checkTexts({
    ...how,
    namespace: name,
    selectors,
    clientId: core.clientId,
    reason: options.reason ?? "",
  });
  core.gate.refuse(options);
  core.flights.outdate(name);
  if (core.gate.disabled) {
    facts.result = "disabled";
    return "disabled";
  }
  // What was made from what is named goes as well, and this client is not told of what it does itself.
  const write = core.nears.of(name)?.write([...selectors.map(setOf), { is: "dependents" }]);
  try {
    const response = await core.tasks.waitFor(core.gate.invalidate(core.calls, request, options));
    if (response === null) {
      replay(core);
      facts.result = "queued";
      return "queued";
    }
    write?.answered();
    facts.result = "done";
    return response;
  } finally {
    // What was looked up between the first time and the answer, whatever that was, may still be what was dropped.
    core.flights.outdate(name);
    write?.end();
  }
}

function invalidated(done: Change): Invalidated {
  return typeof done === "string" ? { outcome: done } : { outcome: "done", matched: Number(done.matchedCount) };
}
