/** The client: what all namespaces of one set of connections share. */
import { type CallOptions, Calls } from "./calls.js";
import { type Codec, json } from "./codec.js";
import type { Core } from "./core.js";
import { closedError } from "./error.js";
import { Flights } from "./flight.js";
import { type DegradationCounts, Gate } from "./gate.js";
import type { GetServerInfoResponse } from "./generated/hotplate/v1/cache_pb.js";
import { GrpcTransport } from "./grpc.js";
import { Namespace } from "./namespace.js";
import { Nears } from "./near/near.js";
import type { NearOptions } from "./near/options.js";
import { type ClientOptions, type Settings, settingsOf, withEnvironment } from "./settings.js";
import { Tasks } from "./tasks.js";
import { NoTransport, type Transport } from "./transport.js";

/** How a namespace is used. */
export interface NamespaceOptions<T> {
  /**
   * How its values are written. Default: JSON, unchecked. Callers join each other's computations, and share values, by the same
   * codec: keep a codec, or a schema, of your own instead of making it for each call.
   */
  readonly codec?: Codec<T> | undefined;
  /** Keeps its values in this process, for all who use it by this client; `false`: never. Default: as the client says. */
  readonly nearCache?: NearOptions | false | undefined;
}

/**
 * A cache, wherever it runs. One client serves a whole process: its connections are opened when first used, so that making one
 * succeeds while the server is down.
 *
 * ```ts
 * await using cache = new HotplateClient({ url: "hotplate://127.0.0.1:7070/ml" });
 * const reports = cache.namespace<Report>("reports");
 * const report = await reports.getOrCompute(key("report").id(42), () => makeReport(42), { ttl: "1h" });
 * ```
 *
 * Close it when the process is to end: a near cache or a watch that is open keeps that alive; an idle client does not.
 */
export class HotplateClient implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #transport: Transport;
  readonly #core: Core;
  #closed: Promise<void> | null = null;

  /**
   * A client with these settings.
   *
   * @param transport What carries its calls instead of the network, as the cache in memory of `@hotplate/client/testing` does.
   * @throws {HotplateError} `CONFIGURATION`, with what to change.
   */
  constructor(options: ClientOptions = {}, transport?: Transport) {
    const settings = settingsOf(options);
    this.#settings = settings;
    const tasks = new Tasks(settings.log);
    this.#transport = settings.disabled
      ? new NoTransport()
      : (transport ?? new GrpcTransport(settings, (work) => tasks.apart(work)));
    const calls = new Calls(this.#transport, settings.profile, tasks.signal);
    const ownId = settings.clientIdIsOwn ? settings.clientId : null;
    this.#core = {
      calls,
      tasks,
      log: settings.log,
      telemetry: settings.telemetry,
      clientId: settings.clientId,
      gate: new Gate({
        ...settings,
        closing: tasks.signal,
        late: tasks.late,
        changed: (available) => {
          settings.telemetry.available(available);
          settings.onAvailability(available);
        },
      }),
      flights: new Flights(settings.computationsMax, tasks.signal),
      nears: new Nears(settings.near, calls, tasks, ownId, settings.log),
    };
  }

  /**
   * A client set up by environment variables, and by options where they say something: `HOTPLATE_URL` (several with commas),
   * `HOTPLATE_TOKEN` or `HOTPLATE_TOKEN_FILE`, `HOTPLATE_NAMESPACE`, `HOTPLATE_TIMEOUT`, `HOTPLATE_CLIENT_PROFILE`,
   * `HOTPLATE_CA_FILE`.
   *
   * @throws {HotplateError} `CONFIGURATION`, with the variable and what to change.
   */
  static fromEnv(options: ClientOptions = {}): HotplateClient {
    return new HotplateClient(withEnvironment(options));
  }

  /** A namespace; without a name the client's own. */
  namespace<T = unknown>(name?: string, options: NamespaceOptions<T> = {}): Namespace<T> {
    const own = name === undefined || name === "" ? this.#settings.namespace : name;
    if (options.nearCache !== undefined) this.#core.nears.setUp(own, options.nearCache);
    return new Namespace<T>(this.#core, own, options.codec ?? json<T>());
  }

  /** Name of the default namespace: as set, else the path of the address, else `default`. */
  get namespaceName(): string {
    return this.#settings.namespace;
  }

  /** The RPCs as they are, without codecs or degradation. */
  get calls(): Calls {
    return this.#core.calls;
  }

  /** The name this client writes under. */
  get clientId(): string {
    return this.#core.clientId;
  }

  /** Whether the cache is worth asking: not turned off, and not found to be away. */
  get available(): boolean {
    return !this.#core.gate.disabled && this.#core.gate.breaker.available;
  }

  /** How often this client went on without the cache. */
  get degradation(): DegradationCounts {
    return this.#core.gate.counts;
  }

  /** Invalidations that wait for the server to come back. */
  get invalidationsWaiting(): number {
    return this.#core.gate.pending;
  }

  /** Version, limits and features of the server. */
  serverInfo(options: CallOptions = {}): Promise<GetServerInfoResponse> {
    return this.#core.calls.getServerInfo(options);
  }

  /**
   * Ends all work of this client and waits for that: computations are told by their signal, leases are given back,
   * invalidations that still wait are tried once more and then lost, which the log says, connections are closed. What is under
   * way, and what is called afterwards, fails with kind `CANCELLED`.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { calls, gate, tasks } = this.#core;
    const ended = tasks.close(closedError());
    if (gate.pending > 0) tasks.lastWord(() => gate.lastTry(calls));
    await ended;
    this.#transport.close();
  }
}
