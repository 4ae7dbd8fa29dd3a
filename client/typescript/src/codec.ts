/**
 * How values become bytes and back, and what content type says so. Which codec a namespace uses is its caller's choice;
 * MessagePack, which needs a package of its own, lives in `msgpack.ts`, messages live in `protobuf.ts`.
 */
import { codecError, HotplateError } from "./error.js";

/**
 * A way to write values. Reading checks the content type first: bytes of another kind are an error, never a guess. No codec
 * runs code on reading.
 */
export interface Codec<T> {
  /** The media type of what it writes. */
  readonly contentType: string;
  /** Whether it reads values of this media type. Without it only its own, parameters such as `charset` ignored. */
  reads?(contentType: string): boolean;
  /** The value as bytes. Throws when it has no such form. */
  encode(value: T): Uint8Array;
  /** The value that the bytes hold. Throws when they hold none. The bytes are the caller's: they are not changed later. */
  decode(bytes: Uint8Array): T;
}

/** A schema by the Standard Schema interface (Zod, Valibot, ArkType and others), as far as it is used here. */
export interface StandardSchema<T> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>;
  };
}

/** What a schema says of a value. */
export type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly unknown[] };

/** How a value that was read is checked: a schema, or a function that answers the value or throws. */
export type Schema<T> = StandardSchema<T> | ((value: unknown) => T);

/**
 * `application/json`, readable by people and every language. The default.
 *
 * What JSON would make something else of is refused: NaN and infinities, `Map`, `Set`, `RegExp`, promises, and bytes. As JSON has
 * it, a `Date` becomes text, which is what is read then, and members that are `undefined` are left out. `undefined` itself has no
 * form: a computation that finds nothing answers `null`.
 *
 * @param schema What every value that is read must be. Without it a value is taken as `T` on trust.
 */
export function json<T = unknown>(schema?: Schema<T>): Codec<T> {
  return once(JSON_CODECS, schema, makeJson);
}

function makeJson<T>(schema: Schema<T> | undefined): Codec<T> {
  return {
    contentType: "application/json",
    reads(contentType) {
      const bare = essence(contentType).toLowerCase();
      return bare === "application/json" || bare.endsWith("+json");
    },
    encode(value) {
      let text: string | undefined;
      try {
        text = JSON.stringify(value, faithful);
      } catch (cause) {
        if (cause instanceof HotplateError) throw cause;
        throw codecError(
          `the value has no JSON form: ${cause instanceof TypeError ? "it is circular or holds a bigint" : "it refuses"}`,
        );
      }
      if (text === undefined) {
        throw codecError("the value has no JSON form: undefined, functions and symbols have none");
      }
      return Buffer.from(text);
    },
    decode(bytes) {
      let value: unknown;
      try {
        value = JSON.parse(utf8(bytes));
      } catch (cause) {
        if (cause instanceof HotplateError) throw cause;
        // The cause's own text may quote the value.
        throw codecError("the stored bytes are not JSON");
      }
      return checkedBy(schema, value);
    },
  };
}

/** Lets a value through that JSON keeps as it is. `this` is what holds it, as it was before its own `toJSON`. */
function faithful(this: unknown, name: string, value: unknown): unknown {
  refuseChanged((this as Record<string, unknown>)[name]);
  refuseChanged(value);
  return value;
}

function refuseChanged(value: unknown): void {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw codecError("the value has no JSON form: it holds NaN or an infinity");
  }
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Map || value instanceof Set || value instanceof RegExp) {
    throw codecError("the value has no JSON form: it holds a Map, a Set or a RegExp");
  }
  if (isThenable(value)) throw codecError("the value has no JSON form: it holds a promise, which nobody waited for");
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw codecError("the value has no JSON form: it holds bytes, which the raw codec and MessagePack store");
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value instanceof Object && "then" in value && typeof value.then === "function";
}

/** `application/octet-stream`: bytes as they are. Reads values of every content type. */
export function raw(): Codec<Uint8Array> {
  return RAW;
}

/** Characters of another's text that are repeated. */
const NAME_MAX = 80;

/** `text/plain` in UTF-8. Reads every kind of text. */
export function text(): Codec<string> {
  return TEXT;
}

