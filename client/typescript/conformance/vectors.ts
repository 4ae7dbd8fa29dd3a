/** Operations without a client: keys, lifetimes, codecs, and the near cache on a clock of its own. */
import { numberText } from "../dist/canonical.js";
import { decodeChecked, encodeChecked } from "../dist/codec.js";
import { formatDuration, parseTtl } from "../dist/ttl.js";
import { nearCase } from "./near-case.ts";
import { Fault, keyOfCalls, listOf, numberOf, objectOf, only, type Request, textOf } from "./request.ts";
import { codecOf, readValue, writtenValue } from "./values.ts";

/** The operations by name. */
export const vectorOperations: Readonly<Record<string, (request: Request) => object>> = {
  key(request) {
    only("key", request, ["id", "op", "calls"]);
    return { key: keyOfCalls(listOf(request, "calls")).render() };
  },
  float(request) {
    only("float", request, ["id", "op", "bits"]);
    return { text: numberText(Buffer.from(textOf(request, "bits").padStart(16, "0"), "hex").readDoubleBE()) };
  },
  ttl_parse(request) {
    only("ttl_parse", request, ["id", "op", "text"]);
    const input = request["text"];
    if (typeof input !== "string" && typeof input !== "number") throw new Fault("text is to be text or a number");
    return parseTtl(input);
  },
  ttl_format(request) {
    only("ttl_format", request, ["id", "op", "ms"]);
    return { text: formatDuration(numberOf(request, "ms") ?? 0) };
  },
  encode(request) {
    only("encode", request, ["id", "op", "codec", "value"]);
    const codec = codecOf(request["codec"]);
    const bytes = encodeChecked(codec, readValue(request["value"]));
    return { content_type: codec.contentType, bytes: Buffer.from(bytes).toString("base64") };
  },
  decode(request) {
    only("decode", request, ["id", "op", "codec", "content_type", "content_encoding", "bytes"]);
    const bytes = Buffer.from(textOf(request, "bytes"), "base64");
    const encoding = (request["content_encoding"] as string | null | undefined) ?? "";
    const contentType = (request["content_type"] as string | null | undefined) ?? "";
    return { value: writtenValue(decodeChecked(codecOf(request["codec"]), contentType, encoding, bytes)) };
  },
  near_case(request) {
    only("near_case", request, ["id", "op", "settings", "case"]);
    return { steps: nearCase(objectOf(request, "settings"), objectOf(request, "case")) };
  },
};
