/** What counts as an outage, what is remembered meanwhile, what is sent of a call on many, and what closing does to all of it. */
import { toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { BatchPutRequestSchema } from "../src/generated/hotplate/v1/cache_pb.js";
import { type CallOptions, HotplateError, raw, select } from "../src/index.js";
import { Journal } from "../src/journal.js";
import { MemoryLog, until } from "./support/client.js";
import { scripted } from "./support/scripted.js";

const never = () => new Promise<never>(() => undefined);
const PENDING = new HotplateError("UNAVAILABLE", "told later", { reason: "TIER_PENDING" });

describe("a timeout", () => {
  it("is a number above zero, and refused otherwise before anything is sent", async () => {
    const { client, transport } = scripted();
    const space = client.namespace<number>();
    const calls: ((options: CallOptions) => Promise<unknown>)[] = [
      (options) => space.get("k", options),
      (options) => space.getMany(["k"], options),
      (options) => space.put("k", 1, options),
      (options) => space.putMany([["k", 1]], options),
      (options) => space.touch("k", 1, options),
      (options) => space.exists("k", options),
      (options) => space.remove("k", options),
      (options) => space.getOrCompute("k", () => 1, options),
      (options) => space.stats(options),
      (options) => space.readStream("k", options),
      (options) => space.writeStream("k", options),
      (options) => client.serverInfo(options),
      (options) => client.calls.get({ key: "k" }, options),
    ];
    for (const timeoutMs of [Number.NaN, 0, -5, "1s" as unknown as number]) {
      for (const [at, call] of calls.entries()) {
        const wrong = { kind: "INVALID_ARGUMENT", field: "timeoutMs" };
        await expect(call({ timeoutMs }), `call ${at} with ${timeoutMs}`).rejects.toMatchObject(wrong);
      }
    }
    expect(transport.sent).toEqual([]);
    expect(await space.get("k", { timeoutMs: 1e300 })).toMatchObject({ reason: "never_stored" });
    expect(await space.get("k", { timeoutMs: Number.POSITIVE_INFINITY })).toMatchObject({ reason: "never_stored" });
  });

  it("that the caller made short is no evidence; one of the profile's time is", async () => {
    const { client, transport } = scripted({ timeoutMs: 40 });
    transport.on("Get", never);
    const space = client.namespace();
    for (let n = 0; n < 6; n += 1) expect(await space.get("k", { timeoutMs: 5 })).toMatchObject({ reason: "timeout" });
    expect(client.available).toBe(true);
    for (let n = 0; n < 5; n += 1) expect(await space.get("k")).toMatchObject({ reason: "timeout" });
    expect(client.available).toBe(false);
  });

  it("of a call that nobody waits for any more counts", async () => {
    const { client, transport } = scripted({ timeoutMs: 30 });
    transport.on("Get", never);
    const space = client.namespace();
    for (let n = 0; n < 5; n += 1) {
      const asked = space.getOrCompute(`k${n}`, () => 1, { signal: AbortSignal.timeout(1) });
      await expect(asked).rejects.toMatchObject({ kind: "CANCELLED" });
    }
    await until("the cache is found to be away", () => !client.available);
  });
});

describe("what cannot be sent", () => {
  it("is its caller's fault, and no outage", async () => {
    const { client } = scripted();
    const codec = { contentType: "text/plain", encode: (text: unknown) => text as Uint8Array, decode: () => "" };
    const space = client.namespace<unknown>("odd", { codec });
    for (let n = 0; n < 6; n += 1) await expect(space.put("k", "text")).rejects.toMatchObject({ kind: "CODEC" });
    const faulty = client.calls.put({ key: "k", payload: { case: "value", value: "text" as never } });
    await expect(faulty).rejects.toMatchObject({ kind: "INVALID_ARGUMENT" });
    expect(client.available).toBe(true);
    expect(client.degradation.writesDropped).toBe(0);
  });
});

describe("an invalidation", () => {
  it("that a slower tier has still to be told is done", async () => {
    const { client, transport, log } = scripted();
    transport.on("Invalidate", () => {
      throw PENDING;
    });
    const space = client.namespace();
    expect(await space.invalidate(select.key("a"))).toEqual({ outcome: "done", matched: 0 });
    expect(await space.get("b")).toMatchObject({ reason: "never_stored" });
    expect([client.available, client.invalidationsWaiting]).toEqual([true, 0]);
    expect(transport.of("Invalidate")).toHaveLength(1);
    expect(log.said).toHaveLength(1);
    const strict = scripted({ onError: "raise" });
    strict.transport.on("Invalidate", () => {
      throw PENDING;
    });
    const raised = strict.client.namespace().invalidate(select.key("a"));
    await expect(raised).rejects.toMatchObject({ reason: "TIER_PENDING" });
  });

  it("is refused where forms are mixed, names are unknown or nothing is selected", async () => {
    const { client, transport } = scripted();
    const space = client.namespace();
    const wrong: unknown[] = [
      { key: "a", tags: ["b"] },
      { tag: "a", prefix: "b" },
      { tag: "a", everything: true },
      { tagz: ["a"] },
      { tags: "a" },
      { everything: false },
      {},
      [],
      "a",
    ];
    for (const selection of wrong) {
      const dropping = space.invalidate(selection as never);
      await expect(dropping, JSON.stringify(selection)).rejects.toMatchObject({
        kind: "INVALID_ARGUMENT",
        field: "selectors",
      });
    }
    expect(transport.sent).toEqual([]);
  });
});

describe("what is remembered", () => {
  const selector = (key: string) => ({ selector: { case: "key" as const, value: key } });

  it("is widened where the server fails at it, dropped where it refuses, and holds nothing else up", async () => {
    const log = new MemoryLog();
    const journal = new Journal({ journalMax: 10, log, probeMs: 1 });
    journal.remember("n", [selector("faulty"), selector("good"), selector("refused")]);
    journal.remember("m", [selector("other")]);
    const done: string[] = [];
    await journal.replay(async (namespace, selectors) => {
      const names = selectors.map((one) => String(one.selector.value));
      if (names.includes("faulty")) return new HotplateError("INTERNAL", "a fault");
      if (names.includes("refused")) return new HotplateError("INVALID_ARGUMENT", "no");
      done.push(...names.map((name) => `${namespace}:${name}`));
      return null;
    }, new AbortController().signal);
    expect(done).toEqual(["n:good", "m:other", "n:true"]);
    expect(journal.size).toBe(0);
    expect(log.said).toHaveLength(2);
  });

  it("waits, whole, while nobody is there", async () => {
    const journal = new Journal({ journalMax: 200, log: new MemoryLog(), probeMs: 1 });
    journal.remember(
      "n",
      Array.from({ length: 150 }, (_, n) => selector(`k${n}`)),
    );
    const calls: number[] = [];
    await journal.replay(async (_namespace, selectors) => {
      calls.push(selectors.length);
      return calls.length === 1 ? new HotplateError("UNAVAILABLE", "away") : null;
    }, new AbortController().signal);
    expect(calls).toEqual([128, 128, 22]);
    expect(journal.replayed).toBe(150);
  });
});

describe("a call on many", () => {
  const values = (count: number, bytes: number) =>
    Array.from({ length: count }, (_, n) => [`k${n}`, new Uint8Array(bytes)] as const);

  it("goes in messages of at most 3.5 MiB, and what is larger than a call takes by itself", async () => {
    const { client, transport } = scripted();
    transport.on("GetServerInfo", () => ({
      limits: {
        batchItemsMax: 1_000,
        unaryValueBytesMax: 1n << 20n,
        valueBytesMax: 1n << 30n,
        chunkBytesMax: 1n << 20n,
      },
    }));
    const space = client.namespace("n", { codec: raw() });
    const written = await space.putMany([
      ...values(10, 1_000_000),
      ["large", new Uint8Array(3 << 20)],
      ["last", new Uint8Array(1)],
    ]);
    expect(written.map((one) => one.outcome)).toEqual(Array.from({ length: 12 }, () => "stored"));
    expect(transport.of("BatchPut").map((one) => one.request.items.length)).toEqual([3, 3, 3, 1, 1]);
    expect(transport.of("WriteValue")).toHaveLength(1);
  });

  it("counts all that is in a message, and not only its values", async () => {
    const { client, transport } = scripted();
    const tags = Array.from({ length: 16 }, (_, n) => `${n}`.padStart(100, "t"));
    const items = Array.from({ length: 90 }, (_, n) => [`${n}`.padStart(900, "k"), new Uint8Array(79_000)] as const);
    const written = await client.namespace("n", { codec: raw() }).putMany(items, { tags });
    expect(written.every((one) => one.outcome === "stored")).toBe(true);
    const sizes = transport.of("BatchPut").map((one) => toBinary(BatchPutRequestSchema, one.request).length);
    expect(sizes).toHaveLength(3);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(3_670_016);
    expect(sizes[0], "and wastes no call").toBeGreaterThan(3_500_000);
  });

  it("fails alone where a message is too large for the server, which is there", async () => {
    const { client, transport } = scripted();
    const tooLarge = () => {
      throw new HotplateError("RESOURCE_EXHAUSTED", "too large", { reason: "MESSAGE_TOO_LARGE" });
    };
    transport.on("BatchPut", tooLarge).on("BatchGet", tooLarge);
    const space = client.namespace("n", { codec: raw() });
    const error = { outcome: "error", error: { reason: "MESSAGE_TOO_LARGE" } };
    expect(await space.putMany(values(2, 1))).toMatchObject([error, error]);
    expect(await space.getMany(["a", "b"])).toMatchObject([error, error]);
    transport.on("Get", tooLarge);
    expect(await space.get("a"), "of one it is as any other that a server cannot do").toMatchObject({
      outcome: "miss",
    });
    expect(client.available).toBe(true);
  });

  it("keeps what was done when a later message fails", async () => {
    const { client, transport } = scripted();
    transport.on("BatchPut", (_sent, nth) => {
      if (nth === 2) throw new HotplateError("PERMISSION_DENIED", "no");
      return undefined;
    });
    const written = await client.namespace("n", { codec: raw() }).putMany(values(250, 1));
    const counts = Map.groupBy(written, (one) => one.outcome);
    expect([counts.get("stored")?.length, counts.get("error")?.length]).toEqual([150, 100]);
    const alone = scripted();
    alone.transport.on("BatchPut", () => {
      throw new HotplateError("PERMISSION_DENIED", "no");
    });
    const putting = alone.client.namespace("n", { codec: raw() }).putMany(values(2, 1));
    await expect(putting, "one message is the call").rejects.toMatchObject({ kind: "PERMISSION_DENIED" });
  });

  it("ends with the caller's deadline, however many messages it is", async () => {
    const { client, transport } = scripted();
    transport.on("BatchGet", never);
    transport.on("BatchPut", never);
    const space = client.namespace("n", { codec: raw() });
    const began = performance.now();
    const found = await space.getMany(
      values(1_000, 1).map(([key]) => key),
      { timeoutMs: 150 },
    );
    const written = await space.putMany(values(1_000, 1), { timeoutMs: 150 });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(found.every((one) => one.outcome === "miss" && one.reason === "timeout")).toBe(true);
    expect(written.every((one) => one.outcome === "dropped")).toBe(true);
    expect(client.available, "the caller's own clock is no evidence").toBe(true);
    expect(transport.of("BatchGet")).toHaveLength(1);
  });

  it("fails item by item for what one of them is", async () => {
    const { client } = scripted();
    const space = client.namespace<unknown>();
    const circular: unknown[] = [];
    circular.push(circular);
    const written = await space.putMany([
      ["a", 1],
      ["b", circular],
      ["c\ud800", 2],
      ["d", 3],
    ]);
    const told = (all: readonly { outcome: string; error?: HotplateError }[]) =>
      all.map((one) => one.error?.kind ?? one.outcome);
    expect(told(written)).toEqual(["stored", "CODEC", "INVALID_ARGUMENT", "stored"]);
    const found = await space.getMany(["a", "c\ud800", "d", 7 as never]);
    expect(told(found)).toEqual(["hit", "INVALID_ARGUMENT", "hit", "INVALID_ARGUMENT"]);
  });
});

describe("texts that have no UTF-8 form", () => {
  it("are refused with their field, before anything is sent, also where the cache is away", async () => {
    const { client, transport } = scripted();
    transport.cache.away = true;
    const space = client.namespace<number>();
    const bad = "cut\ud83d";
    const calls: [string, () => unknown][] = [
      ["key", () => space.get(bad)],
      ["key", () => space.put(bad, 1)],
      ["key", () => space.touch(bad, 1)],
      ["key", () => space.remove(bad)],
      ["key", () => space.getOrCompute(bad, () => 1)],
      ["key", () => space.explain(bad)],
      ["key", () => space.readStream(bad)],
      ["tags", () => space.put("k", 1, { tags: [bad] })],
      ["kind", () => space.put("k", 1, { kind: bad })],
      ["depends_on", () => space.put("k", 1, { dependsOn: [bad] })],
      ["labels", () => space.put("k", 1, { labels: { [bad]: "x" } })],
      ["labels", () => space.put("k", 1, { labels: { x: bad } })],
      ["expiration", () => space.put("k", 1, { ttl: `a${bad}` })],
      ["reason", () => space.putNegative("k", bad, "")],
      ["message", () => space.putNegative("k", "NO", bad)],
      ["selectors", () => space.invalidate(select.prefix(bad))],
      ["selectors", () => space.invalidate({ tags: [bad] })],
      ["selectors", () => space.markStale(select.allTags("a", bad))],
      ["refresh", () => space.refresh(select.key("k"), { origin: bad })],
      ["selectors", async () => space.watch({ selectors: [select.glob(bad)] })],
      ["items", async () => space.preload([{ key: "k", kind: bad }])],
      ["namespace", async () => client.namespace(bad)],
      ["key", () => space.get(7 as never)],
    ];
    for (const [field, call] of calls) {
      const failed = await Promise.resolve()
        .then(call)
        .catch((failure: unknown) => failure);
      expect(failed, `${field}: ${call}`).toMatchObject({ kind: "INVALID_ARGUMENT", field });
      expect(String(failed)).not.toContain("cut");
    }
    expect(transport.sent).toEqual([]);
    expect(client.invalidationsWaiting).toBe(0);
  });
});

describe("closing", () => {
  it("ends what is under way, in the same turn as well, and lets invalidations end", async () => {
    const { client, transport } = scripted();
    for (const method of ["Get", "Put", "BatchGet", "Stats"]) transport.on(method, never);
    transport.on("Invalidate", async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { matchedCount: 3n };
    });
    const space = client.namespace<number>();
    const calls = [
      space.get("k"),
      space.put("k", 1),
      space.getMany(["k"]),
      space.stats(),
      space.getOrCompute("k", () => 1),
      space.getOrCompute("k", never, { mode: "bypass" }),
      client.serverInfo(),
      space.watch().next(),
    ];
    const dropped = space.invalidate(select.key("k"));
    const began = performance.now();
    const closed = client.close();
    for (const [at, settled] of (await Promise.allSettled<unknown>(calls)).entries()) {
      const told = { status: "rejected", reason: { kind: "CANCELLED", message: "the client was closed" } };
      expect(settled, `call ${at}`).toMatchObject(told);
    }
    expect(await dropped).toEqual({ outcome: "done", matched: 3 });
    await closed;
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  it("remembers nothing any more: who invalidates meanwhile is told", async () => {
    const { client, transport } = scripted();
    transport.on("Invalidate", never);
    const dropped = client.namespace().invalidate(select.key("k"));
    const failed = expect(dropped).rejects.toMatchObject({ kind: "CANCELLED", message: "the client was closed" });
    await client.close();
    await failed;
    expect(client.invalidationsWaiting).toBe(0);
  });

  it("tries what is remembered once more, and counts what is lost", async () => {
    const { client, transport, log } = scripted();
    const space = client.namespace();
    transport.cache.away = true;
    expect(await space.invalidate({ keys: ["a", "b"] })).toEqual({ outcome: "queued" });
    const before = transport.of("Invalidate").length;
    await client.close();
    expect(transport.of("Invalidate").length - before).toBeGreaterThanOrEqual(1);
    expect(log.said.at(-1)).toContain("2 remembered invalidations are lost");
    const back = scripted();
    back.transport.cache.away = true;
    await back.client.namespace().invalidate({ keys: ["a"] });
    back.transport.cache.away = false;
    await back.client.close();
    expect(back.client.invalidationsWaiting).toBe(0);
    expect(back.log.said.join()).not.toContain("lost");
  });

  it("leaves nothing that answers", async () => {
    const { client } = scripted({ nearCache: true });
    const space = client.namespace<number>();
    const wrapped = space.cached((n: number) => n, { prefix: ["p"] });
    await client.close();
    const calls = [
      () => space.get("k"),
      () => space.put("k", 1),
      () => space.invalidate(select.key("k")),
      () => space.getOrCompute("k", () => 1, { mode: "bypass" }),
      () => space.getOrCompute("k", () => 1, { mode: "refresh" }),
      () => space.getMany([]),
      () => space.stats(),
      () => space.scan().next(),
      () => space.readStream("k"),
      () => space.writeStream("k"),
      () => space.preload([]).next(),
      () => space.watch().next(),
      () => wrapped(1),
      () => client.serverInfo(),
      () => client.calls.get({ key: "k" }),
    ];
    for (const [at, call] of calls.entries()) {
      const closed = { kind: "CANCELLED", message: "the client was closed" };
      await expect(call(), `call ${at}`).rejects.toMatchObject(closed);
    }
  });
});

describe("the kill switch", () => {
  it("leaves nothing that sends", async () => {
    const { client, transport } = scripted({ disabled: true, nearCache: true });
    const space = client.namespace<number>();
    expect(await space.get("k")).toMatchObject({ reason: "disabled" });
    expect(await space.getMany(["k"])).toMatchObject([{ reason: "disabled" }]);
    expect(await space.put("k", 1)).toMatchObject({ outcome: "dropped", reason: "disabled" });
    expect(await space.putMany([["k", 1]])).toMatchObject([{ outcome: "dropped", reason: "disabled" }]);
    expect(await space.touch("k", 1)).toBe(false);
    expect(await space.invalidate(select.key("k"))).toEqual({ outcome: "disabled" });
    expect(await space.getOrCompute("k", () => 7)).toBe(7);
    const read = await space.readStream("k");
    expect([read.found, await read.next()]).toMatchObject([{ outcome: "miss", reason: "disabled" }, null]);
    const write = await space.writeStream("k");
    await write.send("piece");
    expect(await write.finish()).toEqual({ outcome: "dropped", reason: "disabled" });
    const calls = [
      () => space.watch().next(),
      () => space.preload([{ key: "k" }]).next(),
      () => space.scan().next(),
      () => space.stats(),
      () => space.explain("k"),
      () => client.serverInfo(),
      () => client.calls.get({ key: "k" }),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        kind: "FAILED_PRECONDITION",
        reason: "DISABLED",
        message: expect.stringContaining("HOTPLATE_DISABLE"),
      });
    }
    expect(transport.sent).toEqual([]);
  });
});
