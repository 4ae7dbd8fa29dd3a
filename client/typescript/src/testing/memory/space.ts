/** One namespace of a cache in memory: what the contract's calls do to it. */
import { create } from "@bufbuild/protobuf";
import { HotplateError } from "../../error.js";
import {
  EntryView,
  EventType,
  type ExtendLeaseRequest,
  GetOutcome,
  type GetRequest,
  type GetResponse,
  GetResponseSchema,
  InvalidateMode,
  type InvalidateRequest,
  type InvalidateResponse,
  InvalidateResponseSchema,
  LeaseOutcome,
  LeaseSchema,
  MissPolicy,
  MissReason,
  PutOutcome,
  type PutRequest,
  type PutResponse,
  PutResponseSchema,
  type ReleaseLeaseRequest,
  type RevalidateItem,
  RevalidateState,
  StalePolicy,
  TouchOutcome,
  type TouchRequest,
} from "../../generated/hotplate/v1/cache_pb.js";
import { type Entry, type Selector, Tier } from "../../generated/hotplate/v1/types_pb.js";
import { selects, setOf } from "../../near/selects.js";
import { fromWire, wireDuration } from "../../ttl.js";
import { checkExpiration, checkInvalidate, checkKey, checkNegative, checkPut, checkSelectors } from "./checks.js";
import { Entries, entryOf, lifetimeMs, metadataOf, type Stored, storedOf } from "./entries.js";
import { History } from "./history.js";
import { LEASE_MS, Leases } from "./leases.js";

/** How long a Get waits for another's computation at most, in milliseconds. */
const WAIT_MAX_MS = 30_000;
/** When who was answered PENDING should ask again, in milliseconds. */
const RETRY_AFTER_MS = 50;

/** Counts of one namespace. */
export interface SpaceCounts {
  hits: number;
  staleHits: number;
  negativeHits: number;
  puts: number;
  coalesced: number;
  readonly misses: Map<MissReason, number>;
}

