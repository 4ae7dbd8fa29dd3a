/** What the client leaves alone: its callers' memory, processes and surroundings, and what logs must not hear. */
import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isInterruption } from "../src/blob/failures.js";
import { either, linked } from "../src/either.js";
import { serverProgram } from "../src/env.js";
import { HotplateError, json, type Log } from "../src/index.js";
import { clientOf, MemoryLog, until } from "./support/client.js";
import { scripted } from "./support/scripted.js";

/** Runs a program of its own, with what was built; answers what it said and how it ended. */
async function run(program: string): Promise<{ said: string; code: number | null }> {
  const dist = fileURLToPath(new URL("../dist/", import.meta.url));
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "--eval", program], {
    env: { PATH: process.env["PATH"], DIST: `file://${dist}`, HOTPLATE_BIN: serverProgram() ?? "" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const late = setTimeout(() => child.kill("SIGKILL"), 50_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(late);
  return { said, code };
}

describe("a process", () => {
  it("ends by itself when an invalidation is remembered and nobody is there", async () => {
    const program = `
      const { HotplateClient } = await import(process.env.DIST + "index.js");
      const client = new HotplateClient({ url: "hotplate://127.0.0.1:1" });
      console.log((await client.namespace().invalidate({ key: "k" })).outcome);
    `;
    expect(await run(program)).toEqual({ said: "queued\n", code: 0 });
  });

  it("takes the server of its tests with it", async () => {
    const program = `
      const { startLocalServer } = await import(process.env.DIST + "testing/index.js");
      const server = await startLocalServer();
      console.log(server.pid);
      throw new Error("a test that fails");
    `;
    const { said, code } = await run(program);
    expect(code).toBe(1);
    const pid = Number(said);
    expect(pid).toBeGreaterThan(1);
    await until("the server is gone", () => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
  });
});

describe("a signal that lives as long as the client", () => {
  it("keeps nothing of what followed it", async () => {
    const long = new AbortController();
    const { signal, unlink } = linked([undefined, long.signal, new AbortController().signal]);
    expect(getEventListeners(long.signal, "abort")).toHaveLength(1);
    unlink();
    expect(getEventListeners(long.signal, "abort")).toHaveLength(0);
    long.abort();
    expect(signal.aborted).toBe(false);
    expect(linked([long.signal]).signal.aborted).toBe(true);
    await expect(either(new Promise(() => undefined), [long.signal])).rejects.toMatchObject({ kind: "CANCELLED" });
  });

  it("is left alone by leases, calls, streams and watches that have ended", async () => {
    const { client } = scripted();
    const space = client.namespace<number>();
    const signal = client.calls.closing as AbortSignal;
    const before = getEventListeners(signal, "abort").length;
    for (let n = 0; n < 20; n += 1) {
      await space.getOrCompute(`k${n}`, () => n);
      await space.get(`k${n}`);
      const watch = space.watch();
      await watch.next();
      await watch.return();
      space.watch();
      space.preload([{ key: "k" }]);
      const stream = await space.readStream(`k${n}`);
      await stream.bytes();
      const writing = await space.writeStream(`w${n}`);
      await writing.finish();
    }
    await until("heartbeats have ended", () => getEventListeners(signal, "abort").length <= before);
  });
});

describe("the surroundings of a caller", () => {
  it("are not those of the client's own work", async () => {
    const storage = new AsyncLocalStorage<string>();
    const { client, transport } = scripted({ nearCache: true });
    const heard: (string | undefined)[] = [];
    const hear = () => {
      heard.push(storage.getStore());
      return undefined;
    };
    transport.on("Watch", hear).on("ReleaseLease", hear);
    const space = client.namespace<number>();
    await storage.run("a request", async () => {
      await space.get("k");
      const failing = space.getOrCompute("k", () => Promise.reject(new Error("no")));
      await expect(failing).rejects.toMatchObject({ kind: "COMPUTE" });
    });
    await until("the feed and the release are made", () => heard.length >= 2);
    expect(new Set(heard)).toEqual(new Set([undefined]));
  });

  it("are not kept by it", async () => {
    const program = `
      const { AsyncLocalStorage } = await import("node:async_hooks");
      const { memoryClient } = await import(process.env.DIST + "testing/index.js");
      const storage = new AsyncLocalStorage();
      const collected = new FinalizationRegistry((name) => { console.log(name); process.exit(); });
      const { client } = memoryClient({ nearCache: true });
      const request = async () => {
        const context = { first: true };
        collected.register(context, "collected");
        await storage.run(context, () => client.namespace().get("k"));
      };
      await request();
      setInterval(() => gc(), 20);
    `;
    expect(await run(program)).toEqual({ said: "collected\n", code: 0 });
  });

  it("are those of their computations", async () => {
    const storage = new AsyncLocalStorage<string>();
    const { client } = scripted();
    const asked = storage.run("a request", () => client.namespace().getOrCompute("k", () => storage.getStore()));
    expect(await asked).toBe("a request");
  });
});

describe("a log", () => {
  it("hears nothing of what a caller's function threw", async () => {
    const heard: string[] = [];
    const hear = (message: string, error?: HotplateError) => heard.push(`${message} ${error} ${String(error?.cause)}`);
    const log: Log = { debug: hear, warn: hear, error: hear };
    const { client, transport } = scripted({ log });
    const space = client.namespace<string>();
    await space.put("k", "old", { ttl: "1h", staleFor: "1h" });
    await space.markStale({ key: "k" });
    const failing = () => Promise.reject(new Error("password=hunter2"));
    expect(await space.getOrCompute("k", failing, { staleIfError: true })).toBe("old");
    expect(await space.getOrCompute("k", failing, { staleWhileRevalidate: true })).toBe("old");
    await until("both are said", () => heard.length >= 2);
    const throwing = { contentType: "text/x", encode: () => Promise.reject(), decode: () => "" } as never;
    await client.namespace<string>("x", { codec: throwing }).getOrCompute("k", () => "value");
    transport.on("ReleaseLease", () => {
      throw new Error("a fault that quotes hunter2");
    });
    await expect(space.getOrCompute("other", failing)).rejects.toMatchObject({ message: "password=hunter2" });
    await until("the lease's loss is said", () => heard.some((one) => one.includes("lapses")));
    expect(heard.join("\n")).not.toContain("hunter2");
  });

  it("that fails does not take the client with it", async () => {
    const fail = () => {
      throw new Error("no disk");
    };
    const { client } = scripted({ log: { debug: fail, warn: fail, error: fail } });
    const space = client.namespace<unknown>();
    expect(await space.getOrCompute("k", () => () => "no form")).toBeTypeOf("function");
  });

  it("hears once that there are too many near caches", async () => {
    const { client, log } = scripted({ nearCache: true });
    for (let n = 0; n < 70; n += 1) {
      const space = client.namespace(`n${n}`);
      await space.get("k");
      await space.get("k");
    }
    expect(log.said.filter((one) => one.includes("near caches"))).toHaveLength(1);
  });

  it("is not told what another wrote as it is", async () => {
    const client = clientOf({ log: new MemoryLog() });
    const odd = { contentType: "text/x\u001b[31m\nx", encode: () => new Uint8Array(1), decode: () => 0 };
    await client.namespace<number>("odd", { codec: odd }).put("k", 1);
    const failed = await client.namespace("odd").get("k").catch(String);
    expect(failed).toContain("CODEC");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there.
    expect(failed).not.toMatch(/[\u0000-\u001f]/);
  });
});

describe("an upload", () => {
  it("goes on after its own older stream took it over", () => {
    const taken = new HotplateError("FAILED_PRECONDITION", "taken over", { reason: "UPLOAD_TAKEN_OVER" });
    expect(isInterruption(taken)).toBe(true);
    expect(isInterruption(new HotplateError("FAILED_PRECONDITION", "no"))).toBe(false);
  });

  it("says what it is, so that a codec reads it or does not", async () => {
    const { client } = scripted();
    const space = client.namespace<unknown>();
    const text = await space.writeStream("text");
    await text.send("no JSON");
    await text.finish();
    await expect(space.get("text")).rejects.toMatchObject({ kind: "CODEC" });
    const typed = await space.writeStream("typed", { contentType: json().contentType });
    await typed.send('{"n":');
    await typed.send("1}");
    await typed.finish();
    expect(await space.getValue("typed")).toEqual({ n: 1 });
  });
});
