/** A near cache and this client's own writes: what is under way, and what nobody knows the end of. */
import { expect, it } from "vitest";
import type { Namespace } from "../src/index.js";
import { until } from "./support/client.js";
import { scripted } from "./support/scripted.js";

async function kept(space: Namespace<number>, key: string): Promise<boolean> {
  const found = await space.get(key);
  return found.hit && found.near;
}

it("serves nothing near that this client is about to write", async () => {
  const { client, transport } = scripted({ nearCache: true });
  const space = client.namespace<number>();
  await space.put("k", 1, { ttl: "1h" });
  await until("it is kept", () => kept(space, "k"));
  const begun = Promise.withResolvers<void>();
  const going = Promise.withResolvers<void>();
  transport.on("Put", async () => {
    begun.resolve();
    await going.promise;
    return undefined;
  });
  const writing = space.put("k", 2, { ttl: "1h" });
  await begun.promise;
  expect(await kept(space, "k"), "from before the call on").toBe(false);
  // What was read meanwhile is from before the write, and must not be kept over it.
  const reading = space.get("k");
  going.resolve();
  await Promise.all([writing, reading]);
  expect(await space.getValue("k")).toBe(2);
  await until("it is kept again", () => kept(space, "k"));
  expect(await space.getValue("k")).toBe(2);
});

it("hears of its own writes from then on, where the end of one is not known", async () => {
  const { client, transport } = scripted({ nearCache: true });
  const space = client.namespace<number>();
  await space.put("k", 1, { ttl: "1h" });
  await until("it is kept", () => kept(space, "k"));
  expect(transport.of("Watch").map((one) => one.request.excludeClientId)).toEqual([client.clientId]);
  transport.on("Put", () => new Promise(() => undefined));
  expect(await space.put("k", 2, { timeoutMs: 20 })).toEqual({ outcome: "dropped", reason: "timeout" });
  await until("the stream is opened again", () => transport.of("Watch").length >= 2);
  expect(transport.of("Watch").at(-1)?.request.excludeClientId, "with this client's own").toBe("");
  // The write that timed out is carried out only now, as another's would be.
  const late = transport.cache.client({ clientId: client.clientId });
  await until("it is kept", () => kept(space, "k"));
  await late.namespace<number>().put("k", 3, { ttl: "1h" });
  await until("it is heard of", async () => (await space.getValue("k")) === 3);
  await late.close();
});