/** One namespace. */
export class Space {
  readonly entries = new Entries();
  readonly leases = new Leases();
  readonly history = new History();
  readonly counts: SpaceCounts = { hits: 0, staleHits: 0, negativeHits: 0, puts: 0, coalesced: 0, misses: new Map() };
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A Get, which may wait for another's computation. */
  async get(request: GetRequest, signal: AbortSignal | undefined): Promise<GetResponse> {
    const endsAt = performance.now() + Math.min(fromWire(request.waitTimeout) ?? WAIT_MAX_MS, WAIT_MAX_MS);
    for (let waited = false; ; waited = true) {
      const answer = this.#look(request);
      if (answer.outcome !== GetOutcome.PENDING) {
        this.#count(request, answer, waited);
        return answer;
      }
      const leftMs = endsAt - performance.now();
      if (request.missPolicy !== MissPolicy.LEASE_OR_WAIT || leftMs <= 0 || signal?.aborted) return answer;
      await this.leases.wait(request.key, Math.min(leftMs, this.leases.lapsesIn(request.key, this.#now()) + 1), signal);
    }
  }

  #look(request: GetRequest): GetResponse {
    const now = this.#now();
    checkKey(request.key);
    const stored = this.entries.get(request.key, now);
    const asOf = this.history.position();
    const maxAgeMs = fromWire(request.maxAge);
    const isTooOld = stored !== undefined && maxAgeMs !== undefined && now - stored.storedAt > maxAgeMs;
    if (stored !== undefined && !isTooOld && now < stored.freshUntil) {
      if (request.ifEtagNot !== "" && request.ifEtagNot === stored.etag) {
        return create(GetResponseSchema, {
          outcome: GetOutcome.NOT_MODIFIED,
          entry: entryOf(stored, now, false),
          asOf,
        });
      }
      const outcome = stored.payload.case === "negative" ? GetOutcome.NEGATIVE : GetOutcome.HIT;
      return this.#found(stored, outcome, request);
    }
    const stale = stored !== undefined && !isTooOld && request.stalePolicy > StalePolicy.REFUSE;
    const wantsLease = request.missPolicy > MissPolicy.REPORT;
    const lease = wantsLease ? this.leases.grant(request.key, now, this.history.sets) : null;
    const granted =
      lease === null ? {} : { lease: create(LeaseSchema, { token: lease.token, duration: wireDuration(LEASE_MS) }) };
    if (stale && (lease !== null || !wantsLease || request.stalePolicy === StalePolicy.WHILE_REVALIDATE)) {
      return Object.assign(this.#found(stored, GetOutcome.STALE, request), granted);
    }
    if (wantsLease && lease === null) {
      const pending = { retryAfter: wireDuration(RETRY_AFTER_MS) };
      return create(GetResponseSchema, { outcome: GetOutcome.PENDING, pending, asOf });
    }
    const missReason = isTooOld
      ? MissReason.TOO_OLD
      : stored === undefined
        ? this.entries.why(request.key)
        : MissReason.EXPIRED;
    return create(GetResponseSchema, { outcome: GetOutcome.MISS, missReason, asOf, ...granted });
  }

  #found(stored: Stored, outcome: GetOutcome, request: GetRequest): GetResponse {
    return create(GetResponseSchema, {
      outcome,
      entry: entryOf(stored, this.#now(), request.view !== EntryView.METADATA),
      asOf: this.history.position(),
      servedFrom: Tier.MEMORY,
    });
  }

  #count(request: GetRequest, answer: GetResponse, waited: boolean): void {
    if (request.peek) return;
    switch (answer.outcome) {
      case GetOutcome.HIT:
      case GetOutcome.NOT_MODIFIED:
        this.counts.hits += 1;
        break;
      case GetOutcome.STALE:
        this.counts.staleHits += 1;
        break;
      case GetOutcome.NEGATIVE:
        this.counts.negativeHits += 1;
        break;
      default: {
        const { missReason } = answer;
        this.counts.misses.set(missReason, (this.counts.misses.get(missReason) ?? 0) + 1);
        return;
      }
    }
    if (waited) this.counts.coalesced += 1;
  }

  /** A Put. */
  put(request: PutRequest): PutResponse {
    const now = this.#now();
    checkPut(request);
    const before = this.entries.get(request.key, now);
    if (!holds(request, before, now)) {
      const metadata = before === undefined ? {} : { metadata: metadataOf(before, now) };
      return create(PutResponseSchema, { outcome: PutOutcome.PRECONDITION_FAILED, ...metadata });
    }
    const stored = storedOf(request, now);
    if (request.leaseToken !== "") {
      const lease = this.leases.held(request.key, request.leaseToken, now);
      if (lease === null || this.history.setChangedSince(lease.sets, request.key, stored.facts)) {
        return create(PutResponseSchema, { outcome: PutOutcome.LEASE_LOST });
      }
    }
    const isSame = before?.etag === stored.etag;
    stored.number = isSame
      ? before.number
      : this.history.changed(
          { type: EventType.PUT, key: stored.key, clientId: request.clientId, entry: entryOf(stored, now, true) },
          stored.facts,
        );
    this.entries.put(stored);
    this.counts.puts += isSame ? 0 : 1;
    return create(PutResponseSchema, {
      outcome: isSame ? PutOutcome.REFRESHED : PutOutcome.STORED,
      metadata: metadataOf(stored, now),
      position: this.history.position(),
      waitersReleased: this.leases.end(request.key),
    });
  }

  /** A Touch. */
  touch(request: TouchRequest): TouchOutcome {
    const now = this.#now();
    checkKey(request.key);
    checkExpiration(request.expiration);
    const stored = this.entries.get(request.key, now);
    if (stored === undefined || now >= stored.freshUntil) return TouchOutcome.NOT_FOUND;
    if (request.etag !== "" && request.etag !== stored.etag) return TouchOutcome.ETAG_MISMATCH;
    stored.freshUntil = now + lifetimeMs(request.expiration);
    return TouchOutcome.TOUCHED;
  }

  /** An Invalidate: drops what is selected, or marks it stale, and drops what was made from it. */
  invalidate(request: InvalidateRequest): InvalidateResponse {
    const now = this.#now();
    checkInvalidate(request);
    if (request.mode === InvalidateMode.REFRESH) {
      throw new HotplateError("FAILED_PRECONDITION", "a cache in memory has no origins", { reason: "NO_ORIGIN" });
    }
    const sets = request.selectors.map(setOf);
    const matched = this.entries.all(now).filter((one) => sets.some((set) => selects(set, one.key, one.facts)));
    const cascaded = request.cascade === false ? [] : this.#dependents(matched, request.selectors);
    for (const one of [...matched, ...cascaded]) this.#end(one, request.mode);
    for (const selector of request.selectors) this.#tell(selector, request);
    for (const one of cascaded) {
      this.history.changed({ type: EventType.INVALIDATED, key: one.key, clientId: request.clientId }, one.facts);
    }
    const byKey = sets.filter((set) => ["key", "prefix", "glob", "everything"].includes(set.is));
    const noFacts = { kind: "", tags: [], dependsOn: [] };
    const leasesRevoked = this.leases.endAll((key) => byKey.some((set) => selects(set, key, noFacts)));
    return create(InvalidateResponseSchema, {
      matchedCount: BigInt(matched.length),
      cascadedCount: BigInt(cascaded.length),
      position: this.history.position(),
      leasesRevoked,
    });
  }

  #tell(selector: Selector, request: InvalidateRequest): void {
    const { clientId, reason, mode } = request;
    const type = mode === InvalidateMode.MARK_STALE ? EventType.MARKED_STALE : EventType.INVALIDATED;
    if (selector.selector.case === "key") {
      this.history.changed({ type, key: selector.selector.value, clientId, reason, mode });
    } else {
      this.history.changedSet({ type: EventType.SET_INVALIDATED, selector, clientId, reason, mode });
    }
  }

  #end(one: Stored, mode: InvalidateMode): void {
    if (mode === InvalidateMode.MARK_STALE && one.staleForMs > 0) {
      one.freshUntil = Math.min(one.freshUntil, this.#now());
    } else {
      this.entries.remove(one.key, MissReason.INVALIDATED);
    }
  }

  #dependents(matched: readonly Stored[], selectors: readonly Selector[]): Stored[] {
    const names = selectors.flatMap(({ selector }) => {
      if (selector.case === "key") return [selector.value];
      return selector.case === "tag" ? [`tag:${selector.value}`] : [];
    });
    const next = [...names, ...matched.map((one) => one.key)];
    const found = new Map<string, Stored>();
    const done = new Set(matched.map((one) => one.key));
    const all = this.entries.all(this.#now());
    for (let name = next.pop(); name !== undefined; name = next.pop()) {
      for (const one of all) {
        if (done.has(one.key) || found.has(one.key) || !one.facts.dependsOn.includes(name)) continue;
        found.set(one.key, one);
        next.push(one.key);
      }
    }
    return [...found.values()];
  }

  /** Keeps a lease for one more duration. */
  extendLease(request: ExtendLeaseRequest): LeaseOutcome {
    const lease = this.leases.held(request.key, request.token, this.#now());
    if (lease === null) return LeaseOutcome.LOST;
    lease.lapsesAt = this.#now() + LEASE_MS;
    return LeaseOutcome.HELD;
  }

  /** Gives a lease back: for the next, for nobody for a while, or with a failure that is remembered. */
  releaseLease(request: ReleaseLeaseRequest): LeaseOutcome {
    const now = this.#now();
    const lease = this.leases.held(request.key, request.token, now);
    if (lease === null) return LeaseOutcome.LOST;
    const holdOffMs = fromWire(request.holdOff);
    if (holdOffMs !== undefined) {
      // Nobody knows its token: it lapses by itself.
      lease.lapsesAt = now + holdOffMs;
      return LeaseOutcome.HELD;
    }
    // A value that may still be used is not replaced by a failure.
    if (request.failure !== undefined) checkNegative(request.failure);
    if (request.failure !== undefined && this.entries.get(request.key, now) === undefined) {
      const { key, kind, tags, dependsOn, expiration } = request;
      const payload = { case: "negative" as const, value: request.failure };
      const put = { key, kind, tags, dependsOn, payload, contentType: "", encoding: "", labels: {} };
      this.entries.put(storedOf({ ...put, expiration } as unknown as PutRequest, now));
    }
    this.leases.end(request.key);
    return LeaseOutcome.HELD;
  }

  /** Whether a copy is still what is stored. */
  revalidate(item: RevalidateItem) {
    const now = this.#now();
    const stored = this.entries.get(item.key, now);
    const asOf = this.history.position();
    if (stored === undefined || now >= stored.freshUntil) return { state: RevalidateState.GONE, asOf };
    const state = stored.etag === item.etag ? RevalidateState.CURRENT : RevalidateState.CHANGED;
    const freshFor = wireDuration(stored.freshUntil - now);
    const usableFor = wireDuration(stored.freshUntil + stored.staleForMs - now);
    return { state, asOf, freshFor, usableFor };
  }

  /** Entries that any of these selects, without payloads; all where none is named. */
  list(selectors: readonly Selector[], withPayload = false): Entry[] {
    const now = this.#now();
    checkSelectors(selectors);
    const sets = selectors.map(setOf);
    const meant = (one: Stored) => sets.length === 0 || sets.some((set) => selects(set, one.key, one.facts));
    return this.entries
      .all(now)
      .filter(meant)
      .map((one) => entryOf(one, now, withPayload));
  }
}

function holds(request: PutRequest, before: Stored | undefined, now: number): boolean {
  const condition = request.precondition?.condition;
  const usable = before !== undefined && now < before.freshUntil + before.staleForMs;
  switch (condition?.case) {
    case "absent":
      return !usable;
    case "present":
      return usable;
    case "etag":
      return usable && before.etag === condition.value;
    default:
      return true;
  }
}
