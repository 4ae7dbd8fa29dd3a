/** The clients of a driver, and the operations on them. */
import { HotplateClient, type Namespace } from "../dist/index.js";
import { GetOutcome, KeyEventType } from "../dist/v1.js";
import { failure, found, invalidated, item, whole, written } from "./answers.ts";
import { Computations } from "./computations.ts";
import { clientOptions, computeOptions, readOptions, writeOptions } from "./options.ts";
import { Fault, keyOf, listOf, millisecondsOf, objectOf, only, type Request, textOf, Unsupported } from "./request.ts";
import { codecOf, readValue, writtenValue } from "./values.ts";
import { asSelect, Watches } from "./watches.ts";

const ALWAYS = ["id", "op", "client", "namespace"];

type Operation = (request: Request, namespace: Namespace<unknown>, signal: AbortSignal) => Promise<object>;

/** Everything a driver holds. */
export class Session {
  readonly #clients = new Map<string, HotplateClient>();
  readonly #computations = new Computations();
  readonly #watches = new Watches();

  /** Carries out one request. */
  async carryOut(request: Request, signal: AbortSignal): Promise<object> {
    switch (request.op) {
      case "open":
        return this.#open(request);
      case "close":
        only("close", request, ALWAYS);
        // It stays under its name: what is asked of it from now on is asked of a client that is closed.
        await this.#client(request).close();
        return {};
      case "state":
        only("state", request, ALWAYS);
        return stateOf(this.#client(request));
      case "computations":
        only("computations", request, ["id", "op", "name"]);
        return { ...this.#computations.counts(textOf(request, "name")) };
      case "release":
        only("release", request, ["id", "op", "gate"]);
        this.#computations.release(textOf(request, "gate"));
        return {};
      case "watch_next":
        return await this.#watches.next(request);
      case "watch_close":
        return await this.#watches.close(request);
      case "server_info":
        return await this.#serverInfo(request, signal);
      default: {
        const operation = this.#operations[request.op];
        if (operation === undefined) throw new Unsupported(`no operation ${request.op}`);
        const name = request["namespace"] as string | undefined;
        const namespace = this.#client(request).namespace(name, { codec: codecOf(request["codec"]) });
        return await operation(request, namespace, signal);
      }
    }
  }

  /** Ends all clients. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  readonly #operations: Readonly<Record<string, Operation>> = {
    get: async (request, namespace, signal) => {
      only("get", request, [...ALWAYS, "key", "codec", "options"]);
      return found(await namespace.get(keyOf(request["key"]), readOptions(request, signal)));
    },
    get_many: async (request, namespace, signal) => {
      only("get_many", request, [...ALWAYS, "keys", "codec"]);
      const answers = await namespace.getMany(listOf(request, "keys").map(keyOf), { signal });
      return { results: answers.map((one) => item(one, found)) };
    },
    put: async (request, namespace, signal) => {
      only("put", request, [...ALWAYS, "key", "value", "codec", "options"]);
      const value = readValue(request["value"]);
      return written(await namespace.put(keyOf(request["key"]), value, writeOptions(request, signal)));
    },
    put_negative: async (request, namespace, signal) => {
      only("put_negative", request, [...ALWAYS, "key", "reason", "message", "ttl"]);
      const ttl = request["ttl"] as string | undefined;
      const message = (request["message"] as string | undefined) ?? "";
      return written(
        await namespace.putNegative(keyOf(request["key"]), textOf(request, "reason"), message, { ttl, signal }),
      );
    },
    put_many: async (request, namespace, signal) => {
      only("put_many", request, [...ALWAYS, "items", "codec", "options"]);
      const items = listOf(request, "items") as { key: unknown; value: unknown }[];
      const pairs = items.map((one) => [keyOf(one.key), readValue(one.value)] as const);
      const answers = await namespace.putMany(pairs, writeOptions(request, signal));
      return { results: answers.map((one) => item(one, written)) };
    },
    touch: async (request, namespace, signal) => {
      only("touch", request, [...ALWAYS, "key", "ttl"]);
      return { touched: await namespace.touch(keyOf(request["key"]), request["ttl"] as string, { signal }) };
    },
    exists: async (request, namespace, signal) => {
      only("exists", request, [...ALWAYS, "key"]);
      return { exists: await namespace.exists(keyOf(request["key"]), { signal }) };
    },
    ttl: async (request, namespace, signal) => {
      only("ttl", request, [...ALWAYS, "key"]);
      const ms = await namespace.ttlMs(keyOf(request["key"]), { signal });
      return { ttl_ms: ms === null ? null : whole(ms) };
    },
    remove: async (request, namespace, signal) => {
      only("remove", request, [...ALWAYS, "key"]);
      return invalidated(await namespace.remove(keyOf(request["key"]), { signal }));
    },
    invalidate: async (request, namespace, signal) => {
      only("invalidate", request, [...ALWAYS, "selectors", "reason"]);
      const reason = request["reason"] as string | undefined;
      return invalidated(await namespace.invalidate(selections(request), { reason, signal }));
    },
    mark_stale: async (request, namespace, signal) => {
      only("mark_stale", request, [...ALWAYS, "selectors", "spread_over_ms"]);
      const spreadOver = millisecondsOf(request, "spread_over_ms");
      return invalidated(await namespace.markStale(selections(request), { spreadOver, signal }));
    },
    get_or_compute: async (request, namespace, signal) => {
      only("get_or_compute", request, [...ALWAYS, "key", "codec", "options", "compute"]);
      let computed = false;
      const compute = this.#computations.function(objectOf(request, "compute"), () => {
        computed = true;
      });
      const value = await namespace.getOrCompute(keyOf(request["key"]), compute, computeOptions(request, signal));
      return { value: writtenValue(value), computed };
    },
    preload: async (request, namespace, signal) => {
      only("preload", request, [...ALWAYS, "items", "force"]);
      const items = (listOf(request, "items") as Record<string, unknown>[]).map((one) => ({
        key: keyOf(one["key"]),
        origin: (one["origin"] as string | undefined) ?? "",
        parameters: (one["parameters"] as Record<string, string> | undefined) ?? {},
        ttl: one["ttl"] as string | undefined,
      }));
      const job = namespace.preload(items, { force: request["force"] === true, signal });
      const done = await job.finish();
      return {
        job_id: done.job,
        done_count: done.done,
        total_count: done.total,
        results: done.results.map(({ key, state, error }) => ({
          key,
          state,
          error: error === null ? null : failure(error),
        })),
      };
    },
    watch_open: (request, namespace) => Promise.resolve(this.#watches.open(namespace, request)),
    stats: async (request, namespace, signal) => {
      only("stats", request, ALWAYS);
      const total = (await namespace.stats({ signal })).total;
      const count = (value: bigint | undefined) => Number(value ?? 0n);
      return {
        hits: count(total?.hits),
        stale_hits: count(total?.staleHits),
        negative_hits: count(total?.negativeHits),
        misses: (total?.misses ?? []).reduce((sum, one) => sum + count(one.count), 0),
        coalesced: count(total?.coalesced),
        puts: count(total?.puts),
        entry_count: count(total?.entryCount),
      };
    },
    explain: async (request, namespace, signal) => {
      only("explain", request, [...ALWAYS, "key"]);
      const told = await namespace.explain(keyOf(request["key"]), { signal });
      const events = told.events.map((event) => (KeyEventType[event.type] ?? "OTHER").toLowerCase()).reverse();
      const reason = told.cause?.reason;
      return { would: (GetOutcome[told.outcome] ?? "OTHER").toLowerCase(), events, reason: reason || null };
    },
    near_stats: (request, namespace) => {
      only("near_stats", request, ALWAYS);
      const stats = namespace.nearStats;
      if (stats === null) return Promise.resolve({ off: true });
      const { refused, progressAgeMs: _age, ...counts } = stats;
      return Promise.resolve({
        ...counts,
        refused: {
          not_synced: refused.notSynced,
          other_history: refused.otherHistory,
          overtaken: refused.overtaken,
          own_write: refused.ownWrite,
          not_followed: refused.notFollowed,
          dependent: refused.dependent,
          too_large: refused.tooLarge,
        },
      });
    },
    read_stream: async (request, namespace, signal) => {
      only("read_stream", request, [...ALWAYS, "key", "options", "follow"]);
      const options = readOptions(request, signal);
      const key = keyOf(request["key"]);
      const stream =
        request["follow"] === true ? await namespace.follow(key, options) : await namespace.readStream(key, options);
      const pieces: Uint8Array[] = [];
      for await (const piece of stream) pieces.push(piece);
      const { found: head } = stream;
      const whole = head.hit ? { ...head, value: new Uint8Array(Buffer.concat(pieces)) } : head;
      return { ...found(whole), pieces: pieces.length };
    },
    write_stream: async (request, namespace, signal) => {
      only("write_stream", request, [...ALWAYS, "key", "pieces", "options"]);
      const stream = await namespace.writeStream(keyOf(request["key"]), writeOptions(request, signal));
      try {
        for (const piece of listOf(request, "pieces")) await stream.send(readValue(piece) as Uint8Array);
        return written(await stream.finish());
      } finally {
        stream.close();
      }
    },
  };

  #open(request: Request): object {
    only("open", request, ["id", "op", "client", "url", "urls", "settings"]);
    const name = textOf(request, "client");
    if (this.#clients.has(name)) throw new Fault(`there is a client ${name} already`);
    this.#clients.set(name, new HotplateClient(clientOptions(request)));
    return {};
  }

  async #serverInfo(request: Request, signal: AbortSignal): Promise<object> {
    only("server_info", request, ALWAYS);
    const info = await this.#client(request).serverInfo({ signal });
    return {
      version: info.version,
      features: info.features,
      unary_value_bytes_max: Number(info.limits?.unaryValueBytesMax ?? 0n),
    };
  }

  #client(request: Request): HotplateClient {
    const client = this.#clients.get(textOf(request, "client"));
    if (client === undefined) throw new Fault(`no client is called ${String(request["client"])}`);
    return client;
  }
}

function selections(request: Request): never[] {
  return listOf(request, "selectors").map((one) => asSelect(one as Record<string, unknown>));
}

function stateOf(client: HotplateClient): object {
  const { readsWithoutCache, writesDropped, invalidationsQueued, invalidationsReplayed, outages } = client.degradation;
  return {
    available: client.available,
    invalidations_waiting: client.invalidationsWaiting,
    degradation: {
      reads_without_cache: readsWithoutCache,
      writes_dropped: writesDropped,
      invalidations_queued: invalidationsQueued,
      invalidations_replayed: invalidationsReplayed,
      outages,
    },
  };
}
