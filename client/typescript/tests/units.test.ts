/** The parts that need no server: bounds, budgets, orders, checksums, settings. */
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { create } from "@bufbuild/protobuf";
import { AnySchema, DurationSchema, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { crc32c, crc32cCombine } from "../src/blob/crc32c.js";
import { Breaker, FAILURES_MAX } from "../src/breaker.js";
import { decodeChecked, encodeChecked } from "../src/codec.js";
import { parseAddress } from "../src/endpoint.js";
import {
  formatDuration,
  HotplateClient,
  HotplateError,
  json,
  key,
  parseDuration,
  protobuf,
  raw,
  text,
  VERSION,
} from "../src/index.js";
import { shortened } from "../src/lease.js";
import { msgpack } from "../src/msgpack.js";
import { Glob } from "../src/near/glob.js";
import * as retry from "../src/retry.js";
import { settingsOf, withEnvironment } from "../src/settings.js";
import { Slots } from "../src/slots.js";
import { run, Waits } from "../src/within.js";

const codec = expect.objectContaining({ kind: "CODEC" });
const never = new AbortController().signal;
const notNeeded = new Promise<void>(() => undefined);

describe("the package", () => {
  it("says its version once", () => {
    const own = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
    expect(VERSION).toBe(own.version);
  });

  it("retries as all clients do", () => {
    const shared = JSON.parse(readFileSync(new URL("../../service_config.json", import.meta.url), "utf8"));
    const { retryPolicy } = shared.methodConfig[0];
    expect(retry.ATTEMPTS_MAX).toBe(retryPolicy.maxAttempts);
    expect(`${retry.BACKOFF_FIRST_MS / 1_000}s`).toBe(retryPolicy.initialBackoff);
    expect(`${retry.BACKOFF_MAX_MS / 1_000}s`).toBe(retryPolicy.maxBackoff);
    expect(retry.BACKOFF_MULTIPLIER).toBe(retryPolicy.backoffMultiplier);
    expect(retry.BUDGET_TOKENS).toBe(shared.retryThrottling.maxTokens);
    expect(retry.BUDGET_RATIO).toBe(shared.retryThrottling.tokenRatio);
  });
});

describe("retries", () => {
  const away = new HotplateError("UNAVAILABLE", "away");

  it("are for what is away, and not for an answer that something is still to come", () => {
    expect(retry.waitBefore(2, 3, away)).toBeGreaterThanOrEqual(16);
    expect(retry.waitBefore(4, 3, away)).toBeNull();
    expect(retry.waitBefore(2, 3, new HotplateError("INTERNAL", "no"))).toBeNull();
    expect(retry.waitBefore(2, 3, new HotplateError("UNAVAILABLE", "no", { reason: "TIER_PENDING" }))).toBeNull();
    expect(retry.waitBefore(2, 3, new HotplateError("UNAVAILABLE", "no", { retryAfterMs: 700 }))).toBe(700);
  });

  it("end while more than one call in ten fails", () => {
    const budget = new retry.Budget();
    const allowed = Array.from({ length: 60 }, () => budget.failed()).filter(Boolean).length;
    expect(allowed).toBe(49);
    for (let n = 0; n < 200; n += 1) budget.succeeded();
    expect(budget.failed()).toBe(true);
  });
});

describe("the breaker", () => {
  it("opens at the fifth failure in a row, and lets one call an interval through until one succeeds", () => {
    let now = 0;
    const changes: boolean[] = [];
    const breaker = new Breaker(
      (available) => changes.push(available),
      () => now,
    );
    for (let n = 1; n < FAILURES_MAX; n += 1) breaker.failed();
    expect(breaker.admits() && breaker.available).toBe(true);
    breaker.failed();
    expect(breaker.available || breaker.admits()).toBe(false);
    now += 790;
    expect(breaker.admits(), "no probe before the shortest interval").toBe(false);
    now += 420;
    expect(breaker.admits(), "a probe after the longest").toBe(true);
    expect(breaker.admits(), "only one").toBe(false);
    now += 1_210;
    expect(breaker.admits(), "a probe that never reports back does not block the next").toBe(true);
    breaker.succeeded();
    expect(breaker.available && breaker.admits() && breaker.admits()).toBe(true);
    expect(changes).toEqual([false, true]);
    expect(breaker.opened).toBe(1);
  });
});

describe("places for computations", () => {
  it("are given in the order of asking, given back once, and passed on by who gave up", async () => {
    const slots = new Slots(1);
    const first = await slots.take(notNeeded, never);
    const order: string[] = [];
    const gaveUp = new AbortController();
    const second = slots.take(notNeeded, gaveUp.signal);
    const third = slots.take(notNeeded, never).then((release) => {
      order.push("third");
      return release;
    });
    gaveUp.abort();
    await expect(second).rejects.toMatchObject({ kind: "CANCELLED" });
    expect(slots.tryTake()).toBeNull();
    first?.();
    first?.();
    (await third)?.();
    expect(order).toEqual(["third"]);
    const again = slots.tryTake();
    expect(again).not.toBeNull();
    expect(slots.tryTake(), "given back once only").toBeNull();
  });

  it("are not for who gave up already", async () => {
    const slots = new Slots(1);
    await expect(slots.take(notNeeded, AbortSignal.abort())).rejects.toMatchObject({ kind: "CANCELLED" });
    expect(slots.tryTake(), "it is still there").not.toBeNull();
  });

  it("are not needed by what another computation waits for", async () => {
    const slots = new Slots(1);
    const held = slots.tryTake();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = slots.take(promise, never);
    resolve();
    expect(await waiting).toBeNull();
    held?.();
    expect(slots.tryTake()).not.toBeNull();
  });
});

describe("who waits for whom", () => {
  it("is no circle", () => {
    const waits = new Waits();
    expect(waits.enter(1, 1)).toBe(false);
    expect(waits.enter(1, 2) && waits.enter(2, 3) && waits.enter(1, 3)).toBe(true);
    expect(waits.enter(3, 1)).toBe(false);
    waits.leave(2, 3);
    expect(waits.enter(3, 1), "still over one").toBe(false);
    waits.leave(1, 3);
    expect(waits.enter(3, 1)).toBe(true);
    waits.leave(3, 1);
    waits.leave(1, 2);
    expect(waits.size).toBe(0);
  });

  it("is forgotten with the computation", async () => {
    const within = { table: {}, id: 1, running: true };
    await run(within, () => Promise.resolve());
    expect(within.running).toBe(false);
  });
});

describe("globs", () => {
  it.each([
    ["a*c", "abbc", true],
    ["a*c", "abbd", false],
    ["*", "", true],
    ["a?c", "aéc", true],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[]a]", "]", true],
    ["[a-]", "-", true],
    ["\\*", "*", true],
    ["\\*", "x", false],
    ["a*b*c*d", "axbxcxe", false],
  ])("%s and %s: %s", (pattern, text, matches) => {
    expect(Glob.parse(pattern)?.matches(text)).toBe(matches);
  });

  it("know what is no pattern, and what every match begins with", () => {
    for (const bad of ["[a", "[z-a]", "a\\", "[]"]) expect(Glob.parse(bad), bad).toBeNull();
    expect(Glob.parse("model:\\*x*y")?.literal).toBe("model:*x");
  });

  it("take no longer than text times pattern", () => {
    const began = performance.now();
    expect(Glob.parse(`${"*a".repeat(8)}b`)?.matches("a".repeat(1_000))).toBe(false);
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe("checksums", () => {
  it("are CRC-32C", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array())).toBe(0);
  });

  it("of parts are that of the whole", () => {
    const bytes = new Uint8Array(10_007).map((_, n) => (n * 131 + (n >> 5)) & 255);
    for (const cut of [0, 1, 7, 8, 4_096, 10_006, 10_007]) {
      const first = crc32c(bytes.subarray(0, cut));
      const second = crc32c(bytes.subarray(cut));
      expect(crc32cCombine(first, second, bytes.length - cut)).toBe(crc32c(bytes));
      expect(crc32c(bytes.subarray(cut), first)).toBe(crc32c(bytes));
    }
  });
});

