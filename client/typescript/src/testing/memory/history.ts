/** The changes of one namespace, in order, and who follows them. */
import { create } from "@bufbuild/protobuf";
import { HotplateError } from "../../error.js";
import {
  DiscontinuityReason,
  EventType,
  type WatchEvent,
  WatchEventSchema,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from "../../generated/hotplate/v1/cache_pb.js";
import {
  type Entry,
  type LogPosition,
  LogPositionSchema,
  type Position,
  PositionSchema,
} from "../../generated/hotplate/v1/types_pb.js";
import type { Init } from "../../init.js";
import { SET_LOG } from "../../near/rule.js";
import { type EntrySet, type Facts, selects, setOf } from "../../near/selects.js";
import type { Incoming } from "../../transport.js";
import { fromWire } from "../../ttl.js";
import { checkSelectors } from "./checks.js";

/** Changes that are remembered. */
const HISTORY_MAX = 1_000;
/** How often progress is told, in milliseconds, where the watch does not say. */
const PROGRESS_MS = 1_000;
/** Events of a watch that is not asked for certain ones. */
const USUAL = new Set([EventType.PUT, EventType.INVALIDATED, EventType.EXPIRED, EventType.SET_INVALIDATED]);
const NO_FACTS: Facts = { kind: "", tags: [], dependsOn: [] };

/** One change. */
interface Change {
  readonly at: bigint;
  readonly event: WatchEvent;
  readonly facts: Facts;
}

/** The logs of one namespace: one for keys, one for sets. */
export class History {
  /** Changes when its epoch does. */
  #epoch = 1n;
  #keys = 0n;
  #sets = 0n;
  /** Of all changes: what tokens name. */
  #at = 0n;
  #changes: Change[] = [];
  readonly #followers = new Set<Follower>();

  /** The position of a key's log and of that of sets. */
  position(): Position {
    return create(PositionSchema, { logs: [this.#log(0, this.#keys), this.#log(SET_LOG, this.#sets)] });
  }

  /** Where the log of sets is. */
  get sets(): bigint {
    return this.#sets;
  }

  /** A change of a key; answers its number. */
  changed(event: Init<typeof WatchEventSchema>, facts: Facts = NO_FACTS): bigint {
    this.#keys += 1n;
    this.#add(create(WatchEventSchema, { ...event, position: this.#log(0, this.#keys) }), facts);
    return this.#keys;
  }

  /** A change of a set; answers its number. */
  changedSet(event: Init<typeof WatchEventSchema>): bigint {
    this.#sets += 1n;
    this.#add(create(WatchEventSchema, { ...event, position: this.#log(SET_LOG, this.#sets) }), NO_FACTS);
    return this.#sets;
  }

  /** Whether a set that means this entry changed after this number. */
  setChangedSince(number: bigint, key: string, facts: Facts): boolean {
    return this.#changes.some(({ event }) => {
      const later = event.position?.log === SET_LOG && event.position.number > number;
      return later && event.selector !== undefined && selects(setOf(event.selector), key, facts);
    });
  }

  /** Begins to follow; `present` is what is there, where that is asked for. */
  follow(request: WatchRequest, present: () => Entry[]): Incoming<WatchResponse> {
    checkSelectors(request.selectors);
    const follower = new Follower(request, () => this.#followers.delete(follower));
    this.#followers.add(follower);
    follower.push({ case: "created", value: { position: this.position(), watchId: follower.id } }, this.#token());
    if (request.resumeToken.length > 0) this.#resume(follower, request.resumeToken);
    if (request.includePresent) {
      follower.push({ case: "present", value: { entries: present() } }, this.#token());
      follower.push({ case: "synced", value: { position: this.position() } }, this.#token());
    }
    const progress = () => follower.push({ case: "progress", value: { position: this.position() } }, this.#token());
    if (request.resumeToken.length > 0) progress();
    follower.every(fromWire(request.progressInterval) ?? PROGRESS_MS, progress);
    return follower;
  }

  /** Changes which single keys a watch follows. */
  update(watchId: string, add: readonly string[], remove: readonly string[]): Position {
    const follower = [...this.#followers].find((one) => one.id === watchId);
    if (follower === undefined) {
      throw new HotplateError("NOT_FOUND", "there is no such watch", { reason: "WATCH_UNKNOWN" });
    }
    for (const key of add) follower.keys.add(key);
    for (const key of remove) follower.keys.delete(key);
    return this.position();
  }

  /** Ends all streams, as a server that goes away does. */
  drop(why: HotplateError): void {
    for (const follower of [...this.#followers]) follower.fail(why);
  }

  /** Begins another history, as a server that was restarted does. */
  startOver(): void {
    this.#epoch += 1n;
    this.#changes = [];
  }

  #resume(follower: Follower, token: Uint8Array): void {
    const [epoch, at] = Buffer.from(token).toString("utf8").split(":").map(BigInt);
    const first = this.#changes[0]?.at ?? this.#at + 1n;
    if (epoch !== this.#epoch || at === undefined || at + 1n < first) {
      const reason = epoch === this.#epoch ? DiscontinuityReason.HISTORY_TRIMMED : DiscontinuityReason.NEW_EPOCH;
      follower.push({ case: "discontinuity", value: { reason, position: this.position() } }, this.#token());
      return;
    }
    for (const change of this.#changes) {
      if (change.at > at) follower.tell(change.event, change.facts, this.#token(change.at));
    }
  }

  #add(event: WatchEvent, facts: Facts): void {
    this.#at += 1n;
    this.#changes.push({ at: this.#at, event, facts });
    if (this.#changes.length > HISTORY_MAX) this.#changes.shift();
    for (const follower of this.#followers) follower.tell(event, facts, this.#token());
  }

  #token(at: bigint = this.#at): Uint8Array {
    return Buffer.from(`${this.#epoch}:${at}`);
  }

  #log(log: number, number: bigint): LogPosition {
    return create(LogPositionSchema, { log, epoch: this.#epoch, number });
  }
}

let follower = 0;

/** One watch. */
class Follower implements Incoming<WatchResponse> {
  readonly id: string;
  readonly keys: Set<string>;
  readonly #sets: readonly EntrySet[];
  readonly #types: ReadonlySet<EventType>;
  readonly #request: WatchRequest;
  readonly #queue: WatchResponse[] = [];
  readonly #ended: () => void;
  #timer: NodeJS.Timeout | undefined;
  #wake: (() => void) | null = null;
  #failure: HotplateError | null = null;

  constructor(request: WatchRequest, ended: () => void) {
    follower += 1;
    this.id = `watch-${follower}`;
    this.#request = request;
    this.#ended = ended;
    this.keys = new Set(request.keys);
    this.#sets = request.selectors.map(setOf);
    this.#types = request.eventTypes.length === 0 ? USUAL : new Set(request.eventTypes);
  }

  every(ms: number, work: () => void): void {
    this.#timer = setInterval(work, ms);
  }

  tell(event: WatchEvent, facts: Facts, token: Uint8Array): void {
    const own = this.#request.excludeClientId;
    if (own !== "" && event.clientId === own) return;
    if (this.#isMeant(event, facts)) this.push({ case: "events", value: { events: [event] } }, token);
  }

  push(message: NonNullable<Init<typeof WatchResponseSchema>["message"]>, token: Uint8Array): void {
    if (this.#failure !== null) return;
    this.#queue.push(create(WatchResponseSchema, { message, resumeToken: token }));
    this.#wake?.();
  }

  fail(why: HotplateError): void {
    if (this.#failure !== null) return;
    this.#failure = why;
    clearInterval(this.#timer);
    this.#ended();
    this.#wake?.();
  }

  async next(): Promise<WatchResponse | undefined> {
    for (;;) {
      const message = this.#queue.shift();
      if (message !== undefined) return message;
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  cancel(): void {
    this.fail(new HotplateError("CANCELLED", "the stream was closed"));
  }

  #isMeant(event: WatchEvent, facts: Facts): boolean {
    const isSet = event.type === EventType.SET_INVALIDATED;
    // A set may hold any key: who follows single keys is told of all.
    if (this.#request.followKeys && (isSet || this.keys.has(event.key))) return true;
    if (!this.#types.has(event.type)) return false;
    if (this.#sets.length === 0) return !this.#request.followKeys;
    return isSet || this.#sets.some((set) => selects(set, event.key, facts));
  }
}
