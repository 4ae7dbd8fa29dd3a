/** What a namespace does: the same on a real server and on the cache in memory, so that the second may stand for the first. */
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { type ClientOptions, HotplateClient, json, key, type Namespace, raw, select } from "../src/index.js";
import { MemoryCache } from "../src/testing/index.js";
import { freshName, MemoryLog, until } from "./support/client.js";

describe.each(["server", "memory"] as const)("on the %s", (where) => {
  let memory: MemoryCache;
  let name: string;
  let client: HotplateClient;
  let space: Namespace<unknown>;
  const clients: HotplateClient[] = [];

  function open(options: ClientOptions = {}): HotplateClient {
    const settings = { log: new MemoryLog(), namespace: name, url: `hotplate://${inject("server")}`, ...options };
    const opened = where === "server" ? new HotplateClient(settings) : memory.client(settings);
    clients.push(opened);
    return opened;
  }

  beforeEach(() => {
    memory = new MemoryCache();
    name = freshName();
    client = open();
    space = client.namespace();
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((one) => one.close()));
  });

  it("stores, finds, renews and drops", async () => {
    expect(await space.get("a")).toEqual({ outcome: "miss", hit: false, reason: "never_stored" });
    const first = await space.put("a", { n: 1 }, { ttl: "1h", tags: ["t"] });
    expect(first.outcome).toBe("stored");
    expect((await space.put("a", { n: 1 }, { ttl: "1h", tags: ["t"] })).outcome).toBe("refreshed");
    const found = await space.get("a");
    expect(found).toMatchObject({ outcome: "hit", value: { n: 1 }, stale: false, near: false, tier: "memory" });
    expect(found.hit && found.freshForMs).toBeGreaterThan(1_000_000);
    expect(await space.ttlMs("a")).toBeGreaterThan(1_000_000);
    expect(await space.exists("a")).toBe(true);
    expect(await space.touch("a", 60)).toBe(true);
    expect(await space.ttlMs("a")).toBeLessThanOrEqual(60_000);
    expect(await space.touch("b", 60)).toBe(false);
    expect(await space.remove("a")).toEqual({ outcome: "done", matched: 1 });
    expect(await space.get("a")).toMatchObject({ outcome: "miss", reason: "invalidated" });
    expect(await space.getValue("a", {}, "else")).toBe("else");
  });

  it("stores on conditions", async () => {
    const made = await space.put("a", 1, { condition: "absent" });
    expect(made.outcome).toBe("stored");
    expect((await space.put("a", 2, { condition: "absent" })).outcome).toBe("precondition_failed");
    expect((await space.put("b", 2, { condition: "present" })).outcome).toBe("precondition_failed");
    const etag = made.outcome === "stored" ? made.etag : "";
    expect((await space.put("a", 3, { condition: { etag } })).outcome).toBe("stored");
    expect((await space.put("a", 4, { condition: { etag } })).outcome).toBe("precondition_failed");
  });

  it("remembers that there is none", async () => {
    await space.putNegative("a", "NOT_FOUND", "no such model", { ttl: 60 });
    expect(await space.get("a")).toMatchObject({ outcome: "negative", reason: "NOT_FOUND", message: "no such model" });
    await expect(space.getOrCompute("a", () => 1)).rejects.toMatchObject({ kind: "NOT_FOUND", reason: "NOT_FOUND" });
  });

  it("answers batches item by item", async () => {
    const written = await space.putMany([
      ["a", 1],
      ["", 2],
      ["c", 3],
    ]);
    expect(written.map((one) => one.outcome)).toEqual(["stored", "error", "stored"]);
    expect(written[1]).toMatchObject({ error: { kind: "INVALID_ARGUMENT", reason: "BAD_KEY" } });
    const found = await space.getMany(["a", "b", "c"]);
    expect(found.map((one) => (one.hit ? one.value : one.outcome))).toEqual([1, "miss", 3]);
    const many = Array.from({ length: 250 }, (_, n) => [`m${n}`, n] as const);
    await space.putMany(many);
    const all = await space.getMany(many.map(([one]) => one));
    expect(all.map((one) => one.hit && one.value)).toEqual(many.map(([, n]) => n));
  });

  it("drops by whatever selects", async () => {
    const fill = async () => {
      await space.put("a:1", 1, { tags: ["x", "y"], kind: "k" });
      await space.put("a:2", 2, { tags: ["x"] });
      await space.put("b:1", 3, { dependsOn: ["a:1"] });
    };
    const left = async () => {
      const keys = [];
      for await (const entry of space.scan()) keys.push(entry.key);
      return keys;
    };
    const cases = [
      [select.tag("x"), ["b:1"], ["a:1"]],
      [select.allTags("x", "y"), ["a:2", "b:1"], ["a:1"]],
      [select.kind("k"), ["a:2", "b:1"], ["a:1"]],
      [select.prefix("a:"), ["b:1"], ["a:1"]],
      [select.glob("?:2"), ["a:1", "b:1"], []],
      [select.dependentsOf("a:1"), ["a:1", "a:2"], []],
      [{ keys: ["a:2"], tags: ["y"] }, ["b:1"], ["a:1"]],
      [select.everything(), [], []],
    ] as const;
    for (const [selection, stays, causes] of cases) {
      await fill();
      await space.invalidate(selection);
      // What was made from what is dropped is dropped as well.
      const expected = causes.length > 0 ? stays.filter((one) => one !== "b:1") : stays;
      expect(await left(), JSON.stringify(selection)).toEqual(expected);
    }
  });

  it("computes once for all callers of all clients, and shares the value", async () => {
    const other = open().namespace();
    let computed = 0;
    const compute = async () => {
      computed += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { n: 7 };
    };
    const asked = Array.from({ length: 50 }, (_, n) =>
      (n % 2 === 0 ? space : other).getOrCompute(key("c").id(1), compute, { ttl: "1h" }),
    );
    const values = await Promise.all(asked);
    expect(computed).toBe(1);
    expect(values.every((value) => (value as { n: number }).n === 7)).toBe(true);
    expect(await space.get("c:1")).toMatchObject({ value: { n: 7 } });
  });

  it("gives a failure to all who wait, and the lease to the next", async () => {
    const cause = new RangeError("too hot");
    const failing = space.getOrCompute("f", () => Promise.reject(cause));
    const joined = space.getOrCompute("f", () => 1);
    await expect(failing).rejects.toMatchObject({ kind: "COMPUTE", message: "too hot", cause });
    await expect(joined).rejects.toMatchObject({ kind: "COMPUTE" });
    expect(
      await open()
        .namespace()
        .getOrCompute("f", () => 2, { wait: "20s" }),
    ).toBe(2);
  });

  it("remembers a failure where it is asked to", async () => {
    const remember = { rememberFailure: "1h" };
    const failing = space.getOrCompute("f", () => Promise.reject(new Error("broken")), remember);
    await expect(failing).rejects.toMatchObject({ kind: "COMPUTE", reason: null });
    const other = open().namespace();
    await until("it is remembered", async () => (await other.get("f")).outcome === "negative");
    const asked = other.getOrCompute("f", () => 1);
    await expect(asked).rejects.toMatchObject({ kind: "COMPUTE", reason: "COMPUTE_FAILED", message: "broken" });
  });

  it("lets a caller give up, and the others have the value", async () => {
    const gate = Promise.withResolvers<void>();
    let told: AbortSignal | undefined;
    const compute = async ({ signal }: { signal: AbortSignal }) => {
      told = signal;
      await gate.promise;
      return 1;
    };
    const giving = new AbortController();
    const one = space.getOrCompute("g", compute, { signal: giving.signal });
    const two = space.getOrCompute("g", compute);
    await until("it runs", () => told !== undefined);
    giving.abort("enough");
    await expect(one).rejects.toMatchObject({ kind: "CANCELLED", cause: "enough" });
    expect(told?.aborted).toBe(false);
    gate.resolve();
    expect(await two).toBe(1);
  });

  it("tells the computation when the last caller gives up, and gives the lease back at once", async () => {
    let told: AbortSignal | undefined;
    const giving = new AbortController();
    // It does not heed its signal, and never ends: nobody waits for that.
    const stuck = ({ signal }: { signal: AbortSignal }) => {
      told = signal;
      return new Promise<number>(() => undefined);
    };
    const asked = space.getOrCompute("g", stuck, { signal: giving.signal });
    await until("it runs", () => told !== undefined);
    giving.abort();
    await expect(asked).rejects.toMatchObject({ kind: "CANCELLED" });
    expect(told?.aborted).toBe(true);
    const began = performance.now();
    expect(
      await open()
        .namespace()
        .getOrCompute("g", () => 2),
    ).toBe(2);
    expect(performance.now() - began, "before the lease lapses").toBeLessThan(9_000);
  });

  it("leaves no lease behind when a caller gives up while the answer is on its way", async () => {
    const other = open().namespace();
    const began = performance.now();
    for (let n = 0; n < 40; n += 1) {
      const giving = new AbortController();
      const asked = space.getOrCompute(`w${n}`, () => new Promise(() => undefined), { signal: giving.signal });
      const failed = expect(asked).rejects.toMatchObject({ kind: "CANCELLED" });
      await new Promise((resolve) => setTimeout(resolve, n % 4));
      giving.abort();
      await failed;
      expect(await other.getOrCompute(`w${n}`, () => n)).toBe(n);
    }
    expect(performance.now() - began, "one lease that lapses takes 10 s").toBeLessThan(9_000);
  });

  it("refuses a computation that waits for itself, over others or not", async () => {
    const self: Promise<unknown> = space.getOrCompute("s", () => space.getOrCompute("s", () => 1));
    await expect(self).rejects.toMatchObject({ kind: "COMPUTE", cause: { kind: "INVALID_ARGUMENT" } });
    const around = space.getOrCompute("s1", () => space.getOrCompute("s2", () => space.getOrCompute("s1", () => 1)));
    await expect(around).rejects.toMatchObject({ kind: "COMPUTE" });
    // Others it may ask for, also when no more than one may run.
    const narrow = open({ computationsMax: 1 }).namespace();
    expect(await narrow.getOrCompute("n1", () => narrow.getOrCompute("n2", () => 3))).toBe(3);
  });

  it("stores nothing that an invalidation overtook", async () => {
    const gate = Promise.withResolvers<void>();
    let runs = false;
    const asked = space.getOrCompute(
      "o",
      async () => {
        runs = true;
        await gate.promise;
        return "old";
      },
      { tags: ["t"] },
    );
    await until("it runs", () => runs);
    await space.invalidate(select.tag("t"));
    gate.resolve();
    expect(await asked).toBe("old");
    expect((await space.get("o")).outcome).toBe("miss");
  });

  it("serves stale values while one is made anew", async () => {
    await space.put("s", "old", { ttl: "1h", staleFor: "1h" });
    await space.markStale(select.key("s"));
    expect((await space.get("s")).outcome).toBe("miss");
    expect(await space.get("s", { acceptStale: true })).toMatchObject({ outcome: "hit", stale: true, value: "old" });
    const options = { staleWhileRevalidate: true, ttl: "1h" };
    expect(await space.getOrCompute("s", () => "new", options)).toBe("old");
    await until("it is renewed", async () => (await space.getValue("s")) === "new");
    await space.put("e", "old", { ttl: "1h", staleFor: "1h" });
    await space.markStale(select.key("e"));
    const failing = () => Promise.reject(new Error("broken"));
    expect(await space.getOrCompute("e", failing, { staleIfError: true })).toBe("old");
  });

  it("has modes", async () => {
    const counted = { n: 0 };
    const compute = () => {
      counted.n += 1;
      return counted.n;
    };
    await expect(space.getOrCompute("m", compute, { mode: "only" })).rejects.toMatchObject({ reason: "NOT_CACHED" });
    expect(await space.getOrCompute("m", compute, { mode: "bypass" })).toBe(1);
    expect((await space.get("m")).outcome).toBe("miss");
    expect(await space.getOrCompute("m", compute)).toBe(2);
    expect(await space.getOrCompute("m", compute, { mode: "refresh" })).toBe(3);
    expect(await space.getOrCompute("m", compute, { mode: "only" })).toBe(3);
    expect(await space.getOrCompute("p", compute, { perProcess: true })).toBe(4);
    expect(await space.getValue("p")).toBe(4);
  });

  it("computes anew what it cannot read", async () => {
    await client.namespace(name, { codec: raw() }).put("a", Buffer.from([1, 2, 3]));
    await expect(space.get("a")).rejects.toMatchObject({ kind: "CODEC" });
    expect(await space.getOrCompute("a", () => "readable")).toBe("readable");
    expect(await space.getValue("a")).toBe("readable");
    const strict = client.namespace(name, {
      codec: json<number>((value) => (typeof value === "number" ? value : fail())),
    });
    expect(await strict.getOrCompute("a", () => 5)).toBe(5);
  });

  it("wraps functions", async () => {
    let runs = 0;
    const add = space.cached(
      (a: number, b: { c: number }) => {
        runs += 1;
        return a + b.c;
      },
      { prefix: ["add"], tags: (a) => [`a:${a}`] },
    );
    expect(await add(1, { c: 2 })).toBe(3);
    expect(await add(1, { c: 2 })).toBe(3);
    expect(runs).toBe(1);
    expect(add.key(1, { c: 2 })).toBe(
      key("add")
        .params([1, { c: 2 }])
        .render(),
    );
    expect(await add.refresh(1, { c: 2 })).toBe(3);
    expect(await add.bypass(1, { c: 2 })).toBe(3);
    expect(runs).toBe(3);
    const retrain = space.invalidates(
      (a: number) => a * 2,
      (a) => select.tag(`a:${a}`),
    );
    expect(await retrain(1)).toBe(2);
    expect(await add(1, { c: 2 })).toBe(3);
    expect(runs).toBe(4);
    const failing = space.invalidates(() => Promise.reject(new RangeError("own")), add.all());
    await expect(failing()).rejects.toThrow(RangeError);
    expect((await space.get(add.key(1, { c: 2 }))).outcome).toBe("miss");
    await add(1, { c: 2 });
    expect(await add.forget(1, { c: 2 })).toEqual({ outcome: "done", matched: 1 });
    expect((await space.get(add.key(1, { c: 2 }))).outcome).toBe("miss");
  });

  it("gives arguments that differ keys that differ, or refuses them", async () => {
    const told = space.cached((...args: unknown[]) => args.length, { prefix: ["told"] });
    expect(told.key("x", undefined)).toBe(told.key("x"));
    const keys = [[], [0], ["0"], [null], [[]], [[0]], [{}], [{ a: 1 }], [false]].map((args) => told.key(...args));
    expect(new Set(keys).size).toBe(keys.length);
    const odd = [new Array(3), 1n, { n: [1n] }, new Date(), new Map(), undefined, Number.NaN, "\ud800", () => 1];
    const circle: Record<string, unknown> = {};
    circle["x"] = circle;
    circle["y"] = circle;
    for (const value of [...odd, circle]) {
      await expect(told(value, 1), String(value)).rejects.toMatchObject({ kind: "INVALID_ARGUMENT", field: "key" });
    }
  });

  it("refuses what is out of bounds", async () => {
    const many = Array.from({ length: 65 }, (_, n) => `t${n}`);
    const wrong: (() => Promise<unknown>)[] = [
      () => space.put("a\nb", 1),
      () => space.put("", 1),
      () => space.get("x".repeat(1_025)),
      () => space.put("a", 1, { jitter: 5 }),
      () => space.put("a", 1, { refreshAhead: 1 }),
      () => space.put("a", 1, { refreshAheadXfetch: 0 }),
      () => space.put("a", 1, { tags: many }),
      () => space.put("a", 1, { tags: [""] }),
      () => space.put("a", 1, { kind: "k".repeat(129) }),
      () => space.put("a", 1, { dependsOn: ["tag:"] }),
      () => space.put("a", 1, { labels: { x: "y".repeat(20_000) } }),
      () => space.putNegative("a", "lower", ""),
      () => space.touch("a\nb", 1),
      () => space.invalidate(select.glob("[a")),
      () => space.invalidate(select.glob("*a*b*c*d*e*f*g*h*i")),
      () => space.invalidate(select.tag("")),
      () => space.invalidate(select.allTags()),
      () => space.invalidate({ keys: Array.from({ length: 129 }, (_, n) => `k${n}`) }),
      () => space.invalidate(select.key("a"), { reason: "r".repeat(257) }),
      () => space.watch({ selectors: [select.glob("[a")] }).next(),
      () => client.namespace("a b").get("a"),
    ];
    for (const call of wrong) {
      const failed = await call().catch((failure: unknown) => failure);
      expect(failed, String(call)).toMatchObject({ kind: "INVALID_ARGUMENT" });
    }
  });

  it("tells why something was dropped", async () => {
    await space.put("a", 1);
    await space.put("b", 1);
    const watch = space.watch({ progressInterval: "10m" });
    await watch.next();
    const told: string[] = [];
    // Two who read it at once: each change is told to one of them.
    const read = async () => {
      for (let one = await watch.next(); !one.done; one = await watch.next()) {
        if (one.value.type === "events") told.push(...one.value.events.map((event) => `${event.key}: ${event.reason}`));
        if (told.length >= 2) await watch.return();
      }
    };
    const reading = [read(), read()];
    await space.invalidate(select.key("a"), { reason: "a test" });
    await space.invalidate(select.key("b"), { reason: "another" });
    await Promise.all(reading);
    expect(told).toEqual(["a: a test", "b: another"]);
  });

  it("follows changes, and goes on after a token", async () => {
    await space.put("there", 0);
    const watch = space.watch({ includePresent: true, content: "values", progressInterval: "100ms" });
    const told: string[] = [];
    for await (const item of watch) {
      if (item.type === "present") told.push(...item.entries.map((entry) => `present ${entry.key}`));
      if (item.type === "synced") {
        told.push("synced");
        await space.put("new", 1);
        await space.remove("new");
        await space.invalidate(select.tag("t"));
      }
      if (item.type === "events") told.push(...item.events.map((event) => `${event.type} ${event.key}`.trim()));
      if (told.includes("set_invalidated")) break;
    }
    expect(told).toEqual(["present there", "synced", "put new", "invalidated new", "set_invalidated"]);
    await space.put("later", 2);
    const again = space.watch({ resumeToken: watch.resumeToken, selectors: [select.prefix("la")] });
    for await (const item of again) {
      if (item.type !== "events") continue;
      expect(item.events[0]).toMatchObject({ type: "put", key: "later", clientId: client.clientId });
      break;
    }
  });

  it("ends a watch with its signal, and leaves out its own changes", async () => {
    const giving = new AbortController();
    const watch = space.watch({ excludeOwn: true, signal: giving.signal });
    expect((await watch.next()).value?.type).toBe("created");
    const next = watch.next();
    await space.put("own", 1);
    await open().namespace().put("other", 1);
    expect((await next).value).toMatchObject({ type: "events", events: [{ key: "other" }] });
    giving.abort();
    await expect(watch.next()).rejects.toMatchObject({ kind: "CANCELLED" });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  it("keeps values near until another changes them", async () => {
    const near = open({ nearCache: { progressMax: "1s" } }).namespace();
    await space.put("n", 1, { ttl: "1h", tags: ["t"] });
    const isNear = async () => {
      const found = await near.get("n");
      return found.hit && found.near;
    };
    await until("it is kept", isNear);
    expect(near.nearStats).toMatchObject({ serving: true, entries: 1 });
    const [one, two] = [await near.getShared("n"), await near.getShared("n")];
    expect(one).toMatchObject({ near: true, value: 1 });
    expect(two).toMatchObject({ near: true });
    await space.put("n", 2, { ttl: "1h" });
    await until("the change is heard", async () => (await near.getValue("n")) === 2);
    await until("it is kept again", isNear);
    await near.put("n", 3, { ttl: "1h" });
    expect(await near.getValue("n"), "its own write is never overlooked").toBe(3);
    expect(await near.withoutNearCache().get("n")).toMatchObject({ near: false });
    expect(await near.get("n", { withoutNearCache: true })).toMatchObject({ near: false });
    await until("it is kept once more", isNear);
    await space.invalidate(select.everything());
    await until("everything is dropped", async () => !(await near.get("n")).hit);
  });

  it("keeps single keys near where it follows those", async () => {
    const near = open({ nearCache: { follow: "kept_keys", progressMax: "1s" } }).namespace();
    await space.put("n", 1, { ttl: "1h" });
    await until("it is followed and kept", async () => {
      const found = await near.get("n");
      return found.hit && found.near;
    });
    await space.put("n", 2, { ttl: "1h" });
    await until("the change is heard", async () => (await near.getValue("n")) === 2);
  });

  it("writes and reads in pieces", async () => {
    const pieces = ["one ", "two ", "three"];
    const stream = await space.writeStream("w", { ttl: "1h" });
    for (const piece of pieces) await stream.send(piece);
    expect((await stream.finish()).outcome).toBe("stored");
    await expect(stream.send("more")).rejects.toMatchObject({ kind: "INVALID_ARGUMENT" });
    const reading = await space.readStream("w");
    expect(reading.found).toMatchObject({ outcome: "hit", value: 13 });
    expect(Buffer.from(await reading.bytes()).toString()).toBe("one two three");
    expect((await space.readStream("nothing")).found).toMatchObject({ outcome: "miss" });
    const left = await space.writeStream("left");
    await left.send("half");
    left.close();
    expect((await space.get("left")).outcome).toBe("miss");
  });

  it("counts and explains", async () => {
    await space.put("a", 1);
    await space.get("a");
    await space.get("b");
    const { total } = await space.stats();
    expect(total).toMatchObject({ hits: 1n, puts: 1n, entryCount: 1n });
    expect((await space.explain("a")).explanation).not.toBe("");
    expect((await client.serverInfo()).limits?.batchItemsMax).toBeGreaterThan(0);
  });

  it("takes a signal everywhere", async () => {
    const signal = AbortSignal.abort("before");
    const calls = [
      space.get("a", { signal }),
      space.getMany(["a"], { signal }),
      space.put("a", 1, { signal }),
      space.putMany([["a", 1]], { signal }),
      space.putNegative("a", "NO", "", { signal }),
      space.touch("a", 1, { signal }),
      space.exists("a", { signal }),
      space.invalidate(select.key("a"), { signal }),
      space.markStale(select.key("a"), { signal }),
      space.getOrCompute("a", () => 1, { signal }),
      space.getOrCompute("a", () => 1, { signal, mode: "bypass" }),
      space.stats({ signal }),
      space.explain("a", { signal }),
      space.readStream("a", { signal }),
      space.preload([{ key: "a" }], { signal }).next(),
      space.scan({ signal }).next(),
    ];
    for (const [at, settled] of (await Promise.allSettled<unknown>(calls)).entries()) {
      const givenUp = { status: "rejected", reason: { kind: "CANCELLED", cause: "before" } };
      expect(settled, `call ${at}`).toMatchObject(givenUp);
    }
    expect(client.degradation).toMatchObject({ readsWithoutCache: 0, writesDropped: 0, invalidationsQueued: 0 });
  });

  it("is silent when it is turned off", async () => {
    const off = open({ disabled: true });
    expect(off.available).toBe(false);
    expect(await off.namespace().get("a")).toMatchObject({ outcome: "miss", reason: "disabled" });
    expect(await off.namespace().put("a", 1)).toEqual({ outcome: "dropped", reason: "disabled" });
    expect(await off.namespace().invalidate(select.everything())).toEqual({ outcome: "disabled" });
    expect(await off.namespace().getOrCompute("a", () => 1)).toBe(1);
  });

  it("ends with its client", async () => {
    let told: AbortSignal | undefined;
    const asked = space.getOrCompute("c", ({ signal }) => {
      told = signal;
      return new Promise(() => undefined);
    });
    const watch = space.watch();
    await watch.next();
    const next = watch.next();
    await until("it runs", () => told !== undefined);
    const failing = expect(asked).rejects.toMatchObject({ kind: "CANCELLED", message: "the client was closed" });
    const ending = expect(next).rejects.toMatchObject({ kind: "CANCELLED" });
    await client.close();
    await failing;
    await ending;
    expect(told?.aborted).toBe(true);
    // The lease was given back before the connection was closed.
    const began = performance.now();
    expect(
      await open()
        .namespace()
        .getOrCompute("c", () => 2),
    ).toBe(2);
    expect(performance.now() - began).toBeLessThan(9_000);
    await expect(space.getOrCompute("c", () => 1)).rejects.toMatchObject({ kind: "CANCELLED" });
    await expect(space.get("c")).rejects.toMatchObject({ kind: "CANCELLED", message: "the client was closed" });
    await expect(space.invalidate(select.key("c"))).rejects.toMatchObject({ kind: "CANCELLED" });
    await expect(client.serverInfo()).rejects.toMatchObject({ kind: "CANCELLED" });
  });
});

describe("the cache in memory", () => {
  it("has a clock that a test moves", async () => {
    const memory = new MemoryCache();
    await using client = memory.client();
    const space = client.namespace();
    await space.put("a", 1, { ttl: "1h", staleFor: "1h" });
    memory.advance("61m");
    expect(await space.get("a")).toMatchObject({ outcome: "miss", reason: "expired" });
    expect(await space.get("a", { acceptStale: true })).toMatchObject({ stale: true });
    memory.advance("1h");
    expect(await space.get("a", { acceptStale: true })).toMatchObject({ outcome: "miss", reason: "expired" });
  });

  it("goes away and comes back", async () => {
    const memory = new MemoryCache();
    const changes: boolean[] = [];
    await using client = memory.client({
      onAvailability: (available) => changes.push(available),
      log: new MemoryLog(),
    });
    const space = client.namespace();
    await space.put("a", 1);
    memory.away = true;
    for (let n = 0; n < 5; n += 1) expect(await space.get("a")).toMatchObject({ reason: "unavailable" });
    expect(client.available).toBe(false);
    expect(await space.invalidate(select.key("a"))).toEqual({ outcome: "queued" });
    expect(await space.getOrCompute("b", () => 2)).toBe(2);
    memory.away = false;
    await until("what was remembered is carried out", () => client.invalidationsWaiting === 0);
    expect((await space.get("a")).outcome, "dropped before it is read again").toBe("miss");
    expect(changes).toEqual([false, true]);
    expect(client.degradation).toMatchObject({ outages: 1, invalidationsQueued: 1, invalidationsReplayed: 1 });
  });
});

function fail(): never {
  throw new TypeError("another shape");
}
