/** What all namespaces of a client share, as the parts of this package see it. */
import type { Calls } from "./calls.js";
import type { Flights } from "./flight.js";
import type { Gate } from "./gate.js";
import type { Log } from "./log.js";
import type { Nears } from "./near/near.js";
import type { Tasks } from "./tasks.js";
import type { Telemetry } from "./telemetry.js";

/** The inside of a client. */
export interface Core {
  readonly calls: Calls;
  readonly gate: Gate;
  readonly flights: Flights;
  readonly nears: Nears;
  readonly tasks: Tasks;
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** The name this client writes under. */
  readonly clientId: string;
}

/** Starts carrying out remembered invalidations, unless that is under way. */
export function replay(core: Core): void {
  if (core.gate.beginReplay()) {
    core.tasks.spawn((signal) => core.gate.replay(core.calls, signal));
  }
}
