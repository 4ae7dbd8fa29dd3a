/** Which entries of a namespace are meant, as callers write it and as the contract carries it. */

import type { SelectorSchema } from "./generated/hotplate/v1/types_pb.js";
import type { Init } from "./init.js";
import { type KeyInput, keyText } from "./key.js";

/** Some entries of a namespace: exactly one of these. {@link select} makes them. */
export type Select =
  /** The entry with this key. */
  | { readonly key: KeyInput }
  /** Every key that begins with this. */
  | { readonly prefix: string }
  /** Every key that matches: `*`, `?`, `[a-z]`, `\` escapes. */
  | { readonly glob: string }
  /** Every entry with this tag. */
  | { readonly tag: string }
  /** Every entry that has all of these tags, 1 to 16. */
  | { readonly allTags: readonly string[] }
  /** Every entry of this kind. */
  | { readonly kind: string }
  /** Every entry whose writer named this in `dependsOn`: a key, or a tag as `tag:NAME`. */
  | { readonly dependentsOf: string }
  /** Every entry of the namespace. */
  | { readonly everything: true };

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

/**
 * Several selectors at once, for {@link Namespace.invalidate}: an entry is meant that any of them selects. 1 to 128 together.
 */
export interface Selection {
  readonly keys?: readonly KeyInput[];
  readonly prefixes?: readonly string[];
  readonly globs?: readonly string[];
  /** Entries with any of these tags. */
  readonly tags?: readonly string[];
  /** Entries that have all of these tags. */
  readonly allTags?: readonly string[];
  readonly kinds?: readonly string[];
  readonly dependentsOf?: readonly string[];
  readonly everything?: true;
}

/** What a caller may give where entries are to be selected. */
export type SelectInput = Select | readonly Select[] | Selection;

/** The contract's selectors of what a caller gave. */
export function wireSelectors(input: SelectInput): Init<typeof SelectorSchema>[] {
  if (Array.isArray(input)) return input.map(wireSelector);
  const one = input as Select & Selection;
  if ("key" in one || "prefix" in one || "glob" in one || "tag" in one || "kind" in one) return [wireSelector(one)];
  if (typeof (one as { dependentsOf?: unknown }).dependentsOf === "string") return [wireSelector(one)];
  const of = (values: readonly unknown[] | undefined, name: string) =>
    (values ?? []).map((value) => wireSelector({ [name]: value } as unknown as Select));
  return [
    ...of(one.keys, "key"),
    ...of(one.prefixes, "prefix"),
    ...of(one.globs, "glob"),
    ...of(one.tags, "tag"),
    ...(one.allTags === undefined ? [] : [wireSelector({ allTags: one.allTags })]),
    ...of(one.kinds, "kind"),
    ...of(one.dependentsOf, "dependentsOf"),
    ...(one.everything === true ? [wireSelector({ everything: true })] : []),
  ];
}

/** The contract's selector. What names nothing is sent as it is: the server says what is wrong with it. */
export function wireSelector(one: Select): Init<typeof SelectorSchema> {
  if ("key" in one) return { selector: { case: "key", value: keyText(one.key) } };
  if ("prefix" in one) return { selector: { case: "prefix", value: one.prefix } };
  if ("glob" in one) return { selector: { case: "glob", value: one.glob } };
  if ("tag" in one) return { selector: { case: "tag", value: one.tag } };
  if ("allTags" in one) return { selector: { case: "allTags", value: { tags: [...one.allTags] } } };
  if ("kind" in one) return { selector: { case: "kind", value: one.kind } };
  if ("dependentsOf" in one) return { selector: { case: "dependentsOf", value: one.dependentsOf } };
  if ("everything" in one) return { selector: { case: "everything", value: true } };
  return {};
}
