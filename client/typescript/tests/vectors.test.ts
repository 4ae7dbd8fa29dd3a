/** Keys, numbers, lifetimes and the near cache's rule: the vectors that every client runs. */
import { describe, expect, it } from "vitest";
import { nearCase } from "../conformance/near-case.ts";
import { keyOfCalls } from "../conformance/request.ts";
import { numberText } from "../src/canonical.js";
import { formatDuration, parseTtl } from "../src/ttl.js";
import { vectors } from "./support/vectors.js";

describe("keys.json", () => {
  const { keys, floats } = vectors<{
    keys: { name: string; calls: unknown[]; key?: string; refused?: boolean }[];
    floats: { bits: string; text: string }[];
  }>("keys.json");

  it("is whole", () => {
    expect(keys.length).toBeGreaterThanOrEqual(150);
    expect(floats.length).toBeGreaterThanOrEqual(100);
  });

  it.each(keys.map((one) => [one.name, one] as const))("%s", (_name, one) => {
    const make = () => keyOfCalls(one.calls).render();
    if (one.refused === true) expect(make).toThrow(expect.objectContaining({ kind: "INVALID_ARGUMENT" }));
    else expect(make()).toBe(one.key);
  });

  it("has floats as ECMAScript writes them", () => {
    for (const { bits, text } of floats) {
      expect(numberText(Buffer.from(bits, "hex").readDoubleBE())).toBe(text);
    }
  });
});

describe("ttl.json", () => {
  const { parse, format } = vectors<{
    parse: { text: string | number; ms?: number; class?: string; refused?: boolean }[];
    format: { ms: number; text: string }[];
  }>("ttl.json");

  it.each(parse.map((one) => [String(one.text), one] as const))("reads %j", (_name, one) => {
    if (one.refused === true) {
      expect(() => parseTtl(one.text)).toThrow(expect.objectContaining({ kind: "INVALID_ARGUMENT" }));
    } else {
      expect(parseTtl(one.text)).toEqual(one.class === undefined ? { ms: one.ms } : { class: one.class });
    }
  });

  it("writes durations as they are read", () => {
    for (const { ms, text } of format) expect(formatDuration(ms)).toBe(text);
  });
});

describe("near.json", () => {
  type Step = Record<string, unknown>;
  const { settings, cases } = vectors<{ settings: Step; cases: (Step & { name: string; steps: Step[] })[] }>(
    "near.json",
  );

  it("is whole", () => {
    expect(cases.length).toBeGreaterThanOrEqual(40);
  });

  it.each(cases.map((one) => [one.name, one] as const))("%s", (_name, one) => {
    const came = nearCase(settings, one) as Step[];
    one.steps.forEach((step, at) => {
      const told = came[at] ?? {};
      const where = `step ${at}: ${JSON.stringify(step)}`;
      if (step["step"] === "answer") {
        expect(told["kept"] === true, where).toBe(step["kept"]);
        expect(told["why"] ?? "", where).toBe(step["why"] ?? "");
      } else if (step["step"] === "read") {
        expect(told["value"], where).toBe(step["expect"]);
      } else if (step["step"] === "followed") {
        expect(told["add"], where).toEqual(step["add"]);
        expect(told["remove"], where).toEqual(step["remove"]);
      } else {
        expect(told["reopen"] === true, where).toBe(step["reopen"] === true);
      }
    });
  });
});
