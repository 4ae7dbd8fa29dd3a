/** Which entries a selector means, looked at from the client: the same answer as the server gives, or one more. */

import type { EntryMetadata, Selector, SelectorSchema } from "../generated/hotplate/v1/types_pb.js";
import type { Init } from "../init.js";
import { Glob } from "./glob.js";

/** What of an entry, besides its key, selectors look at. */
export interface Facts {
  readonly kind: string;
  readonly tags: readonly string[];
  readonly dependsOn: readonly string[];
}

/** Some entries of a namespace; `dependents`: those that were made from others, whatever these are. */
export type EntrySet =
  | { readonly is: "key"; readonly key: string }
  | { readonly is: "prefix"; readonly prefix: string }
  | { readonly is: "glob"; readonly glob: Glob }
  | { readonly is: "tag"; readonly tag: string }
  | { readonly is: "allTags"; readonly tags: readonly string[] }
  | { readonly is: "kind"; readonly kind: string }
  | { readonly is: "dependentsOf"; readonly name: string }
  | { readonly is: "dependents" }
  | { readonly is: "everything" };

/** The facts of an entry. */
export function factsOf(metadata: EntryMetadata): Facts {
  return { kind: metadata.kind, tags: metadata.tags, dependsOn: metadata.dependsOn };
}

/** The entry with this key. */
export function setOfKey(key: string): EntrySet {
  return { is: "key", key };
}

/**
 * What a selector means. One that this client does not know, or cannot read, means everything: what is dropped needlessly is
 * fetched again, what is kept wrongly is served.
 */
export function setOf(selector: Init<typeof SelectorSchema> | Selector): EntrySet {
  const one = selector.selector;
  switch (one?.case) {
    case "key":
      return setOfKey(one.value);
    case "prefix":
      return { is: "prefix", prefix: one.value };
    case "glob": {
      const glob = Glob.parse(one.value);
      return glob === null ? { is: "everything" } : { is: "glob", glob };
    }
    case "tag":
      return { is: "tag", tag: one.value };
    case "allTags":
      return { is: "allTags", tags: one.value.tags ?? [] };
    case "kind":
      return { is: "kind", kind: one.value };
    case "dependentsOf":
      return { is: "dependentsOf", name: one.value };
    default:
      return { is: "everything" };
  }
}

/** Whether a set means an entry. */
export function selects(set: EntrySet, key: string, facts: Facts): boolean {
  switch (set.is) {
    case "key":
      return set.key === key;
    case "prefix":
      return key.startsWith(set.prefix);
    case "glob":
      return set.glob.matches(key);
    case "tag":
      return facts.tags.includes(set.tag);
    case "allTags":
      return set.tags.every((tag) => facts.tags.includes(tag));
    case "kind":
      return set.kind === facts.kind;
    case "dependentsOf":
      return facts.dependsOn.includes(set.name);
    case "dependents":
      return facts.dependsOn.length > 0;
    case "everything":
      return true;
  }
}
