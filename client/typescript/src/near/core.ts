/** A near cache without its network: the rule, what it keeps, and who may look. Times are given to it. */
import {
  DiscontinuityReason,
  type GetResponse,
  type WatchEvent,
  type WatchEvents,
  type WatchResponse,
} from "../generated/hotplate/v1/cache_pb.js";
import type { LogPosition, Position } from "../generated/hotplate/v1/types_pb.js";
import { Follow, type Update } from "./follow.js";
import { Content, Kept, type Lives } from "./kept.js";
import type { NearRefusals, NearSettings, NearStats } from "./options.js";
import { type Change, LOGS, overtakes, type Place, Rule, SET_LOG, type Stamp } from "./rule.js";
import { type EntrySet, selects, setOf, setOfKey } from "./selects.js";
import { Shelf } from "./shelf.js";

/** Changes remembered for answers on their way, and as many of this client's own writes. */
export const FENCES_MAX = 4_096;

/** A question on its way to the server. */
export interface Asked {
  readonly ticket: number;
  readonly at: number;
}

/** What to open a stream with; `keys` are those to follow, null when not single keys are followed. */
export interface Opening {
  readonly hearsOwn: boolean;
  readonly keys: string[] | null;
}

/** What an answer about lifetimes says of an entry that waits to be confirmed. */
export interface Confirmation {
  readonly stamp: Stamp;
  readonly freshForMs: number;
  readonly usableForMs: number;
}

