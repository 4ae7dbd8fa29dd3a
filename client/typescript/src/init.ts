/** The plain form of messages, which `create` takes. */
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** A message as an object of the fields that are said. */
export type Init<S extends DescMessage> = Exclude<MessageInitShape<S>, MessageShape<S>>;
