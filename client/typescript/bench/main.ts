/**
 * Measures the client against a server that runs already, and prints one line of JSON:
 * `{mode, ops_per_s, p50_us, p99_us, errors}`. A miss is an error as well.
 *
 * `--mode unary`: one Get a call. `batched`: 100 Gets a call, each counted. `near`: reads that this process answers. `herd`: many
 * callers of one computation, of this and of other processes that run it at the same time; then `computations` (begun in this
 * process) and `max_wait_ms` as well.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { parseArgs } from "node:util";
import { HotplateClient, type Namespace, raw } from "../dist/index.js";
import { Measured } from "./measured.ts";

const KEYS = 1_000;
const BATCH = 100;
/** How long the computation of the herd is, in milliseconds. */
const HERD_TAKES_MS = 2_000;
/** Reads of a caller in a row that need no network, after which others have their turn: the stream of changes, too. */
const READS_IN_A_ROW = 100;

interface Options {
  readonly mode: string;
  readonly seconds: number;
  readonly inFlight: number;
  readonly value: Uint8Array;
}

/** Reads by so many callers, each one after the other, for so long. */
async function reads(space: Namespace<Uint8Array>, options: Options): Promise<object> {
  const { mode, seconds, inFlight, value } = options;
  const keys = Array.from({ length: KEYS }, (_, n) => `bench:typescript:${n}`);
  await space.putMany(
    keys.map((key) => [key, value] as const),
    { ttl: "1h" },
  );
  if (mode === "near") await warm(space, keys);
  const measured = new Measured();
  const endsAt = performance.now() + seconds * 1_000;
  const caller = async (number: number): Promise<void> => {
    for (let at = number * 31, turns = 1; performance.now() < endsAt; at += 1, turns += 1) {
      const began = performance.now();
      if (mode === "batched") {
        const from = (at * BATCH) % KEYS;
        const found = await space.getMany(keys.slice(from, from + BATCH));
        measured.took(began, BATCH, found.filter((one) => !one.hit).length);
      } else {
        const key = keys[at % KEYS] as string;
        const found = mode === "near" ? await space.getShared(key) : await space.get(key);
        measured.took(began, 1, found.hit ? 0 : 1);
        if (mode === "near" && turns % READS_IN_A_ROW === 0) await nextTurn();
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, number) => caller(number)));
  return measured.report(mode);
}

/** Reads until this process answers all of it. */
async function warm(space: Namespace<Uint8Array>, keys: readonly string[]): Promise<void> {
  const endsAt = performance.now() + 30_000;
  for (;;) {
    const found = await Promise.all(keys.map((key) => space.getShared(key)));
    if (found.every((one) => one.hit && one.near)) return;
    if (performance.now() > endsAt)
      throw new Error("the near cache does not serve: has the server room for 1,000 values?");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** All callers ask for one computation at once. */
async function herd(space: Namespace<Uint8Array>, options: Options): Promise<object> {
  const measured = new Measured();
  let computations = 0;
  const compute = async (): Promise<Uint8Array> => {
    computations += 1;
    await new Promise((resolve) => setTimeout(resolve, HERD_TAKES_MS));
    return options.value;
  };
  const caller = async (): Promise<void> => {
    const began = performance.now();
    try {
      await space.getOrCompute("bench:herd", compute, { ttl: "1m" });
      measured.took(began, 1, 0);
    } catch (failure) {
      console.error(String(failure));
      measured.took(began, 1, 1);
    }
  };
  await Promise.all(Array.from({ length: options.inFlight }, caller));
  return { ...measured.report(options.mode), computations, max_wait_ms: Math.round(measured.longestMs) };
}

const { values } = parseArgs({
  options: {
    url: { type: "string", default: process.env["HOTPLATE_URL"] ?? "hotplate://127.0.0.1:7070" },
    mode: { type: "string", default: "unary" },
    seconds: { type: "string", default: "5" },
    "in-flight": { type: "string", default: "32" },
    "value-size": { type: "string", default: "1024" },
  },
});
const seconds = Number(values.seconds);
const inFlight = Number(values["in-flight"]);
const size = Number(values["value-size"]);
if (!["unary", "batched", "near", "herd"].includes(values.mode)) {
  console.error("--mode is unary, batched, near or herd");
  process.exit(2);
}
if (!(seconds > 0) || !(inFlight >= 1) || !(size >= 0)) {
  console.error("--seconds is above zero, --in-flight a number from 1, --value-size a number of bytes");
  process.exit(2);
}
const options = { mode: values.mode, seconds, inFlight, value: new Uint8Array(size) };
const client = new HotplateClient({ url: values.url, nearCache: values.mode === "near", onError: "raise" });
try {
  const space = client.namespace(undefined, { codec: raw() });
  console.log(JSON.stringify(await (values.mode === "herd" ? herd(space, options) : reads(space, options))));
} finally {
  await client.close();
}
