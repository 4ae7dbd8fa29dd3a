/** What the types promise: that wrong programs do not compile. */
import { expect, expectTypeOf, it } from "vitest";
import type { Hit, Lookup, Miss, Negative, Written } from "../src/index.js";
import { memoryClient } from "../src/testing/index.js";

it("tells hits, negatives and misses apart", async () => {
  const { client } = memoryClient();
  const space = client.namespace<{ n: number }>("typed");
  const found = await space.get("a");
  expectTypeOf(found).toEqualTypeOf<Lookup<{ n: number }>>();
  if (found.hit) expectTypeOf(found).toEqualTypeOf<Hit<{ n: number }>>();
  else expectTypeOf(found).toEqualTypeOf<Negative | Miss>();
  expectTypeOf(await space.put("a", { n: 1 })).toEqualTypeOf<Written>();
  // @ts-expect-error A value of another type.
  await space.put("a", { n: "1" });
  expectTypeOf(await space.getOrCompute("a", () => ({ n: 1 }))).toEqualTypeOf<{ n: number }>();
  // @ts-expect-error A computation of another type.
  expect(await space.getOrCompute("b", () => "text")).toBe("text");
  const cached = space.cached((n: number, _why?: string) => ({ n }), { prefix: ["p"] });
  expectTypeOf(cached).toBeCallableWith(1, "because");
  // @ts-expect-error An argument of another type.
  expect(() => cached.key("1")).not.toThrow();
  expect(await cached(1)).toEqual({ n: 1 });
  await client.close();
});