const TEXT: Codec<string> = {
  contentType: "text/plain",
  reads: (contentType) => essence(contentType).toLowerCase().startsWith("text/"),
  encode: (value) => {
    if (typeof value !== "string") throw codecError("the text codec stores text: pass a string");
    if (!value.isWellFormed()) throw codecError("the text has half of a surrogate pair, which has no UTF-8 form");
    return Buffer.from(value);
  },
  decode: utf8,
};

const RAW: Codec<Uint8Array> = {
  contentType: "application/octet-stream",
  reads: () => true,
  encode: (value) => {
    if (!(value instanceof Uint8Array)) {
      throw codecError("the raw codec stores bytes: pass a Uint8Array");
    }
    return value;
  },
  decode: (bytes) => bytes,
};

/** The codecs of one kind by their schemas. Callers share computations and values by the same codec: it is made once. */
export type CodecTable = WeakMap<object, Codec<never>>;

const JSON_CODECS: CodecTable = new WeakMap();
/** Stands for no schema. */
const NO_SCHEMA = {};

/** The codec of a schema: always the same one. */
export function once<T>(
  table: CodecTable,
  schema: Schema<T> | undefined,
  make: (schema: Schema<T> | undefined) => Codec<T>,
): Codec<T> {
  const known = table.get(schema ?? NO_SCHEMA);
  // What was made for a schema of `T` is a codec of `T`.
  if (known !== undefined) return known as unknown as Codec<T>;
  const made = make(schema);
  table.set(schema ?? NO_SCHEMA, made as unknown as Codec<never>);
  return made;
}

/** Checks a value against a schema, if there is one. */
export function checkedBy<T>(schema: Schema<T> | undefined, value: unknown): T {
  if (schema === undefined) {
    return value as T;
  }
  // What a schema says may quote the value: it is not repeated.
  const other = () => codecError("the stored value has another shape than the schema asks for");
  const atOnce = <R>(answer: R): R => {
    if (!isThenable(answer)) return answer;
    // What it says later nobody hears.
    answer.then(undefined, () => undefined);
    throw codecError("a codec's schema answers at once: this one is asynchronous");
  };
  if (typeof schema === "function") {
    let checked: T;
    try {
      checked = schema(value);
    } catch {
      throw other();
    }
    return atOnce(checked);
  }
  const result = atOnce(schema["~standard"].validate(value)) as SchemaResult<T>;
  if (result.issues !== undefined) {
    throw other();
  }
  return result.value;
}

/** Checks what a stored value says of itself, then reads it. */
export function decodeChecked<T>(codec: Codec<T>, contentType: string, encoding: string, bytes: Uint8Array): T {
  const reads = codec.reads?.(contentType) ?? essence(contentType).toLowerCase() === codec.contentType.toLowerCase();
  if (!reads) {
    throw codecError(
      `the stored value has ${contentType === "" ? "no content type" : quoted(contentType)}, not ${codec.contentType}`,
    );
  }
  if (encoding !== "") {
    throw codecError(`the stored value is encoded with ${quoted(encoding)}, which is not read here`);
  }
  return guarded("decoded", () => codec.decode(bytes));
}

/** Writes a value; whatever a codec of the caller's throws becomes a failure of this client. */
export function encodeChecked<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = guarded("encoded", () => codec.encode(value));
  // What a promise says later nobody hears.
  if (isThenable(bytes)) bytes.then(undefined, () => undefined);
  if (!(bytes instanceof Uint8Array)) throw codecError("a codec writes a Uint8Array: this one wrote something else");
  return bytes;
}

/** What another wrote, so that it can be read by people: short, and without characters that a terminal obeys. */
function quoted(text: string): string {
  const short = text.length > NAME_MAX ? `${text.slice(0, NAME_MAX)}…` : text;
  return JSON.stringify(short);
}

function guarded<R>(what: string, work: () => R): R {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof HotplateError) throw cause;
    throw new HotplateError("CODEC", `the value could not be ${what}`, { cause });
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function utf8(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    throw codecError("the stored value is not UTF-8");
  }
}

/** A media type without its parameters. */
export function essence(contentType: string): string {
  return (contentType.split(";", 1)[0] ?? "").trim();
}
