/** Globs as the contract defines them, in time bounded by text length times pattern length. */

type Part =
  | { readonly is: "literal"; readonly char: string }
  | { readonly is: "one" }
  | { readonly is: "run" }
  | { readonly is: "set"; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] };

/** A parsed pattern: `*` any run, `?` one character, `[abc]`, `[a-z]`, `[!a]` one of a set, `\` escapes. */
export class Glob {
  readonly #parts: readonly Part[];
  /** What every match begins with. */
  readonly literal: string;

  private constructor(parts: readonly Part[]) {
    this.#parts = parts;
    let literal = "";
    for (const part of parts) {
      if (part.is !== "literal") break;
      literal += part.char;
    }
    this.literal = literal;
  }

  /** How many of its parts stand for more than themselves. */
  get wildcards(): number {
    return this.#parts.filter((part) => part.is !== "literal").length;
  }

  /** Null for what is no pattern. */
  static parse(pattern: string): Glob | null {
    const chars = [...pattern];
    const parts: Part[] = [];
    let at = 0;
    while (at < chars.length) {
      const char = chars[at] as string;
      at += 1;
      if (char === "*") {
        if (parts.at(-1)?.is !== "run") parts.push({ is: "run" });
      } else if (char === "?") {
        parts.push({ is: "one" });
      } else if (char === "[") {
        const set = parseSet(chars, at);
        if (set === null) return null;
        parts.push(set.part);
        at = set.end;
      } else if (char === "\\") {
        const escaped = chars[at];
        if (escaped === undefined) return null;
        parts.push({ is: "literal", char: escaped });
        at += 1;
      } else {
        parts.push({ is: "literal", char });
      }
    }
    return new Glob(parts);
  }

  /** Whether the whole text matches. On a mismatch only the last run is made longer. */
  matches(text: string): boolean {
    const chars = [...text];
    let part = 0;
    let at = 0;
    let retry: { part: number; at: number } | null = null;
    for (;;) {
      const one = this.#parts[part];
      const char = chars[at];
      if (one === undefined && char === undefined) return true;
      if (one?.is === "run") {
        retry = { part: part + 1, at };
        part += 1;
      } else if (one !== undefined && char !== undefined && takes(one, char)) {
        part += 1;
        at += 1;
      } else if (retry !== null && retry.at < chars.length) {
        retry.at += 1;
        part = retry.part;
        at = retry.at;
      } else {
        return false;
      }
    }
  }
}

function takes(part: Part, char: string): boolean {
  switch (part.is) {
    case "literal":
      return part.char === char;
    case "one":
      return true;
    case "run":
      return false;
    case "set": {
      const code = char.codePointAt(0) ?? 0;
      return part.ranges.some(([low, high]) => low <= code && code <= high) !== part.negated;
    }
  }
}

function parseSet(chars: readonly string[], from: number): { part: Part; end: number } | null {
  let at = from;
  const negated = chars[at] === "!";
  if (negated) at += 1;
  const members: { char: string; escaped: boolean }[] = [];
  for (;;) {
    const char = chars[at];
    if (char === undefined) return null;
    at += 1;
    if (char === "]" && members.length > 0) break;
    if (char === "\\") {
      const escaped = chars[at];
      if (escaped === undefined) return null;
      at += 1;
      members.push({ char: escaped, escaped: true });
    } else {
      members.push({ char, escaped: false });
    }
  }
  const ranges = rangesOf(members);
  return ranges === null ? null : { part: { is: "set", negated, ranges }, end: at };
}

/** Turns `a-z` into a range; a dash that was escaped or stands at either end means itself. */
function rangesOf(members: readonly { char: string; escaped: boolean }[]): [number, number][] | null {
  const ranges: [number, number][] = [];
  let at = 0;
  while (at < members.length) {
    const low = members[at]?.char.codePointAt(0) ?? 0;
    const dash = members[at + 1];
    const end = members[at + 2];
    const isRange = dash?.char === "-" && !dash.escaped && end !== undefined;
    const high = isRange ? (end.char.codePointAt(0) ?? 0) : low;
    if (low > high) return null;
    ranges.push([low, high]);
    at += isRange ? 3 : 1;
  }
  return ranges;
}
