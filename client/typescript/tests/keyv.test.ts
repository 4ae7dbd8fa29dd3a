/** Keyv's own test suite, unmodified, and what it does not ask. */
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { createCache } from "cache-manager";
import Keyv, { type KeyvStoreAdapter } from "keyv";
import * as test from "vitest";
import { HotplateClient } from "../src/index.js";
import { KeyvHotplate } from "../src/keyv.js";
import { clientOf, freshName } from "./support/client.js";

const { afterAll, describe, expect, inject, it } = test;

describe("the suite of @keyv/test-suite", () => {
  const url = `hotplate://${inject("server")}/${freshName()}`;
  const client = new HotplateClient({ url });
  const store = () => new KeyvHotplate(client.namespace());
  keyvTestSuite(test, Keyv, store);
  keyvIteratorTests(test, Keyv, store);
  afterAll(() => client.close());
});

describe("what the suite does not ask", () => {
  it("is a store by Keyv's own type", () => {
    const adapter: KeyvStoreAdapter = new KeyvHotplate(clientOf().namespace());
    expect(adapter).toBeInstanceOf(KeyvHotplate);
  });

  it("serves cache-manager", async () => {
    const manager = createCache({ stores: [new Keyv({ store: new KeyvHotplate(clientOf().namespace()) })] });
    let computed = 0;
    const compute = () => {
      computed += 1;
      return Promise.resolve({ n: computed });
    };
    expect(await manager.wrap("w", compute, 60_000)).toEqual({ n: 1 });
    expect(await manager.wrap("w", compute, 60_000)).toEqual({ n: 1 });
    await manager.mset([
      { key: "a", value: 1 },
      { key: "b", value: 2, ttl: 60_000 },
    ]);
    expect(await manager.mget(["a", "b", "c"])).toEqual([1, 2, undefined]);
    expect(await manager.del("a")).toBe(true);
    expect(await manager.get("a")).toBeUndefined();
    await manager.clear();
    expect(await manager.get("b")).toBeUndefined();
  });

  it("takes milliseconds", async () => {
    const space = clientOf().namespace();
    const keyv = new Keyv({ store: new KeyvHotplate(space), namespace: "n" });
    await keyv.set("a", 1, 3_600_000);
    expect(await space.ttlMs("n:a")).toBeGreaterThan(3_000_000 / 2);
    expect(await space.ttlMs("n:a")).toBeLessThanOrEqual(3_600_000);
  });

  it("stores many at once, and values that are not serialized", async () => {
    const store = new KeyvHotplate(clientOf().namespace());
    await store.setMany([
      { key: "a", value: "text", ttl: 60_000 },
      { key: "b", value: { n: 1 } },
      { key: "c", value: "\0begins oddly" },
    ]);
    expect(await store.getMany(["a", "b", "c", "d"])).toEqual(["text", { n: 1 }, "\0begins oddly", undefined]);
    expect(await store.hasMany(["a", "d"])).toEqual([true, false]);
    expect(await store.deleteMany(["a", "b"])).toBe(true);
    expect(await store.get("a")).toBeUndefined();
  });

  it("is bounded in what it asks, and in how long it keeps", async () => {
    const space = clientOf().namespace();
    const store = new KeyvHotplate(space, { ttl: "1h" });
    const heard: unknown[] = [];
    store.on("error", (error) => heard.push(error));
    await store.set("for ever", 1, Number.POSITIVE_INFINITY);
    expect(await space.ttlMs("for ever")).toBeLessThanOrEqual(3_600_000);
    await expect(store.set("too long", 1, 1e300), "as the server says").rejects.toMatchObject({
      reason: "TTL_OUT_OF_BOUNDS",
    });
    await expect(store.set("never", 1, Number.NaN)).rejects.toMatchObject({ kind: "INVALID_ARGUMENT" });
    const keys = Array.from({ length: 100 }, (_, n) => `none ${n}`);
    expect(await store.hasMany([...keys, "for ever"])).toEqual([...keys.map(() => false), true]);
    await space.withCodec({ contentType: "text/x", encode: () => new Uint8Array(1), decode: () => 0 }).put("odd", 0);
    expect(await store.getMany(["odd", "for ever"])).toEqual([undefined, 1]);
    expect(heard.at(-1)).toMatchObject({ kind: "CODEC" });
  });

  it("emits what fails, and goes on without a cache that is away", async () => {
    const client = clientOf();
    const store = new KeyvHotplate(client.namespace());
    const heard: unknown[] = [];
    store.on("error", (error) => heard.push(error));
    await expect(store.get("")).rejects.toMatchObject({ reason: "BAD_KEY" });
    expect(heard).toHaveLength(1);
    const away = new KeyvHotplate({ url: "hotplate://127.0.0.1:1", timeoutMs: 200 });
    expect(await away.get("a")).toBeUndefined();
    expect(await away.set("a", "b")).toBe(false);
    await away.disconnect();
  });
});
