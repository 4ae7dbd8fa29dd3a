/** Protobuf messages as values. */
import { type DescMessage, fromBinary, isMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Codec, type CodecTable, essence } from "./codec.js";
import { codecError } from "./error.js";
import { isWellFormed } from "./text.js";

const KIND = "application/x-protobuf";
/** Callers share computations and values by the same codec: it is made once for a type. */
const CODECS: CodecTable = new WeakMap();

/**
 * `application/x-protobuf` with the full name of the message as `type`: messages of one type, made by `create` of
 * `@bufbuild/protobuf`. Reads no other type; one that is not named is taken to be this.
 *
 * @param schema The generated schema of the message, such as `ReportSchema`.
 */
export function protobuf<D extends DescMessage>(schema: D): Codec<MessageShape<D>> {
  const known = CODECS.get(schema);
  // What was made for a schema is a codec of its messages.
  if (known !== undefined) return known as unknown as Codec<MessageShape<D>>;
  const made = make(schema);
  CODECS.set(schema, made as unknown as Codec<never>);
  return made;
}

function make<D extends DescMessage>(schema: D): Codec<MessageShape<D>> {
  return {
    contentType: `${KIND};type=${schema.typeName}`,
    reads: (contentType) =>
      essence(contentType).toLowerCase() === KIND && ["", schema.typeName].includes(typeOf(contentType)),
    encode(value) {
      if (!isMessage(value, schema))
        throw codecError(`values are messages of ${schema.typeName}: make one by create()`);
      if (!isWellFormed(value))
        throw codecError("a text of the message has half of a surrogate pair: it has no UTF-8 form");
      try {
        return toBinary(schema, value);
      } catch {
        // The cause's own text may quote the value.
        throw codecError("the message has no binary form: a field holds what its type does not");
      }
    },
    decode(bytes) {
      try {
        return fromBinary(schema, bytes);
      } catch {
        throw codecError(`the stored value is no ${schema.typeName}`);
      }
    },
  };
}

/** The message type that a content type names; empty where it names none. */
function typeOf(contentType: string): string {
  for (const parameter of contentType.split(";").slice(1)) {
    const at = parameter.indexOf("=");
    if (parameter.slice(0, at).trim().toLowerCase() === "type") {
      return parameter
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1");
    }
  }
  return "";
}
