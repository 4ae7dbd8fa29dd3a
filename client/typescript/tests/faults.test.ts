/** Servers that are killed, paused, started again, and never there: what the client does meanwhile and afterwards. */
import { describe, expect, it, onTestFinished } from "vitest";
import { type ClientOptions, HotplateClient, HotplateError, json, raw, select } from "../src/index.js";
import { type LocalServer, type LocalServerOptions, startLocalServer } from "../src/testing/index.js";
import { MemoryLog, until } from "./support/client.js";

async function server(options: LocalServerOptions = {}): Promise<LocalServer> {
  const started = await startLocalServer({ args: ["--memory-entries-max", "1000"], ...options });
  onTestFinished(() => started.stop());
  return started;
}

function client(url: string, options: ClientOptions = {}): HotplateClient {
  const made = new HotplateClient({ url, log: new MemoryLog(), timeoutMs: 10_000, ...options });
  onTestFinished(() => made.close());
  return made;
}

describe("a server that is not there", () => {
  it("is a miss, a dropped write, a remembered invalidation and a computation", async () => {
    const away = client("hotplate://127.0.0.1:1");
    const space = away.namespace();
    expect(await space.get("a")).toMatchObject({ outcome: "miss", reason: "unavailable" });
    expect(await space.getMany(["a", "b"])).toMatchObject([{ outcome: "miss" }, { outcome: "miss" }]);
    expect(await space.put("a", 1)).toEqual({ outcome: "dropped", reason: "unavailable" });
    expect(await space.invalidate(select.key("a"))).toEqual({ outcome: "queued" });
    expect(await space.touch("a", 1)).toBe(false);
    expect(await space.exists("a")).toBe(false);
    expect(await space.getOrCompute("a", () => 7)).toBe(7);
    expect(away.invalidationsWaiting).toBe(1);
  });

  it("is an error where that is asked for, and for what has no fallback", async () => {
    const space = client("hotplate://127.0.0.1:1", { onError: "raise" }).namespace();
    const calls = [space.get("a"), space.put("a", 1), space.invalidate(select.key("a")), space.stats()];
    for (const settled of await Promise.allSettled<unknown>(calls)) {
      expect(settled).toMatchObject({ status: "rejected", reason: { kind: "UNAVAILABLE" } });
    }
    const quiet = client("hotplate://127.0.0.1:1").namespace();
    await expect(quiet.readStream("a")).rejects.toBeInstanceOf(HotplateError);
  });

  it("bounds what is remembered", async () => {
    const space = client("hotplate://127.0.0.1:1", { journalMax: 2 }).namespace();
    await space.invalidate([select.key("a"), select.key("b")]);
    const full = space.invalidate(select.key("c"));
    await expect(full).rejects.toMatchObject({ kind: "RESOURCE_EXHAUSTED", reason: "JOURNAL_FULL" });
  });
});

describe("a server that is killed", () => {
  it("is done without, and told what was invalidated when it is back", async () => {
    const first = await server();
    const changes: boolean[] = [];
    const one = client(first.url, { onAvailability: (available) => changes.push(available) });
    const space = one.namespace();
    await space.put("a", 1, { ttl: "1h" });
    await first.kill();
    await until("it is found out", async () => {
      await space.get("a");
      return !one.available;
    });
    const began = performance.now();
    expect(await space.get("a")).toMatchObject({ outcome: "miss", reason: "unavailable" });
    expect(performance.now() - began, "without asking").toBeLessThan(500);
    expect(await space.invalidate(select.tag("t"))).toEqual({ outcome: "queued" });
    const second = await server({ listen: first.grpc });
    expect(second.grpc).toBe(first.grpc);
    await until("what was remembered is carried out", () => one.invalidationsWaiting === 0);
    await until("it stores again", async () => (await space.put("b", 2)).outcome === "stored");
    expect(changes).toEqual([false, true]);
    expect(one.degradation.invalidationsReplayed).toBe(1);
  });

  it("has its watches go on by themselves", async () => {
    const first = await server();
    const space = client(first.url).namespace();
    const watch = space.watch({ progressInterval: "100ms" });
    expect((await watch.next()).value?.type).toBe("created");
    await first.kill();
    const types: string[] = [];
    const told = (async () => {
      for await (const item of watch) {
        types.push(item.type);
        if (item.type === "events") return item.events[0]?.key;
      }
      return undefined;
    })();
    await until("the loss is told", () => types.includes("lost"));
    await server({ listen: first.grpc });
    await until("it follows again", () => types.includes("created"));
    await until("it stores again", async () => (await space.put("new", 1)).outcome === "stored");
    expect(await told).toBe("new");
    expect(types, "another history").toContain("discontinuity");
  });

  it("has nothing of before served from near", async () => {
    const first = await server();
    const space = client(first.url, { nearCache: { progressMax: "500ms" } }).namespace();
    await space.put("n", "before", { ttl: "1h" });
    await until("it is kept", async () => {
      const found = await space.get("n");
      return found.hit && found.near;
    });
    await first.kill();
    await until("nothing is served", async () => (await space.get("n")).outcome === "miss");
    await server({ listen: first.grpc });
    await until("it stores again", async () => (await space.put("n", "after", { ttl: "1h" })).outcome === "stored");
    await until("it is kept again", async () => {
      const found = await space.get("n");
      expect(found.hit ? found.value : "after").toBe("after");
      return found.hit && found.near;
    });
  });
});

