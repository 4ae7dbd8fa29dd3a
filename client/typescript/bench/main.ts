/**
 * Measures the client against a server that runs already, and prints one line of JSON:
 * `{mode, ops_per_s, p50_us, p99_us, errors}`.
 *
 * `--mode unary` gets of one key each; `batched` gets of 100 keys, each counted as an operation; `near` gets that this process
 * answers; `herd` callers who ask for the same computation, many times in a row, each time under another key.
 */
import { parseArgs } from "node:util";
import { HotplateClient, raw } from "../dist/index.js";

const KEYS = 1_000;
const BATCH = 100;
const SAMPLES_MAX = 200_000;

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "hotplate://127.0.0.1:7070" },
    mode: { type: "string", default: "unary" },
    seconds: { type: "string", default: "3" },
    "in-flight": { type: "string", default: "16" },
    "value-size": { type: "string", default: "1024" },
  },
});
const seconds = Number(values.seconds);
const inFlight = Number(values["in-flight"]);
const value = new Uint8Array(Number(values["value-size"])).fill(7);

const client = new HotplateClient({ url: values.url, nearCache: values.mode === "near" });
const space = client.namespace("bench", { codec: raw() });
const keys = Array.from({ length: KEYS }, (_, n) => `bench:${n}`);
let errors = 0;
let operations = 0;
const took: number[] = [];

function next(n: number): string {
  return keys[n % KEYS] as string;
}

/** One turn of a caller, and how many operations it is. */
const turns: Record<string, (n: number) => Promise<number>> = {
  async unary(n) {
    const found = await space.get(next(n));
    if (!found.hit) errors += 1;
    return 1;
  },
  async batched(n) {
    const found = await space.getMany(Array.from({ length: BATCH }, (_, at) => next(n * BATCH + at)));
    errors += found.filter((one) => !one.hit).length;
    return BATCH;
  },
  async near(n) {
    const found = await space.getShared(next(n % 10));
    if (!(found.hit && found.near)) errors += 1;
    return 1;
  },
  async herd(n) {
    // All callers are on the same round at about the same time: whoever is first computes.
    await space.getOrCompute(`herd:${process.pid}:${Math.floor(n / inFlight)}`, () => value, { ttl: 60 });
    return 1;
  },
};

const turn = turns[values.mode];
if (turn === undefined) {
  console.error(`--mode is one of ${Object.keys(turns).join(", ")}`);
  process.exit(2);
}
await space.putMany(
  keys.map((key) => [key, value] as const),
  { ttl: 3_600 },
);
if ((await space.getMany(keys)).some((one) => !one.hit)) {
  console.error("the server does not hold 1,000 values: is it there, and has it room?");
  process.exit(1);
}
if (values.mode === "near") await warm();

let count = 0;
const began = performance.now();
const endsAt = began + seconds * 1_000;
await Promise.all(
  Array.from({ length: inFlight }, async () => {
    while (performance.now() < endsAt) {
      const from = performance.now();
      count += 1;
      try {
        const done = await (turn as (n: number) => Promise<number>)(count);
        operations += done;
      } catch {
        errors += 1;
      }
      if (took.length < SAMPLES_MAX) took.push(performance.now() - from);
    }
  }),
);
const lasted = (performance.now() - began) / 1_000;
took.sort((a, b) => a - b);
const microseconds = (share: number) => Math.round((took[Math.floor((took.length - 1) * share)] ?? 0) * 1_000);
console.log(
  JSON.stringify({
    mode: values.mode,
    ops_per_s: Math.round(operations / lasted),
    p50_us: microseconds(0.5),
    p99_us: microseconds(0.99),
    errors,
  }),
);
await client.close();

/** Reads until this process answers all keys that are asked for. */
async function warm(): Promise<void> {
  const until = performance.now() + 30_000;
  for (;;) {
    const found = await Promise.all(keys.slice(0, 10).map((key) => space.get(key)));
    if (found.every((one) => one.hit && one.near)) return;
    if (performance.now() > until) throw new Error("the near cache does not serve");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
