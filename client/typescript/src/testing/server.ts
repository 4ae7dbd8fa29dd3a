/** A real server for tests: started as a process of its own on free ports, ended with the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { serverProgram } from "../env.js";
import { HotplateError } from "../error.js";

/** Time a server has to begin to listen, in milliseconds. */
const START_MS = 60_000;
/** Time it has to end by itself, in milliseconds. */
const STOP_MS = 20_000;
/** Characters of its log that are kept, to be shown when it does not start. */
const LOG_MAX = 8_192;

/** How a server is started. */
export interface LocalServerOptions {
  /** The server program. Default: the environment variable `HOTPLATE_BIN`, else `hotplate` on the path. */
  readonly program?: string | undefined;
  /** Further arguments of `hotplate serve`. */
  readonly args?: readonly string[] | undefined;
  /** Its settings as environment variables. Nothing else is inherited but the path. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The namespace of {@link LocalServer.url}. Default: `default`. */
  readonly namespace?: string | undefined;
  /** Address of the gRPC port, to start one again where another was. Default: a free port of this machine. */
  readonly listen?: string | undefined;
}

/**
 * A server that runs until it is stopped: `await using server = await startLocalServer()`. It ends with this process, too, unless
 * that is killed without a word.
 */
export class LocalServer implements AsyncDisposable {
  /** Its address for clients, with the namespace. */
  readonly url: string;
  /** `host:port` of its gRPC port. */
  readonly grpc: string;
  /** `host:port` of its port with probes and metrics. */
  readonly http: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  /** @internal */
  constructor(
    child: ChildProcess,
    exited: Promise<unknown>,
    addresses: { grpc: string; http: string },
    namespace: string,
  ) {
    this.#child = child;
    this.#exited = exited;
    this.grpc = addresses.grpc;
    this.http = addresses.http;
    this.url = `hotplate://${addresses.grpc}/${encodeURIComponent(namespace)}`;
  }

  /** Its process. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends it a signal, such as `SIGSTOP` to pause and `SIGCONT` to go on. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Ends it in order, and waits for that. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      // A paused process hears nothing before it goes on.
      this.#child.kill("SIGCONT");
      this.#child.kill("SIGTERM");
    }
    const patience = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.#exited;
    clearTimeout(patience);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/**
 * Starts a server with the profile `testing` on free ports of this machine, and waits until it listens.
 *
 * @throws {HotplateError} `CONFIGURATION` when there is no such program, or it does not begin to listen; with the end of its log.
 */
export async function startLocalServer(options: LocalServerOptions = {}): Promise<LocalServer> {
  const program = options.program ?? serverProgram() ?? "hotplate";
  const args = ["serve", "--profile", "testing", "--listen", options.listen ?? "127.0.0.1:0", "--http", "127.0.0.1:0"];
  const child = spawn(program, [...args, ...(options.args ?? [])], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], ...options.env },
  });
  // A test that ends without stopping it, or this process with it, must not leave it behind.
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  child.once("exit", () => process.removeListener("exit", end));
  child.once("error", () => process.removeListener("exit", end));
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-LOG_MAX);
  });
  const exited = once(child, "exit").catch(() => undefined);
  const failed = (why: string) => new HotplateError("CONFIGURATION", `${why}${log === "" ? "" : `\n${log}`}`);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.once("error", (cause) =>
    reject(failed(`the server program \`${program}\` cannot be started: ${cause.message}`)),
  );
  child.once("exit", () => reject(failed("the server ended before it listened")));
  const patience = setTimeout(() => reject(failed("the server did not begin to listen")), START_MS);
  createInterface({ input: child.stdout }).once("line", resolve);
  try {
    const line = await promise;
    // What it says afterwards is read and dropped: a full pipe would stop it.
    child.stdout.resume();
    return new LocalServer(child, exited, addressesOf(line), options.namespace ?? "default");
  } catch (failure) {
    child.kill("SIGKILL");
    throw failure;
  } finally {
    clearTimeout(patience);
  }
}

function addressesOf(line: string): { grpc: string; http: string } {
  try {
    const said = JSON.parse(line) as { event?: unknown; grpc?: unknown; http?: unknown };
    if (said.event === "listening" && typeof said.grpc === "string" && typeof said.http === "string") {
      return { grpc: said.grpc, http: said.http };
    }
  } catch {
    // Told below: it is no line of a server's.
  }
  throw new HotplateError("CONFIGURATION", "the server's first line does not say where it listens");
}