/** What one namespace keeps in this process. */
export class NearCore {
  readonly settings: NearSettings;
  readonly #shelf: Shelf;
  readonly #rule: Rule;
  readonly #follow: Follow | null;
  /** Keys of entries that wait to be confirmed. */
  #suspects: string[] = [];
  /** Whether the stream tells what this client does itself. */
  #hearsOwn = false;
  /** Whether the open stream does not do what it should by now. */
  #outdated = false;
  /** Entries of another number are not served: they wait to be confirmed. */
  #trust = 0;
  readonly #counts = {
    hits: 0,
    misses: 0,
    admitted: 0,
    invalidated: 0,
    evicted: 0,
    distrusted: 0,
    revalidated: 0,
    losses: 0,
  };
  readonly #refused: NearRefusals = {
    notSynced: 0,
    otherHistory: 0,
    overtaken: 0,
    ownWrite: 0,
    notFollowed: 0,
    dependent: 0,
    tooLarge: 0,
  };

  constructor(settings: NearSettings, fencesMax: number = FENCES_MAX) {
    this.settings = settings;
    this.#shelf = new Shelf(settings.bytesMax, settings.entriesMax);
    this.#rule = new Rule(settings.progressMaxMs, fencesMax);
    this.#follow = settings.follow === "kept_keys" ? new Follow(settings.entriesMax) : null;
  }

  /** What is kept of this key and may be served now, not older than `maxAgeMs`. */
  hit(key: string, maxAgeMs: number | undefined, now: number): Kept | undefined {
    const found = now < this.#rule.servesUntil ? this.#shelf.get(key) : undefined;
    const usable =
      found !== undefined &&
      found.trust === this.#trust &&
      now < found.until &&
      (maxAgeMs === undefined || found.ageMs(now) <= maxAgeMs);
    if (usable) this.#counts.hits += 1;
    else this.#counts.misses += 1;
    return usable ? found : undefined;
  }

  /** Notes that the server is asked now. */
  ask(now: number): Asked {
    return { ticket: this.#rule.ticket(), at: now };
  }

  /** Keeps an answer if it may be kept. Answers whether the server has to be told something. */
  offer(asked: Asked, key: string, response: GetResponse): boolean {
    const stamp = stampOf(response.asOf);
    if (stamp === null) return false;
    const found = Content.of(key, response);
    return found === null ? false : this.#keep(asked, found.content, stamp, found.lives);
  }

  /** An answer that nobody tries to keep, as it cannot fit. Whoever has read it must not read an older one afterwards. */
  refuseAsTooLarge(key: string): void {
    this.#refused.tooLarge += 1;
    if (this.#shelf.remove(key) !== undefined) this.#follow?.unwant(key);
  }

  #keep(asked: Asked, content: Content, stamp: Stamp, lives: Lives): boolean {
    const unfit = this.#rule.unfit({ key: content.key, facts: content.facts, stamp, ticket: asked.ticket });
    if (unfit !== null) {
      this.#refused[unfit] += 1;
      return false;
    }
    if (content.facts.dependsOn.length > 0 && !this.settings.keepDependents) {
      this.#refused.dependent += 1;
      return false;
    }
    if (!this.#follows(content.key, stamp)) {
      this.#refused.notFollowed += 1;
      return this.#follow?.want(content.key, (key) => this.#shelf.peek(key) !== undefined) ?? false;
    }
    // Answers may overtake each other: who has read the newer one must not read the older one afterwards.
    const old = this.#shelf.peek(content.key);
    if (old?.trust === this.#trust && (old.stamp.key > stamp.key || old.stamp.set > stamp.set)) {
      this.#refused.overtaken += 1;
      return false;
    }
    const at = { trust: this.#trust, askedAt: asked.at, ttlMaxMs: this.settings.ttlMaxMs, share: this.#shelf.share };
    return this.#insert(new Kept(content, stamp, at, lives));
  }

  #insert(kept: Kept): boolean {
    const gone = this.#shelf.insert(kept);
    if (gone.includes(kept)) {
      this.#refused.tooLarge += 1;
      return false;
    }
    this.#counts.admitted += 1;
    this.#counts.evicted += gone.length;
    for (const other of gone) this.#follow?.unwant(other.content.key);
    return this.#follow !== null && gone.length > 0;
  }

  #follows(key: string, stamp: Stamp): boolean {
    const { follow } = this.settings;
    if (typeof follow === "object") return follow.prefixes.some((prefix) => key.startsWith(prefix));
    return this.#follow?.covers(key, stamp) ?? true;
  }

  /** This client is about to write what these cover, or has done so. */
  wrote(sets: readonly EntrySet[]): void {
    this.#rule.wrote(sets);
    for (const set of sets) this.#dropCovered(set, () => true);
  }

  /**
   * Whether this client wrote what these cover is not known: it may happen at any time from now on. From here on the stream
   * tells what this client does, too. Answers whether it has to be opened again for that.
   */
  mayHaveWritten(sets: readonly EntrySet[]): boolean {
    this.wrote(sets);
    if (this.#hearsOwn) return false;
    this.#hearsOwn = true;
    this.#outdated = true;
    this.#rule.lost();
    return true;
  }

  /** What to open the next stream with. */
  opening(): Opening {
    this.#outdated = false;
    this.#rule.lost();
    this.#follow?.lost();
    return { hearsOwn: this.#hearsOwn, keys: this.#follow?.keys() ?? null };
  }

  /** The stream is gone. */
  lost(): void {
    this.#counts.losses += 1;
    this.#rule.lost();
    this.#follow?.lost();
  }

  /**
   * Takes in one message of the stream that was opened last. `false`: the stream must be opened again, after the last message
   * that was taken in.
   */
  take(message: WatchResponse["message"], continued: boolean, now: number): boolean {
    if (this.#outdated) return false;
    switch (message.case) {
      case "created": {
        const at = placeOf(message.value.position);
        if (at === null) return false;
        if (!this.#rule.created(at, continued, now)) this.#dropAll();
        this.#follow?.opened(message.value.watchId, at);
        return true;
      }
      case "events":
        return this.#rule.hear(now) && this.#events(message.value);
      case "progress": {
        const heard = this.#rule.hear(now);
        const at = placeOf(message.value.position);
        return heard && at !== null && this.#rule.progress(at);
      }
      case "discontinuity": {
        if (!this.#rule.hear(now)) return false;
        const at = placeOf(message.value.position);
        if (at === null) return false;
        this.#discontinued(at, message.value.reason);
        return true;
      }
      default:
        return true;
    }
  }

  #events(events: WatchEvents): boolean {
    for (const event of events.events) {
      const change = changeOf(event);
      if (change === null) return false;
      this.#dropCovered(change.what, (kept) => overtakes(change, kept.stamp));
      if (!this.#rule.changed(change)) return false;
    }
    return true;
  }

  #discontinued(at: Place, reason: DiscontinuityReason): void {
    this.#rule.discontinued(at);
    if (reason === DiscontinuityReason.NEW_EPOCH) {
      this.#dropAll();
      return;
    }
    // What is kept may still be right: it is served again when the server says so.
    this.#trust += 1;
    this.#counts.distrusted += this.#shelf.size;
    this.#suspects = this.#shelf.keys();
  }

  #dropAll(): void {
    this.#counts.distrusted += this.#shelf.clear();
    this.#suspects = [];
  }

  #dropCovered(set: EntrySet, overtaken: (kept: Kept) => boolean): void {
    for (const key of this.#shelf.candidates(set)) {
      const kept = this.#shelf.peek(key);
      if (kept !== undefined && selects(set, key, kept.content.facts) && overtaken(kept)) {
        this.#shelf.remove(key);
        this.#counts.invalidated += 1;
      }
    }
  }

  /** Entries of which the server is to be asked whether they are still right, at most so many, with the question. */
  suspects(countMax: number, now: number): { asked: Asked; suspects: Kept[] } {
    const suspects: Kept[] = [];
    while (suspects.length < countMax) {
      const key = this.#suspects.pop();
      if (key === undefined) break;
      const kept = this.#shelf.peek(key);
      if (kept !== undefined && kept.trust !== this.#trust) suspects.push(kept);
    }
    return { asked: this.ask(now), suspects };
  }

  /** The server says that an entry is still what it was, or else (null) that it is not, or has not said anything. */
  confirm(asked: Asked, suspect: Kept, confirmed: Confirmation | null): void {
    const { key } = suspect.content;
    if (this.#shelf.peek(key)?.trust === suspect.trust) this.#shelf.remove(key);
    if (confirmed === null) return;
    const { stamp, freshForMs, usableForMs } = confirmed;
    this.#keep(asked, suspect.content, stamp, { ageMs: suspect.ageMs(asked.at), freshForMs, usableForMs });
    if (this.#shelf.peek(key)?.trust === this.#trust) this.#counts.revalidated += 1;
  }

  /** What the server is to be told about single keys. */
  update(keysMax: number): Update | null {
    return this.#follow?.update(keysMax) ?? null;
  }

  /** The server was told; `at` says from where on it follows what was added. */
  updated(update: Update, at: Position | undefined): void {
    const numbers = new Array<bigint>(LOGS).fill(2n ** 64n - 1n);
    for (const log of at?.logs ?? []) {
      if (log.log < LOGS) numbers[log.log] = log.number;
    }
    this.#follow?.updated(update, numbers);
  }

  /** The server could not be told; with `full` it follows no more keys. */
  notUpdated(update: Update, full: boolean): void {
    this.#follow?.refused(update, full);
  }

  /** What happened and what is held. */
  stats(now: number): NearStats {
    const heard = this.#rule.heardAt;
    return {
      ...this.#counts,
      refused: { ...this.#refused },
      entries: this.#shelf.size,
      bytes: this.#shelf.bytes,
      followed: this.#follow?.size ?? 0,
      serving: this.#rule.synced && now < this.#rule.servesUntil,
      progressAgeMs: heard === 0 ? null : Math.max(0, now - heard),
    };
  }
}

/** How current an answer is; null when it does not say so for its key and for sets. */
export function stampOf(asOf: Position | undefined): Stamp | null {
  if (asOf?.logs.length !== 2) return null;
  const [key, set] = asOf.logs as [LogPosition, LogPosition];
  const whole = key.log < SET_LOG && set.log === SET_LOG && key.epoch === set.epoch;
  return whole ? { epoch: key.epoch, log: key.log, key: key.number, set: set.number } : null;
}

/** The place that a message of the stream names: all its logs are of one epoch. */
function placeOf(position: Position | undefined): Place | null {
  const epoch = position?.logs[0]?.epoch;
  if (position === undefined || epoch === undefined) return null;
  const numbers = new Array<bigint>(LOGS).fill(0n);
  for (const log of position.logs) {
    if (log.epoch !== epoch || log.log >= LOGS) return null;
    numbers[log.log] = log.number;
  }
  return { epoch, numbers };
}

function changeOf(event: WatchEvent): Change | null {
  const at = event.position;
  if (at === undefined || at.log >= LOGS) return null;
  const what: EntrySet =
    event.selector !== undefined
      ? setOf(event.selector)
      : event.key === ""
        ? { is: "everything" }
        : setOfKey(event.key);
  return { epoch: at.epoch, log: at.log, number: at.number, what };
}