describe("values", () => {
  it("of another content type or encoding are refused before they are read", () => {
    const read = (type: string, encoding = "") => decodeChecked(json(), type, encoding, Buffer.from("7"));
    expect(read("application/json")).toBe(7);
    expect(read("Application/JSON; charset=utf-8")).toBe(7);
    expect(read("application/problem+json")).toBe(7);
    for (const bad of [() => read("text/plain"), () => read(""), () => read("application/json", "gzip")]) {
      expect(bad).toThrow(expect.objectContaining({ kind: "CODEC" }));
    }
    expect(decodeChecked(raw(), "anything/else", "", Buffer.from("x"))).toEqual(Buffer.from("x"));
  });

  it("that do not fit are not quoted", () => {
    const secret = Buffer.from('{"password":"hunter2"');
    for (const codec of [json(), msgpack()]) {
      try {
        decodeChecked(codec, codec.contentType, "", secret);
        expect.unreachable();
      } catch (failure) {
        expect(String(failure)).not.toMatch(/hunter2|password/);
        expect(failure).toMatchObject({ kind: "CODEC" });
      }
    }
  });

  it("without a form are refused", () => {
    const circle: { own?: unknown } = {};
    circle.own = circle;
    const changed = [
      Number.NaN,
      [Number.POSITIVE_INFINITY],
      { m: new Map() },
      new Set(),
      { r: /x/ },
      Promise.resolve(1),
    ];
    const bytes = [{ bytes: new Uint8Array(1) }, Buffer.from("x"), [{ b: Buffer.from("x") }], new ArrayBuffer(1)];
    for (const bad of [undefined, () => 1, circle, 1n, ...changed, ...bytes]) {
      expect(() => encodeChecked(json(), bad)).toThrow(expect.objectContaining({ kind: "CODEC" }));
    }
    expect(Buffer.from(encodeChecked(json(), { at: new Date(0), left: undefined })).toString()).toBe(
      '{"at":"1970-01-01T00:00:00.000Z"}',
    );
    const wrong = { contentType: "x/y", encode: () => "text" as never, decode: () => 0 };
    expect(() => encodeChecked(wrong, 1)).toThrow(expect.objectContaining({ kind: "CODEC" }));
    expect(() => encodeChecked(raw(), "text" as never)).toThrow(expect.objectContaining({ kind: "CODEC" }));
  });

  it("that are text are text for every language", () => {
    const bytes = encodeChecked(text(), "grün");
    expect(text().contentType).toBe("text/plain");
    expect(decodeChecked(text(), "text/plain; charset=utf-8", "", bytes)).toBe("grün");
    expect(decodeChecked(text(), "Text/HTML", "", bytes)).toBe("grün");
    expect(() => decodeChecked(text(), "application/json", "", bytes)).toThrow(codec);
    expect(() => decodeChecked(text(), "text/plain", "", Buffer.from([0xff]))).toThrow(codec);
    for (const bad of ["\ud800", 7 as never]) expect(() => encodeChecked(text(), bad)).toThrow(codec);
  });

  it("that are messages are those of one type", () => {
    const messages = protobuf(DurationSchema);
    const bytes = encodeChecked(messages, create(DurationSchema, { seconds: 90n }));
    expect(messages.contentType).toBe("application/x-protobuf;type=google.protobuf.Duration");
    const named = ["", ";type=google.protobuf.Duration", '; Type="google.protobuf.Duration"; x=y'];
    for (const parameters of named) {
      expect(decodeChecked(messages, `application/x-protobuf${parameters}`, "", bytes).seconds).toBe(90n);
    }
    for (const other of ["application/x-protobuf;type=google.protobuf.Any", "application/json", ""]) {
      expect(() => decodeChecked(messages, other, "", bytes), other).toThrow(codec);
    }
    expect(() => decodeChecked(messages, messages.contentType, "", Buffer.from([0x08, 0x80]))).toThrow(codec);
    const wrong = [{ seconds: 90n }, create(AnySchema), create(DurationSchema, { seconds: "x" as never })];
    for (const bad of wrong) expect(() => encodeChecked(messages, bad as never)).toThrow(codec);
    const half = create(StringValueSchema, { value: "\ud800" });
    expect(() => encodeChecked(protobuf(StringValueSchema), half)).toThrow(codec);
    expect(protobuf(DurationSchema)).toBe(messages);
  });

  it("have one codec for a schema, by which callers share", () => {
    const schema = (value: unknown) => value as number;
    expect(json()).toBe(json<number>());
    expect(json(schema)).toBe(json(schema));
    expect(json(schema)).not.toBe(json());
    expect(msgpack(schema)).toBe(msgpack(schema));
    expect(raw()).toBe(raw());
  });

  it("are held to a schema that answers at once", async () => {
    const late = async (_value: unknown): Promise<number> => Promise.reject(new Error("later"));
    const standard = { "~standard": { version: 1 as const, vendor: "test", validate: late as never } };
    for (const schema of [late, standard]) {
      const codec = json(schema as (value: unknown) => unknown);
      expect(() => codec.decode(Buffer.from("1"))).toThrow(expect.objectContaining({ kind: "CODEC" }));
    }
    await new Promise((resolve) => setImmediate(resolve));
  });

  it("are held to a schema, as a function or by the Standard Schema interface", () => {
    const number = (value: unknown) => {
      if (typeof value !== "number") throw new TypeError("no number");
      return value;
    };
    const standard = {
      "~standard": {
        version: 1 as const,
        vendor: "test",
        validate: (value: unknown) =>
          typeof value === "number" ? { value } : { issues: [{ message: String(value) }] },
      },
    };
    for (const codec of [json(number), json(standard), msgpack(standard)]) {
      expect(codec.decode(codec.encode(7))).toBe(7);
      const other = codec.contentType === "application/json" ? Buffer.from('"x"') : msgpack().encode("x");
      expect(() => codec.decode(other)).toThrow(expect.objectContaining({ kind: "CODEC" }));
    }
  });
});

