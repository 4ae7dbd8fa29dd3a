/** Watches by name, read as the protocol asks: so many items, or what there is when the time is over. */

import { create } from "@bufbuild/protobuf";
import { decodeChecked } from "../dist/codec.js";
import type { Namespace, Watch, WatchItem } from "../dist/index.js";
import { type Entry, EntryMetadataSchema } from "../dist/v1.js";
import { Fault, listOf, millisecondsOf, numberOf, only, type Request, textOf } from "./request.ts";
import { selectorOf, writtenSelector } from "./selectors.ts";
import { codecOf, writtenValue } from "./values.ts";

/** One item told, with the token after the message it came in, when it is the last of that. */
interface Told {
  readonly item: object;
  readonly isProgress: boolean;
  readonly token: Uint8Array | null;
}

/** One watch. */
class Followed {
  readonly watch: Watch;
  readonly ready: Told[] = [];
  token: Uint8Array = new Uint8Array();
  #pending: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(watch: Watch) {
    this.watch = watch;
  }

  /** Waits until there is more, or the time is over: `false`. */
  async more(withinMs: number): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure;
    this.#pending ??= this.#read();
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<"over">((resolve) => {
      timer = setTimeout(() => resolve("over"), Math.max(0, withinMs));
    });
    const how = await Promise.race([this.#pending.then(() => "more" as const), over]);
    clearTimeout(timer);
    if (this.#failure !== null) throw this.#failure;
    return how === "more";
  }

  async #read(): Promise<void> {
    try {
      const next = await this.watch.next();
      if (next.done === true) throw new Fault("the watch has ended");
      const items = itemsOf(next.value);
      const token = this.watch.resumeToken;
      items.forEach((item, at) => {
        const isLast = at === items.length - 1;
        this.ready.push({ item, isProgress: next.value.type === "progress", token: isLast ? token : null });
      });
    } catch (failure) {
      this.#failure = failure;
    } finally {
      this.#pending = null;
    }
  }
}

/** The watches of a driver. */
export class Watches {
  readonly #watches = new Map<string, Followed>();

  open(namespace: Namespace<unknown>, request: Request): object {
    only("watch_open", request, [
      "id",
      "op",
      "client",
      "namespace",
      "watch",
      "selectors",
      "include_present",
      "values",
      "resume",
      "exclude_own",
      "progress_interval_ms",
    ]);
    const selectors = request["selectors"] === undefined ? [] : listOf(request, "selectors");
    const resume = request["resume"];
    const watch = namespace.watch({
      selectors: selectors.map((one) => asSelect(one as Record<string, unknown>)),
      includePresent: request["include_present"] === true,
      content: request["values"] === true ? "values" : "metadata",
      excludeOwn: request["exclude_own"] === true,
      progressInterval: millisecondsOf(request, "progress_interval_ms"),
      resumeToken: typeof resume === "string" ? new Uint8Array(Buffer.from(resume, "base64")) : undefined,
    });
    const followed = new Followed(watch);
    if (typeof resume === "string") followed.token = new Uint8Array(Buffer.from(resume, "base64"));
    this.#watches.set(textOf(request, "watch"), followed);
    return {};
  }

  async next(request: Request): Promise<object> {
    only("watch_next", request, ["id", "op", "client", "namespace", "watch", "count", "within_ms", "progress"]);
    const followed = this.#named(textOf(request, "watch"));
    const count = numberOf(request, "count") ?? 1;
    const endsAt = performance.now() + (numberOf(request, "within_ms") ?? 0);
    const items: object[] = [];
    for (;;) {
      while (items.length < count && followed.ready.length > 0) {
        const told = followed.ready.shift() as Told;
        if (told.token !== null) followed.token = told.token;
        if (!told.isProgress || request["progress"] === true) items.push(told.item);
      }
      if (items.length >= count) break;
      try {
        if (!(await followed.more(endsAt - performance.now())) && followed.ready.length === 0) break;
      } catch (failure) {
        // What was told before the failure is told; the failure comes with the next request.
        if (items.length > 0) break;
        throw failure;
      }
    }
    return { items, resume_token: Buffer.from(followed.token).toString("base64") };
  }

  async close(request: Request): Promise<object> {
    only("watch_close", request, ["id", "op", "client", "namespace", "watch"]);
    const name = textOf(request, "watch");
    await this.#named(name).watch.return();
    this.#watches.delete(name);
    return {};
  }

  #named(name: string): Followed {
    const followed = this.#watches.get(name);
    if (followed === undefined) throw new Fault(`no watch is called ${name}`);
    return followed;
  }
}

/** A selector of the protocol as the client takes it. */
export function asSelect(written: Readonly<Record<string, unknown>>): never {
  const { all_tags: allTags, dependents_of: dependentsOf, ...rest } = written;
  selectorOf(written);
  return {
    ...rest,
    ...(allTags === undefined ? {} : { allTags }),
    ...(dependentsOf === undefined ? {} : { dependentsOf }),
  } as never;
}

function itemsOf(item: WatchItem): object[] {
  const plain = { type: item.type, key: null, selector: null, value: null, reason: null };
  switch (item.type) {
    case "present":
      return item.entries.map((entry) => ({ ...plain, key: entry.key, value: valueIn(entry) }));
    case "events":
      return item.events.map((event) => ({
        type: event.type,
        key: event.key === "" ? null : event.key,
        selector: writtenSelector(event.selector),
        value: event.entry === null ? null : valueIn(event.entry),
        reason: event.reason === "" ? null : event.reason,
      }));
    case "discontinuity":
      return [{ ...plain, reason: item.reason }];
    case "lost":
      return [{ ...plain, reason: item.error.kind }];
    default:
      return [plain];
  }
}

function valueIn(entry: Entry): unknown {
  if (entry.payload.case !== "value") return null;
  const metadata = entry.metadata ?? create(EntryMetadataSchema);
  const codec =
    metadata.contentType === "application/msgpack" ? "msgpack" : metadata.contentType.endsWith("json") ? "json" : "raw";
  return writtenValue(decodeChecked(codecOf(codec), metadata.contentType, metadata.encoding, entry.payload.value));
}
