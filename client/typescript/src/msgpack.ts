/** MessagePack, for who has `@msgpack/msgpack` installed: an entry of its own, so that nobody else needs it. */
import { decode, encode } from "@msgpack/msgpack";
import { type Codec, type CodecTable, checkedBy, once, type Schema } from "./codec.js";
import { codecError, HotplateError } from "./error.js";

/**
 * `application/msgpack`: compact, with field names, readable by many languages. Integers beyond ±(2^53 - 1) are read as the
 * nearest number, as JSON's are.
 *
 * @param schema What every value that is read must be. Without it a value is taken as `T` on trust.
 */
export function msgpack<T = unknown>(schema?: Schema<T>): Codec<T> {
  return once(CODECS, schema, make);
}

const CODECS: CodecTable = new WeakMap();

function make<T>(schema: Schema<T> | undefined): Codec<T> {
  return {
    contentType: "application/msgpack",
    encode(value) {
      try {
        return encode(value, { ignoreUndefined: true });
      } catch {
        throw codecError("the value has no MessagePack form");
      }
    },
    decode(bytes) {
      let value: unknown;
      try {
        // Bytes left over mean that these were never written as one value: they are refused.
        value = decode(bytes);
      } catch (cause) {
        if (cause instanceof HotplateError) throw cause;
        // The cause's own text may quote the value.
        throw codecError("the stored MessagePack has another shape");
      }
      return checkedBy(schema, value);
    },
  };
}