describe("texts of failures", () => {
  it("are cut to whole characters", () => {
    const long = `${"x".repeat(1_022)}é€`;
    expect(Buffer.byteLength(shortened(long))).toBe(1_024);
    expect(shortened(`${"x".repeat(1_023)}€`)).toBe("x".repeat(1_023));
    expect(shortened("short")).toBe("short");
  });
});

describe("keys", () => {
  it("are not told by what prints them", () => {
    expect(inspect(key("user", "alice@example.invalid"))).not.toContain("alice");
  });

  it("do not change", () => {
    const model = key("model");
    expect(model.id(1).render()).toBe("model:1");
    expect(model.render()).toBe("model");
  });

  it("refuse half of a surrogate pair, and leave out what is undefined", () => {
    expect(() => key("\ud800")).toThrow(expect.objectContaining({ field: "key" }));
    expect(key("k").params({ a: 1, b: undefined }).render()).toBe(key("k").params({ a: 1 }).render());
    const odd = [
      new Array(3),
      Object.assign([1], { more: 2 }),
      { [Symbol("s")]: 1 },
      new Map(),
      new Date(),
      [undefined],
    ];
    for (const value of odd) {
      expect(() => key("k").params(value as never)).toThrow(expect.objectContaining({ field: "key" }));
    }
  });
});