describe("a server that is paused", () => {
  it("is a miss in time, and stops what is near", async () => {
    const paused = await server();
    const space = client(paused.url, { timeoutMs: 300, nearCache: { progressMax: "500ms" } }).namespace();
    await until("it is stored", async () => (await space.put("n", 1, { ttl: "1h" })).outcome !== "dropped");
    await until("it is kept", async () => {
      const found = await space.get("n");
      return found.hit && found.near;
    });
    paused.signal("SIGSTOP");
    await until("nothing is served any more", async () => {
      const found = await space.get("n");
      return found.outcome === "miss" && found.reason === "timeout";
    });
    expect(await space.getOrCompute("n", () => "own")).toBe("own");
    paused.signal("SIGCONT");
    await until("it is there again", async () => (await space.get("n")).hit);
  });
});

describe("large values", () => {
  const bytes = new Uint8Array(9_000_001).map((_, n) => (n * 31 + (n >> 8) * 7) & 255);

  it("go as streams by themselves, and are what they were", async () => {
    const started = await server({ args: ["--memory-entries-max", "1000"] });
    const space = client(started.url, { timeoutMs: 20_000 }).namespace("large", { codec: raw() });
    expect((await space.put("big", bytes, { ttl: "1h" })).outcome).toBe("stored");
    const found = await space.get("big");
    expect(found.hit && Buffer.compare(found.value, bytes)).toBe(0);
    const many = await space.getMany(["big", "none"]);
    expect(many[0]?.hit && Buffer.compare((many[0] as { value: Uint8Array }).value, bytes)).toBe(0);
    expect(await space.getOrCompute("made", () => bytes, { ttl: "1h" })).toBe(bytes);
    const again = await space.get("made");
    expect(again.hit && again.value.length).toBe(bytes.length);
    const text = client(started.url, { timeoutMs: 20_000 }).namespace("large", { codec: json<string>() });
    const long = "é".repeat(2_000_000);
    await text.put("text", long, { ttl: "1h" });
    expect(await text.getValue("text")).toBe(long);
  });

  it("are followed while they are written", async () => {
    const started = await server();
    const space = client(started.url, { timeoutMs: 20_000 }).namespace();
    const writing = await space.writeStream("tokens", { ttl: "1h" });
    await writing.send("a ");
    // What was sent may still be on its way.
    let following = await space.follow("tokens");
    await until("the server has begun with it", async () => {
      if (!following.found.hit) following = await space.follow("tokens");
      return following.found.hit;
    });
    const pieces: string[] = [];
    const followed = (async () => {
      for await (const piece of following) pieces.push(Buffer.from(piece).toString());
    })();
    await until("the first piece is there", () => pieces.length === 1);
    await writing.send("b ");
    await until("the second piece is there", () => pieces.length === 2);
    await writing.send("c");
    expect((await writing.finish()).outcome).toBe("stored");
    await followed;
    expect(pieces.join("")).toBe("a b c");
  });
});

describe("a token", () => {
  it("is told to be missing, and never shown", async () => {
    const started = await server();
    const space = client(started.url, { token: "not-a-token-that-is-known" }).namespace();
    const found = await space.get("a").catch((failure: unknown) => String(failure));
    expect(JSON.stringify(found)).not.toContain("not-a-token");
  });
});
