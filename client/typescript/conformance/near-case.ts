/** One case of near.json, on a near cache that begins empty, without a stream, on a clock that only `pass` moves. */
import { create } from "@bufbuild/protobuf";
import { json } from "../dist/index.js";
import { type Asked, NearCore, stampOf } from "../dist/near/core.js";
import type { Kept } from "../dist/near/kept.js";
import { nearSettings } from "../dist/near/options.js";
import { type EntrySet, setOf } from "../dist/near/selects.js";
import { wireDuration } from "../dist/ttl.js";
import {
  DiscontinuityReason,
  EntrySchema,
  EventType,
  GetOutcome,
  GetResponseSchema,
  LogPositionSchema,
  type Position,
  PositionSchema,
  SelectorSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../dist/v1.js";
import { Fault } from "./request.ts";
import { selectorOf } from "./selectors.ts";

type Step = Readonly<Record<string, unknown>>;

const SETS = 64;
const VALUES = json<unknown>();
/** The names of refusals in the vectors, by those of the client. */
const WHY = {
  notSynced: "NOT_SYNCED",
  otherHistory: "OTHER_HISTORY",
  overtaken: "OVERTAKEN",
  ownWrite: "OWN_WRITE",
  notFollowed: "NOT_FOLLOWED",
  dependent: "DEPENDENT",
  tooLarge: "TOO_LARGE",
} as const;

/** Carries out all steps, and says of each what came of it. */
export function nearCase(settings: Step, one: Step): object[] {
  const run = new Run(settings, one);
  return (one["steps"] as Step[]).map((step) => run.step(step));
}

class Run {
  readonly #core: NearCore;
  readonly #asked = new Map<string, Asked>();
  readonly #writes = new Map<string, EntrySet[]>();
  #suspects: { asked: Asked; suspects: Kept[] } | null = null;
  #now = 1_000_000;

  constructor(settings: Step, one: Step) {
    const prefixes = one["prefixes"] as string[] | undefined;
    const follow = prefixes !== undefined ? { prefixes } : one["follow_keys"] === true ? "kept_keys" : "namespace";
    const options = {
      progressMax: `${settings["progress_max_ms"]}ms`,
      ttlMax: `${settings["ttl_max_ms"]}ms`,
      keepDependents: one["keep_dependents"] === true,
      follow,
    } as const;
    this.#core = new NearCore(nearSettings(options), number(settings, "fences_max"));
  }

  step(step: Step): object {
    switch (step["step"]) {
      case "pass":
        this.#now += number(step, "ms");
        return {};
      case "ask":
        this.#asked.set(text(step, "as"), this.#core.ask(this.#now));
        return {};
      case "answer":
        return this.#answer(step);
      case "read":
        return this.#read(step);
      case "lost":
        this.#core.lost();
        return {};
      case "opened":
      case "event":
      case "progress":
      case "discontinuity":
        return this.#message(step);
      case "revalidated":
        return this.#revalidated(step);
      case "followed":
        return this.#followed(step);
      case "write_begins": {
        const sets = (step["sets"] as Step[]).map((set) => setOf(create(SelectorSchema, selectorOf(set))));
        this.#core.wrote(sets);
        this.#writes.set(text(step, "as"), sets);
        return {};
      }
      case "write_answered":
        this.#core.wrote(this.#writes.get(text(step, "to")) ?? []);
        return {};
      case "write_unknown":
        return reopen(this.#core.mayHaveWritten(this.#writes.get(text(step, "to")) ?? []));
      default:
        throw new Fault(`unknown step ${String(step["step"])}`);
    }
  }

  #answer(step: Step): object {
    const asked = this.#asked.get(text(step, "to"));
    if (asked === undefined) throw new Fault(`nothing was asked as ${text(step, "to")}`);
    const freshFor = wireDuration(number(step, "fresh_ms"));
    const metadata = {
      freshFor,
      usableFor: freshFor,
      age: wireDuration(number(step, "age_ms")),
      kind: text(step, "kind"),
      tags: texts(step, "tags"),
      dependsOn: texts(step, "made_from"),
      contentType: VALUES.contentType,
    };
    const payload = { case: "value" as const, value: VALUES.encode(text(step, "value")) };
    const response = create(GetResponseSchema, {
      outcome: GetOutcome.HIT,
      entry: create(EntrySchema, { payload, metadata }),
      asOf: asOf(step),
    });
    const before = this.#core.stats(this.#now);
    this.#core.offer(asked, text(step, "key"), response);
    const after = this.#core.stats(this.#now);
    if (after.admitted > before.admitted) return { kept: true };
    const names = Object.keys(WHY) as (keyof typeof WHY)[];
    const refused = names.find((name) => after.refused[name] > before.refused[name]);
    return refused === undefined ? { kept: false } : { why: WHY[refused] };
  }

  #read(step: Step): object {
    const maxAge = step["max_age_ms"] as number | undefined;
    const found = this.#core.hit(text(step, "key"), maxAge, this.#now)?.lookup(VALUES, this.#now, true);
    return { value: found?.outcome === "hit" ? found.value : null };
  }

  #message(step: Step): object {
    if (step["step"] === "opened") this.#core.opening();
    const taken = this.#core.take(messageOf(step), step["continued"] === true, this.#now);
    return reopen(!taken);
  }

  #revalidated(step: Step): object {
    this.#suspects ??= this.#core.suspects(100, this.#now);
    const suspect = this.#suspects.suspects.find((kept) => kept.content.key === text(step, "key"));
    const stamp = stampOf(asOf(step));
    if (suspect === undefined || stamp === null) return {};
    const fresh = number(step, "fresh_ms");
    const confirmed = step["current"] === true ? { stamp, freshForMs: fresh, usableForMs: fresh } : null;
    this.#core.confirm(this.#suspects.asked, suspect, confirmed);
    return {};
  }

  #followed(step: Step): object {
    const update = this.#core.update(100);
    if (update === null) return { add: [], remove: [] };
    const at = [3, SETS].map((log) => position(log, 7, numberAt(step, log)));
    this.#core.updated(update, create(PositionSchema, { logs: at }));
    return { add: [...update.add].sort(), remove: [...update.remove].sort() };
  }
}

