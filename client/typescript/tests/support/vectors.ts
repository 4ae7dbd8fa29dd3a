/** The vectors that every client runs. */
import { readFileSync } from "node:fs";

/** One file of tests/conformance, with integers that no float holds as `bigint`. */
export function vectors<T>(name: string): T {
  const text = readFileSync(new URL(`../../../../tests/conformance/${name}`, import.meta.url), "utf8");
  const exactly = (_name: string, value: unknown, context?: { source: string }) => {
    const source = context?.source ?? "";
    return typeof value === "number" && /^-?[0-9]+$/.test(source) && !Number.isSafeInteger(value)
      ? BigInt(source)
      : value;
  };
  return JSON.parse(text, exactly as (name: string, value: unknown) => unknown) as T;
}