describe("durations", () => {
  it("are the same when they are read again", () => {
    for (const ms of [1, 999, 1_000, 61_001, 93_830_000, 604_800_000, 1_234_567_890]) {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }
  });
});

describe("settings", () => {
  const refused = (make: () => unknown) => expect(make).toThrow(expect.objectContaining({ kind: "CONFIGURATION" }));

  it("read addresses", () => {
    expect(parseAddress("hotplate://h:1/ml?timeout=250ms&profile=batch&tls=true")).toMatchObject({
      host: "h",
      port: 1,
      tls: true,
      namespace: "ml",
      timeoutMs: 250,
    });
    expect(parseAddress("h")).toMatchObject({ host: "h", port: 7070, tls: false, namespace: null });
    expect(parseAddress("https://h")).toMatchObject({ port: 443, tls: true });
    expect(parseAddress("http://h")).toMatchObject({ port: 80, tls: false });
    expect(parseAddress("[::1]:5")).toMatchObject({ host: "[::1]", port: 5 });
    for (const bad of [
      "ftp://h",
      "hotplate://",
      "hotplate://u:p@h",
      "hotplate://h?x=1",
      "hotplate://h?timeout=0",
      "hotplate://h?tls=1",
      "hotplate://h?tls=TRUE",
      "https://h?tls=false",
      "",
    ]) {
      refused(() => parseAddress(bad));
    }
  });

  it("keep a token from who listens in", () => {
    refused(() => settingsOf({ url: "hotplate://far.example.invalid", token: "s" }));
    expect(settingsOf({ url: "hotplate://127.0.0.1", token: "s" }).token).toBe("s");
    expect(settingsOf({ url: "https://far.example.invalid", token: "s" }).token).toBe("s");
    expect(settingsOf({ url: "hotplate://far.example.invalid", token: "s", allowInsecureToken: true }).token).toBe("s");
    refused(() => settingsOf({ token: "two\nlines" }));
    expect(inspect(new HotplateClient({ token: "a-secret-token" }), { depth: 9 })).not.toContain("a-secret-token");
  });

  it("are checked before anything is opened", () => {
    refused(() => settingsOf({ journalMax: 0 }));
    refused(() => settingsOf({ computationsMax: 1.5 }));
    refused(() => settingsOf({ connectionsMax: 65 }));
    refused(() => settingsOf({ clientId: "x".repeat(129) }));
    refused(() => settingsOf({ timeoutMs: 0 }));
    refused(() => settingsOf({ profile: "fast" as never }));
    refused(() => settingsOf({ tls: { ca: "no certificate" } }));
    refused(() => settingsOf({ tls: { certificate: "alone" } }));
    refused(() => settingsOf({ nearCache: { bytesMax: 1 } }));
    refused(() => settingsOf({ nearCache: { progressMax: "1ms" } }));
    refused(() => settingsOf({ nearCache: { follow: { prefixes: [] } } }));
    expect(settingsOf({ nearCache: { bytesMax: "32MiB" } }).near.all?.bytesMax).toBe(32 << 20);
  });

  it("come from the environment where code says nothing", () => {
    process.env["HOTPLATE_URL"] = "hotplate://a:1/x, hotplate://b:2";
    process.env["HOTPLATE_TIMEOUT"] = "250ms";
    process.env["HOTPLATE_CLIENT_PROFILE"] = "low_latency";
    try {
      const settings = settingsOf(withEnvironment({}));
      expect(settings.addresses.map((one) => one.host)).toEqual(["a", "b"]);
      expect(settings.namespace).toBe("x");
      expect(settings.profile).toEqual({ connectMs: 250, callMs: 250, bulkMs: 250 });
      expect(settingsOf(withEnvironment({ url: "c" })).addresses[0]?.host).toBe("c");
      process.env["HOTPLATE_CA_FILE"] = "/nowhere";
      refused(() => withEnvironment({}));
      expect(withEnvironment({ tls: false }).tls, "what code says stays").toBe(false);
      refused(() => settingsOf({ url: "https://h", tls: false }));
      const switches = ["1", "true", "0", "false", ""].map((text) => {
        process.env["HOTPLATE_DISABLE"] = text;
        return settingsOf({}).disabled;
      });
      expect(switches).toEqual([true, true, false, false, false]);
      for (const text of ["False", "yes", "2"]) {
        process.env["HOTPLATE_DISABLE"] = text;
        refused(() => settingsOf({}));
      }
    } finally {
      for (const name of ["URL", "TIMEOUT", "CLIENT_PROFILE", "CA_FILE", "DISABLE"]) {
        delete process.env[`HOTPLATE_${name}`];
      }
    }
  });
});
