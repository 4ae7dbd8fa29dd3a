/** The types of events that a watch can be asked for. */
import { EventType, EventTypeSchema } from "../generated/hotplate/v1/cache_pb.js";

/** All types of events that this client knows. */
export function eventTypes(): EventType[] {
  return EventTypeSchema.values
    .map((value) => value.number as EventType)
    .filter((type) => type !== EventType.UNSPECIFIED);
}
