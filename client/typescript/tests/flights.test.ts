/** Who joins whose computation, what becomes of a lease on its way, and what a computation does to the rest of the process. */
import { describe, expect, it } from "vitest";
import { HotplateError, json, select } from "../src/index.js";
import { MemoryCache } from "../src/testing/index.js";
import { MemoryLog, until } from "./support/client.js";
import { scripted } from "./support/scripted.js";

const LEASE = { token: "lease", duration: { seconds: 10n, nanos: 0 } };

describe("a lease that is on its way", () => {
  it("is given back, once, by the one call that goes on when its callers left", async () => {
    const { client, transport } = scripted();
    const answer = Promise.withResolvers<void>();
    transport.on("Get", async () => {
      await answer.promise;
      return { outcome: 2, missReason: 1, lease: LEASE };
    });
    transport.on("ReleaseLease", () => ({ outcome: 1 }));
    const space = client.namespace();
    for (let n = 0; n < 100; n += 1) {
      const signal = AbortSignal.timeout(1);
      await expect(space.getOrCompute("k", () => 1, { signal })).rejects.toMatchObject({ kind: "CANCELLED" });
    }
    expect(transport.of("Get"), "one call for all who gave up").toHaveLength(1);
    answer.resolve();
    await until("it is given back", () => transport.of("ReleaseLease").length === 1);
    expect(transport.of("Get"), "nothing more is asked").toHaveLength(1);
  });

  it("is whose who joins meanwhile", async () => {
    const { client, transport } = scripted();
    const answer = Promise.withResolvers<void>();
    transport.on("Get", async () => {
      await answer.promise;
      return { outcome: 2, missReason: 1, lease: LEASE };
    });
    transport.on("Put", () => ({ outcome: 1 }));
    const space = client.namespace();
    const first = space.getOrCompute("k", () => "first", { signal: AbortSignal.timeout(1) });
    await expect(first).rejects.toMatchObject({ kind: "CANCELLED" });
    const second = space.getOrCompute("k", () => "second");
    answer.resolve();
    expect(await second, "what who left would have computed nobody waits for").toBe("second");
    expect(transport.of("Get")).toHaveLength(1);
    expect(transport.of("ReleaseLease")).toHaveLength(0);
  });

  it("computes nothing for who left when the call that went on fails", async () => {
    const { client, transport } = scripted();
    const answer = Promise.withResolvers<void>();
    transport.on("Get", async () => {
      await answer.promise;
      throw new HotplateError("UNAVAILABLE", "away");
    });
    let runs = 0;
    const compute = () => {
      runs += 1;
      return 1;
    };
    const gaveUp = new AbortController();
    const asked = client.namespace().getOrCompute("k", compute, { signal: gaveUp.signal });
    await until("it is asked", () => transport.of("Get").length === 1);
    gaveUp.abort();
    await expect(asked).rejects.toMatchObject({ kind: "CANCELLED" });
    answer.resolve();
    await until("the call has ended", () => client.degradation.readsWithoutCache === 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(runs).toBe(0);
  });

  it("stores nothing where it was asked for and not given", async () => {
    const { client, transport } = scripted();
    transport.on("Get", () => ({ outcome: 2, missReason: 1 }));
    const space = client.namespace<number>();
    expect(await space.getOrCompute("k", () => 1)).toBe(1);
    expect(transport.of("Put")).toHaveLength(0);
    expect(await space.getOrCompute("k", () => 2, { perProcess: true }), "none is asked for").toBe(2);
    expect(transport.of("Put")).toHaveLength(1);
  });

  it("is waited for at close, for a moment", async () => {
    const { client, transport } = scripted();
    const answer = Promise.withResolvers<void>();
    transport.on("Get", async () => {
      await answer.promise;
      return { outcome: 2, missReason: 1, lease: LEASE };
    });
    transport.on("ReleaseLease", () => ({ outcome: 1 }));
    const asked = client.namespace().getOrCompute("k", () => 1);
    const failed = expect(asked).rejects.toMatchObject({ kind: "CANCELLED", message: "the client was closed" });
    const closed = client.close();
    await failed;
    answer.resolve();
    await closed;
    expect(transport.of("ReleaseLease")).toHaveLength(1);
    expect(transport.of("Put")).toHaveLength(0);
  });

  it("holds nobody up at close that never comes", async () => {
    const { client, transport } = scripted();
    transport.on("Get", () => new Promise(() => undefined));
    const asked = client.namespace().getOrCompute("k", () => 1);
    const failed = expect(asked).rejects.toMatchObject({ kind: "CANCELLED" });
    const began = performance.now();
    await client.close();
    await failed;
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  it("is held while a large value beside it is read, and not lost when that fails", async () => {
    const { client, transport } = scripted();
    const metadata = { etag: "e1", contentType: "application/json" };
    transport.on("Get", () => ({
      outcome: 3,
      entry: { key: "k", metadata, payload: { case: "large", value: {} } },
      lease: LEASE,
    }));
    transport.on("ReadValue", () => {
      throw new HotplateError("PERMISSION_DENIED", "no");
    });
    transport.on("ReleaseLease", () => ({ outcome: 1 }));
    const asked = client.namespace().getOrCompute("k", () => 1, { staleWhileRevalidate: true });
    await expect(asked).rejects.toMatchObject({ kind: "PERMISSION_DENIED" });
    await until("it is given back", () => transport.of("ReleaseLease").length === 1);
  });

  it("is kept when the value beside it is replaced while it is read, and the same is asked again", async () => {
    const { client, transport } = scripted();
    const metadata = { etag: "e1", contentType: "application/json" };
    transport.on("Get", (_sent, nth) =>
      nth === 1
        ? { outcome: 3, entry: { key: "k", metadata, payload: { case: "large", value: {} } }, lease: LEASE }
        : { outcome: 3, entry: { key: "k", metadata, payload: { case: "value", value: Buffer.from('"old"') } } },
    );
    transport.on("ReadValue", () => {
      throw new HotplateError("FAILED_PRECONDITION", "gone", { reason: "VERSION_GONE" });
    });
    transport.on("Put", () => ({ outcome: 1 }));
    const options = { staleWhileRevalidate: true, maxAge: "1h" };
    expect(await client.namespace().getOrCompute("k", () => "new", options)).toBe("old");
    await until("it is renewed under the lease", () => transport.of("Put").length === 1);
    expect(transport.of("Put")[0]?.request.leaseToken).toBe("lease");
    const again = transport.of("Get")[1]?.request;
    expect(again.maxAge.seconds).toBe(3_600n);
    expect([again.missPolicy, again.waitTimeout], "and no lease").toEqual([0, undefined]);
  });
});

describe("who joins", () => {
  it("gets nothing that it does not accept", async () => {
    const memory = new MemoryCache();
    await using client = memory.client({ log: new MemoryLog() });
    const space = client.namespace<string>();
    await space.put("k", "old", { ttl: "1h", staleFor: "1h" });
    memory.advance("2s");
    const young = [{}, { maxAge: "1s" }, { maxAge: "1h" }] as const;
    const values = await Promise.all(young.map((options) => space.getOrCompute("k", () => "new", options)));
    expect(values).toEqual(["old", "new", "old"]);
    await space.put("s", "old", { ttl: "1h", staleFor: "1h" });
    await space.markStale(select.key("s"));
    const fresh = [{ staleWhileRevalidate: true }, {}].map((options) => space.getOrCompute("s", () => "new", options));
    expect(await Promise.all(fresh)).toEqual(["old", "new"]);
  });

  it("shares one computation, whatever each accepts", async () => {
    const memory = new MemoryCache();
    await using client = memory.client({ log: new MemoryLog() });
    const space = client.namespace<number>();
    let computed = 0;
    const compute = async () => {
      computed += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return computed;
    };
    const options = [{}, { maxAge: "1h" }, { staleWhileRevalidate: true }, { staleIfError: true }];
    const values = await Promise.all(options.map((one) => space.getOrCompute("k", compute, { ttl: "1h", ...one })));
    expect(values).toEqual([1, 1, 1, 1]);
    expect(computed).toBe(1);
  });

  it("gets a stale value in place of a failure only where it asked for that", async () => {
    const memory = new MemoryCache();
    await using client = memory.client({ log: new MemoryLog() });
    const space = client.namespace<string>();
    await space.put("k", "old", { ttl: "1h", staleFor: "1h" });
    await space.markStale(select.key("k"));
    const failing = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error("broken");
    };
    const options = [{}, { staleIfError: true }, {}, { staleIfError: true }];
    const asked = options.map((one) => space.getOrCompute("k", failing, one));
    const ended = await Promise.allSettled(asked);
    expect(ended.map((one) => (one.status === "fulfilled" ? one.value : one.reason.kind))).toEqual([
      "COMPUTE",
      "old",
      "COMPUTE",
      "old",
    ]);
  });

  it("never waits for itself, whatever it accepts", async () => {
    const memory = new MemoryCache();
    await using client = memory.client({ log: new MemoryLog() });
    const space = client.namespace<number>();
    const inner = () => space.getOrCompute("k", () => 1, { maxAge: "1h" });
    const cause = { kind: "INVALID_ARGUMENT", field: "key" };
    await expect(space.getOrCompute("k", inner)).rejects.toMatchObject({ kind: "COMPUTE", cause });
    const around = space.getOrCompute("a", () =>
      space.getOrCompute("b", () => space.getOrCompute("a", inner, { maxAge: 1 })),
    );
    await expect(around).rejects.toMatchObject({ kind: "COMPUTE" });
  });

  it("joins nothing that an invalidation overtook, whatever came of that", async () => {
    const { client, transport } = scripted();
    transport.on("Invalidate", () => {
      throw new HotplateError("PERMISSION_DENIED", "no");
    });
    const space = client.namespace<string>();
    const asks: string[] = [];
    const during = Promise.withResolvers<void>();
    transport.on("Invalidate", async () => {
      during.resolve();
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new HotplateError("PERMISSION_DENIED", "no");
    });
    const dropping = space.invalidate(select.key("k"));
    await during.promise;
    const before = space.getOrCompute(
      "k",
      async () => {
        asks.push("before");
        await dropping.catch(() => undefined);
        return "before";
      },
      { perProcess: true },
    );
    await until("it runs", () => asks.length === 1);
    await expect(dropping).rejects.toMatchObject({ kind: "PERMISSION_DENIED" });
    expect(await space.getOrCompute("k", () => "after", { perProcess: true })).toBe("after");
    expect(await before).toBe("before");
  });
});

describe("who asks after a write of this client", () => {
  it("joins nothing that began before it, whatever came of that write", async () => {
    const { client, transport } = scripted();
    const space = client.namespace<string>();
    const refuse = () => {
      throw new HotplateError("PERMISSION_DENIED", "no");
    };
    for (const method of ["Put", "BatchPut", "WriteValue"]) transport.on(method, refuse);
    const writes: [string, () => Promise<unknown>][] = [
      ["put", () => space.put("k", "x")],
      [
        "put_many",
        () =>
          space.putMany([
            ["k", "x"],
            ["l", "x"],
          ]),
      ],
      ["invalidate", () => space.invalidate(select.key("k"))],
    ];
    for (const [name, write] of writes) {
      const gate = Promise.withResolvers<string>();
      let runs = false;
      const before = space.getOrCompute(
        "k",
        () => {
          runs = true;
          return gate.promise;
        },
        { perProcess: true },
      );
      await until("it runs", () => runs);
      await write().catch(() => undefined);
      expect(await space.getOrCompute("k", () => "after", { perProcess: true }), name).toBe("after");
      gate.resolve("before");
      expect(await before).toBe("before");
      await space.remove("k");
    }
  });
});

describe("a computation", () => {
  it("that fails inside another one is that one's to catch", async () => {
    const unhandled: unknown[] = [];
    const hear = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", hear);
    const { client } = scripted({ computationsMax: 1 });
    const space = client.namespace<string>();
    const value = await space.getOrCompute("outer", async () => {
      const inner = space.getOrCompute("inner", () => Promise.reject(new Error("inner failed")));
      return await inner.catch(() => "caught");
    });
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", hear);
    expect(value).toBe("caught");
    expect(unhandled).toEqual([]);
  });

  it("is not held up by storing its value", async () => {
    const { client, transport } = scripted();
    const stored = Promise.withResolvers<void>();
    transport.on("Put", async () => {
      await stored.promise;
      return undefined;
    });
    const space = client.namespace<string>();
    const began = performance.now();
    expect(await space.getOrCompute("k", () => "value", { ttl: "1h" })).toBe("value");
    expect(performance.now() - began).toBeGreaterThan(900);
    stored.resolve();
    await until("it is stored behind", async () => (await space.get("k")).hit);
  });

  it("keeps no place while its value is stored, and only so many values are being stored", async () => {
    const { client, transport, log } = scripted({ computationsMax: 1 });
    const stored = Promise.withResolvers<void>();
    transport.on("Put", async () => {
      await stored.promise;
      return undefined;
    });
    const space = client.namespace<string>();
    const first = space.getOrCompute("a", () => "first");
    await until("it is being stored", () => transport.of("Put").length === 1);
    expect(await space.getOrCompute("b", () => "second")).toBe("second");
    await until("it is given back", () => transport.of("ReleaseLease").length === 1);
    expect(transport.of("ReleaseLease")[0]?.request.key).toBe("b");
    expect(log.said.join()).toContain("are being stored");
    stored.resolve();
    expect(await first).toBe("first");
    await until("it is stored behind", async () => (await space.get("a")).hit);
    expect(transport.of("Put")).toHaveLength(1);
    expect(await space.getOrCompute("b", () => "third"), "there is a place again").toBe("third");
    expect((await space.get("b")).hit).toBe(true);
  });

  it("without a lease is not stored any further once its key was written", async () => {
    const { client, transport, log } = scripted();
    const arrived = Promise.withResolvers<AbortSignal | undefined>();
    transport.on("Put", async (sent, nth) => {
      if (nth > 1) return undefined;
      arrived.resolve(sent.how.signal);
      return await new Promise(() => undefined);
    });
    const space = client.namespace<string>();
    const asked = space.getOrCompute("k", () => "computed", { perProcess: true });
    const signal = await arrived.promise;
    await space.put("k", "written");
    expect(signal?.aborted).toBe(true);
    expect(await asked).toBe("computed");
    expect(await space.getValue("k")).toBe("written");
    expect(log.said.join()).toContain("was outdated while it was stored");
  });

  it("is refused before it runs where its value could not be stored", async () => {
    const { client, transport } = scripted();
    const space = client.namespace<string>();
    let runs = 0;
    const compute = () => {
      runs += 1;
      return "value";
    };
    const wrong = [
      { ttl: "2 hours" },
      { refreshAhead: 0.5, refreshAheadXfetch: 1 },
      { rememberFailure: "2 hours" },
      { wait: "soon" },
      { timeoutMs: Number.NaN },
      { tags: ["\ud800"] },
      { tags: "abc" as never },
      { mode: "fresh" as never },
      { condition: "missing" as never },
    ];
    for (const options of wrong) {
      const asked = space.getOrCompute("k", compute, options);
      await expect(asked, JSON.stringify(options)).rejects.toMatchObject({ kind: "INVALID_ARGUMENT" });
    }
    expect(runs).toBe(0);
    expect(transport.sent).toEqual([]);
  });

  it("of another codec is another one", async () => {
    const { client } = scripted();
    const asText = json<string>((value) => String(value));
    const [one, two] = await Promise.all([
      client.namespace<number>("n").getOrCompute("k", () => 1),
      client.namespace<string>("n", { codec: asText }).getOrCompute("k", () => "1"),
    ]);
    expect([one, two]).toEqual([1, "1"]);
  });
});