function reopen(needed: boolean): object {
  return needed ? { reopen: true } : {};
}

function messageOf(step: Step): WatchResponse["message"] {
  const at = place(step);
  switch (step["step"]) {
    case "opened":
      return create(WatchResponseSchema, { message: { case: "created", value: { position: at, watchId: "watch" } } })
        .message;
    case "progress":
      return create(WatchResponseSchema, { message: { case: "progress", value: { position: at } } }).message;
    case "discontinuity": {
      const reason =
        step["reason"] === "NEW_EPOCH" ? DiscontinuityReason.NEW_EPOCH : DiscontinuityReason.HISTORY_TRIMMED;
      return create(WatchResponseSchema, { message: { case: "discontinuity", value: { position: at, reason } } })
        .message;
    }
    default: {
      const set = step["selector"] as Step | undefined;
      const event = {
        type: set === undefined ? EventType.PUT : EventType.SET_INVALIDATED,
        key: text(step, "key"),
        position: position(number(step, "log"), number(step, "epoch"), number(step, "number")),
        ...(set === undefined ? {} : { selector: create(SelectorSchema, selectorOf(set)) }),
      };
      return create(WatchResponseSchema, { message: { case: "events", value: { events: [event] } } }).message;
    }
  }
}

/** A position of all logs; those that are not named are at zero. */
function place(step: Step): Position {
  const logs = Array.from({ length: SETS + 1 }, (_, log) => position(log, number(step, "epoch"), numberAt(step, log)));
  return create(PositionSchema, { logs });
}

function asOf(step: Step): Position {
  const epoch = number(step, "epoch");
  const logs = [
    position(number(step, "log"), epoch, number(step, "number")),
    position(SETS, epoch, number(step, "sets")),
  ];
  return create(PositionSchema, { logs });
}

function position(log: number, epoch: number, at: number) {
  return create(LogPositionSchema, { log, epoch: BigInt(epoch), number: BigInt(at) });
}

function numberAt(step: Step, log: number): number {
  return (step["at"] as Record<string, number> | undefined)?.[String(log)] ?? 0;
}

function number(step: Step, name: string): number {
  return (step[name] as number | undefined) ?? 0;
}

function text(step: Step, name: string): string {
  return (step[name] as string | undefined) ?? "";
}

function texts(step: Step, name: string): string[] {
  return (step[name] as string[] | undefined) ?? [];
}
