/** Which entries of a namespace are meant, as callers write it and as the contract carries it. */

import { HotplateError, invalidArgument, unsent } from "./error.js";
import type { SelectorSchema } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import { type KeyInput, keyText } from "./key.js";
import { checkText } from "./text.js";

/** A form of {@link Select}, and none of the others. */
type Only<Form> = Form & { readonly [Name in Exclude<SingleName | ListName, keyof Form>]?: never };

/** Some entries of a namespace: exactly one of these. {@link select} makes them. */
export type Select =
  /** The entry with this key. */
  | Only<{ readonly key: KeyInput }>
  /** Every key that begins with this. */
  | Only<{ readonly prefix: string }>
  /** Every key that matches: `*`, `?`, `[a-z]`, `\` escapes. */
  | Only<{ readonly glob: string }>
  /** Every entry with this tag. */
  | Only<{ readonly tag: string }>
  /** Every entry that has all of these tags, 1 to 16. */
  | Only<{ readonly allTags: readonly string[] }>
  /** Every entry of this kind. */
  | Only<{ readonly kind: string }>
  /** Every entry whose writer named this in `dependsOn`: a key, or a tag as `tag:NAME`. */
  | Only<{ readonly dependentsOf: string }>
  /** Every entry of the namespace. */
  | Only<{ readonly everything: true }>;

/** Names that only a {@link Select} has. */
type SingleName = "key" | "prefix" | "glob" | "tag" | "kind";
/** Names that a {@link Selection} has. */
type ListName = keyof ListsOf;

/** Makes selectors: `select.tag("model:abc")`. */
export const select = {
  /** The entry with this key. */
  key: (key: KeyInput): Select => ({ key }),
  /** Every key that begins with this, as it is written: `select.prefix("report:")`. */
  prefix: (prefix: string): Select => ({ prefix }),
  /** Every key that matches: `*` any run, `?` one character, `[a-z]` one of a set, `\` escapes. At most 8 wildcards. */
  glob: (glob: string): Select => ({ glob }),
  /** Every entry with this tag. */
  tag: (tag: string): Select => ({ tag }),
  /** Every entry that has all of these tags, 1 to 16. */
  allTags: (...tags: string[]): Select => ({ allTags: tags }),
  /** Every entry of this kind. */
  kind: (kind: string): Select => ({ kind }),
  /** Every entry whose writer named this in `dependsOn`: a key, or a tag as `tag:NAME`. */
  dependentsOf: (name: string): Select => ({ dependentsOf: name }),
  /** Every entry of the namespace. */
  everything: (): Select => ({ everything: true }),
} as const;

interface ListsOf {
  readonly keys?: readonly KeyInput[] | undefined;
  readonly prefixes?: readonly string[] | undefined;
  readonly globs?: readonly string[] | undefined;
  /** Entries with any of these tags. */
  readonly tags?: readonly string[] | undefined;
  /** Entries that have all of these tags. */
  readonly allTags?: readonly string[] | undefined;
  readonly kinds?: readonly string[] | undefined;
  readonly dependentsOf?: readonly string[] | undefined;
  readonly everything?: true | undefined;
}

/**
 * Several selectors at once, for {@link Namespace.invalidate}: an entry is meant that any of them selects. 1 to 128 together.
 */
export type Selection = ListsOf & { readonly [Name in SingleName]?: never };

/** What a caller may give where entries are to be selected. */
export type SelectInput = Select | readonly Select[] | Selection;

/** The lists of a selection, and what one of each selects by. */
const LISTS: Readonly<Record<string, string>> = {
  keys: "key",
  prefixes: "prefix",
  globs: "glob",
  tags: "tag",
  kinds: "kind",
  dependentsOf: "dependentsOf",
};
const SINGLE = ["key", "prefix", "glob", "tag", "kind"];
const KNOWN = [...SINGLE, ...Object.keys(LISTS), "allTags", "everything"];

/**
 * The contract's selectors of what a caller gave.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what mixes forms, has names that are not known, or selects nothing: what was
 *   to be dropped would be served on.
 */
export function wireSelectors(input: SelectInput): Init<typeof SelectorSchema>[] {
  const selectors = Array.isArray(input) ? input.map(wireSelector) : ofObject(input as Select | Selection);
  if (selectors.length === 0) {
    const text = "nothing is selected: name at least one key, prefix, glob, tag or kind, or everything";
    throw unsent(new HotplateError("INVALID_ARGUMENT", text, { reason: "NO_SELECTOR", field: "selectors" }));
  }
  return selectors;
}

function ofObject(input: Select | Selection): Init<typeof SelectorSchema>[] {
  const said = namesOf(input);
  const isSingle = said.some((name) => SINGLE.includes(name)) || typeof input.dependentsOf === "string";
  if (isSingle) return [wireSelector(input as Select)];
  return said.flatMap((name) => {
    const by = LISTS[name];
    const values: unknown = (input as Record<string, unknown>)[name];
    if (by === undefined) return [wireSelector({ [name]: values } as unknown as Select)];
    if (!Array.isArray(values)) throw invalidArgument("selectors", `\`${name}\` is a list`);
    return values.map((value: unknown) => wireSelector({ [by]: value } as unknown as Select));
  });
}

/** The names that an object says something of. */
function namesOf(input: unknown): string[] {
  if (typeof input !== "object" || input === null) {
    throw invalidArgument("selectors", "a selector is an object: `select.tag(…)`, or `{ tags: […] }`");
  }
  const said = Object.entries(input).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (said.some((name) => !KNOWN.includes(name))) {
    throw invalidArgument("selectors", `a selector has a name that is not known: ${KNOWN.join(", ")} are`);
  }
  return said;
}

/**
 * The contract's selector.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` for what is not exactly one.
 */
export function wireSelector(one: Select): Init<typeof SelectorSchema> {
  if (namesOf(one).length !== 1) {
    throw invalidArgument("selectors", "a selector says exactly one thing: give several as a list, or `{ tags: […] }`");
  }
  const text = (value: unknown): string => {
    checkText("selectors", value);
    return value as string;
  };
  if (one.key !== undefined) return { selector: { case: "key", value: keyText(one.key) } };
  if (one.prefix !== undefined) return { selector: { case: "prefix", value: text(one.prefix) } };
  if (one.glob !== undefined) return { selector: { case: "glob", value: text(one.glob) } };
  if (one.tag !== undefined) return { selector: { case: "tag", value: text(one.tag) } };
  if (one.allTags !== undefined) return { selector: { case: "allTags", value: { tags: [...one.allTags].map(text) } } };
  if (one.kind !== undefined) return { selector: { case: "kind", value: text(one.kind) } };
  if (one.dependentsOf !== undefined) {
    return { selector: { case: "dependentsOf", value: text(one.dependentsOf) } };
  }
  if (one.everything === true) return { selector: { case: "everything", value: true } };
  throw invalidArgument("selectors", "`everything` is `true`, or not said");
}
