/** The first five minutes with the client, against the server that $HOTPLATE_URL names. It checks what it prints. */
import assert from "node:assert/strict";
// #region import
import { HotplateClient, json, key, select, ttl } from "@hotplate/client";

// #endregion

// #region report
interface Report {
  readonly model: string;
  readonly accuracy: number;
}

/** What every value that is read must be; Zod and its like fit as well. */
function isReport(value: unknown): Report {
  const report = value as Partial<Report>;
  if (typeof report.model !== "string" || typeof report.accuracy !== "number") throw new TypeError("no report");
  return report as Report;
}

let trainings = 0;

/** What is expensive: here it only takes a moment. */
async function train(model: string, signal?: AbortSignal): Promise<Report> {
  trainings += 1;
  await new Promise((resolve) => setTimeout(resolve, 50));
  signal?.throwIfAborted();
  return { model, accuracy: 0.93 };
}
// #endregion

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + 30_000;
  while (!(await holds())) {
    assert.ok(Date.now() < endsAt, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// #region client
// From HOTPLATE_URL and its companions; `new HotplateClient({ url: "hotplate://127.0.0.1:7070/ml" })` says it in code.
await using cache = HotplateClient.fromEnv();
const reports = cache.namespace<Report>("reports", { codec: json(isReport), nearCache: { bytesMax: "32MiB" } });
// #endregion

await reports.invalidate(select.everything());

// #region get_or_compute
// However many callers ask at once, in however many processes: one computes, all get the value.
const asked = Array.from({ length: 20 }, () =>
  reports.getOrCompute(key("report").id("abc-123"), ({ signal }) => train("abc-123", signal), {
    ttl: ttl.LONG,
    tags: ["model:abc-123"],
  }),
);
const [first] = await Promise.all(asked);
console.log(`trained ${trainings} time, accuracy ${first?.accuracy}`);
// #endregion
assert.equal(trainings, 1);

// #region put_get
await reports.put("report:manual", { model: "manual", accuracy: 0.5 }, { ttl: "1h30m" });
const found = await reports.get("report:manual", { timeoutMs: 200 });
switch (found.outcome) {
  case "hit":
    console.log(`accuracy ${found.value.accuracy}, from ${found.tier}, fresh for ${Math.round(found.freshForMs)} ms`);
    break;
  case "negative":
    console.log(`known to be absent: ${found.reason}`);
    break;
  case "miss":
    console.log(`not there: ${found.reason}`);
}
// #endregion
assert.ok(found.hit && found.value.accuracy === 0.5);

// #region cached
// A function with a cache in front: the same signature, one key for each list of arguments.
const accuracyOf = cache.namespace<number>("accuracy").cached(async (model: string) => (await train(model)).accuracy, {
  prefix: ["accuracy"],
  ttl: "10m",
  tags: (model) => [`model:${model}`],
});
console.log(`${await accuracyOf("xyz")} and ${await accuracyOf("xyz")} under ${accuracyOf.key("xyz")}`);
// #endregion
await accuracyOf.forget("xyz");

// #region invalidate
const dropped = await reports.invalidate({ tags: ["model:abc-123"] });
console.log(`dropped: ${JSON.stringify(dropped)}`);
// #endregion
assert.deepEqual(dropped, { outcome: "done", matched: 1 });
assert.equal((await reports.get(key("report").id("abc-123"))).outcome, "miss");

await until("the near cache serves", async () => {
  const again = await reports.get("report:manual");
  return again.hit && again.near;
});
// #region near
// The first read opens the stream of changes. Once that is there, this process answers by itself, for as long as the server
// vouches for the value.
const kept = await reports.get("report:manual");
if (kept.hit) console.log(`answered by ${kept.near ? "this process" : "the server"}, ${Math.round(kept.ageMs)} ms old`);
console.log(`near cache: ${reports.nearStats?.entries} entry of ${reports.nearStats?.bytes} bytes`);
// #endregion
assert.ok(kept.hit && kept.near);
assert.ok((reports.nearStats?.hits ?? 0) >= 1);

// #region watch
for await (const item of reports.watch({ selectors: [select.prefix("report:")] })) {
  if (item.type === "created") {
    // Every change from here on is told.
    await reports.put("report:news", { model: "news", accuracy: 0.7 });
  } else if (item.type === "events") {
    console.log(item.events.map((event) => `${event.type} ${event.key}`).join(", "));
    break;
  }
}
// #endregion

console.log("walkthrough: all as promised");
