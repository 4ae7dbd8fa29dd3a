/** Selectors as the protocol writes them. */
import { wireSelector } from "../dist/selector.js";
import type { Selector } from "../dist/v1.js";

/** The contract's selector; `{}` is one that is not known. */
export function selectorOf(written: Readonly<Record<string, unknown>>) {
  const { all_tags: allTags, dependents_of: dependentsOf, ...rest } = written;
  const one = {
    ...rest,
    ...(allTags === undefined ? {} : { allTags }),
    ...(dependentsOf === undefined ? {} : { dependentsOf }),
  };
  return wireSelector(one as never);
}

/** The same the other way round; null for none. */
export function writtenSelector(selector: Selector | null): object | null {
  const one = selector?.selector;
  if (one?.case === undefined) return selector === null ? null : {};
  switch (one.case) {
    case "allTags":
      return { all_tags: one.value.tags };
    case "dependentsOf":
      return { dependents_of: one.value };
    default:
      return { [one.case]: one.value };
  }
}
