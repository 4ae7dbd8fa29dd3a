/** How a client is set up: what callers say, what the environment says, and what is used where nobody says anything. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { type Address, isLoopback, parseAddress } from "./endpoint.js";
import { disabledByEnvironment, environmentSettings } from "./env.js";
import { configurationError, HotplateError } from "./error.js";
import type { OnError } from "./gate.js";
import type { TlsMaterial } from "./grpc.js";
import { consoleLog, discreet, type Log } from "./log.js";
import type { NearSetup } from "./near/near.js";
import { type NearOptions, nearSettings } from "./near/options.js";
import { type Profile, type ProfileName, profileNamed, profiles } from "./profile.js";
import { noTelemetry, type Telemetry } from "./telemetry.js";
import { durationMs } from "./ttl.js";

/** Where a client connects when nothing is said. */
const DEFAULT_URL = "hotplate://127.0.0.1:7070";

/** What TLS uses, as PEM. */
export interface TlsOptions {
  /** The certificate authority to trust instead of Node's own. */
  readonly ca?: string | Uint8Array | undefined;
  /** The certificate to show to the server, with its key. */
  readonly certificate?: string | Uint8Array | undefined;
  /** The certificate's private key. */
  readonly key?: string | Uint8Array | undefined;
  /** The name the server's certificate must have, when it is not the address's host. */
  readonly domain?: string | undefined;
}

/** Settings of a client. All have defaults. */
export interface ClientOptions {
  /**
   * The server, or several, which take turns: `hotplate://host:7070/namespace?timeout=250ms`, `http://…`, `https://…` or
   * `host:port`. The path sets the default namespace; `timeout`, `profile` and `tls=true` may follow as a query. A host name
   * that has several addresses is balanced over all of them. Default: `hotplate://127.0.0.1:7070`.
   */
  readonly url?: string | readonly string[] | undefined;
  /** The default namespace. Without one, the address's path, then `default`. */
  readonly namespace?: string | undefined;
  /** The bearer token sent with every call. It is never printed. */
  readonly token?: string | undefined;
  /** Sends the token even without TLS to a host that is not this machine. Whoever listens in then has it. */
  readonly allowInsecureToken?: boolean | undefined;
  /** Uses TLS, also for `hotplate://`: with Node's certificate authorities, or as told. `false`: never, whatever the environment says. */
  readonly tls?: boolean | TlsOptions | undefined;
  /** The timeouts, by name or in milliseconds. Default: `local`. */
  readonly profile?: ProfileName | Profile | undefined;
  /** The deadline of every call in milliseconds, retries included, instead of the profile's. At least 1. */
  readonly timeoutMs?: number | undefined;
  /** Connections for calls at most, to all servers together, but at least one to each; 1 to 64. Default: 4. */
  readonly connectionsMax?: number | undefined;
  /** What typed reads and writes do when the cache is away. Default: `miss`. */
  readonly onError?: OnError | undefined;
  /**
   * Turns the cache off: nothing is sent by anything. Every read is a miss, every write is dropped, computations compute; what has
   * no such answer, such as `watch` and `stats`, fails with reason `DISABLED`. The environment variable `HOTPLATE_DISABLE=1` does
   * the same for every client of a process.
   */
  readonly disabled?: boolean | undefined;
  /**
   * Invalidations remembered while the server is away, 1 or more; past that, an invalidation fails with reason `JOURNAL_FULL`.
   * Default: 10,000.
   */
  readonly journalMax?: number | undefined;
  /** Computations of `getOrCompute` that run at once, 1 or more; others wait for their turn. Default: 1,024. */
  readonly computationsMax?: number | undefined;
  /** The name this client writes under, at most 128 bytes. Default: random. */
  readonly clientId?: string | undefined;
  /** Keeps values in this process, in every namespace that is not named by `nearCaches`. Default: nothing is kept. */
  readonly nearCache?: NearOptions | boolean | undefined;
  /** The same for single namespaces; `false` for one that does without. */
  readonly nearCaches?: Readonly<Record<string, NearOptions | boolean>> | undefined;
  /** Where the client says what nobody is returned. Default: warnings and errors to the console. */
  readonly log?: Log | undefined;
  /** Who hears of operations, such as `openTelemetry()` of `@hotplate/client/otel`. Default: nobody. */
  readonly telemetry?: Telemetry | undefined;
  /** Hears when the cache is found to be away (`false`), and when it is back (`true`). It must not throw. */
  readonly onAvailability?: ((available: boolean) => void) | undefined;
}

/** Everything a client needs, checked. */
export interface Settings {
  readonly addresses: readonly Address[];
  readonly namespace: string;
  readonly token: string | null;
  readonly tls: TlsMaterial;
  readonly profile: Profile;
  readonly connectionsMax: number;
  readonly onError: OnError;
  readonly disabled: boolean;
  readonly journalMax: number;
  readonly computationsMax: number;
  readonly clientId: string;
  /** Whether the name was made up, so that nobody else writes under it. */
  readonly clientIdIsOwn: boolean;
  readonly near: NearSetup;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly onAvailability: (available: boolean) => void;
}

/**
 * Adds what the environment says: `HOTPLATE_URL` (several with commas), `HOTPLATE_TOKEN` or `HOTPLATE_TOKEN_FILE`,
 * `HOTPLATE_NAMESPACE`, `HOTPLATE_TIMEOUT`, `HOTPLATE_CLIENT_PROFILE`, `HOTPLATE_CA_FILE`. What was set in code stays.
 *
 * @throws {HotplateError} `CONFIGURATION` for a variable that does not parse or a file that cannot be read.
 */
export function withEnvironment(options: ClientOptions): ClientOptions {
  const said = environmentSettings();
  const urls = (said.url ?? "")
    .split(",")
    .map((url) => url.trim())
    .filter((url) => url !== "");
  const token = said.token ?? (said.tokenFile === null ? null : readFile("HOTPLATE_TOKEN_FILE", said.tokenFile).trim());
  const isSaid = options.tls === false || (typeof options.tls === "object" && options.tls.ca !== undefined);
  const ca = said.caFile === null || isSaid ? null : readFile("HOTPLATE_CA_FILE", said.caFile);
  return {
    ...options,
    url: options.url ?? (urls.length === 0 ? undefined : urls),
    namespace: options.namespace ?? said.namespace ?? undefined,
    token: options.token ?? token ?? undefined,
    timeoutMs: options.timeoutMs ?? (said.timeout === null ? undefined : timeoutOf(said.timeout)),
    profile: options.profile ?? (said.profile === null ? undefined : profileNamed(said.profile)),
    tls: ca === null ? options.tls : { ...(typeof options.tls === "object" ? options.tls : {}), ca },
  };
}

/**
 * Checks the settings and fills in what is not said. Opens no connection.
 *
 * @throws {HotplateError} `CONFIGURATION`, with what to change.
 */
export function settingsOf(options: ClientOptions): Settings {
  const urls = typeof options.url === "string" ? [options.url] : (options.url ?? []);
  const wantsTls = options.tls !== undefined && options.tls !== false;
  const addresses = (urls.length === 0 ? [DEFAULT_URL] : urls).map((url) => {
    const address = parseAddress(url);
    if (options.tls === false && address.tls) {
      throw configurationError("`tls: false` contradicts an address with https:// or tls=true");
    }
    return wantsTls ? { ...address, tls: true } : address;
  });
  const token = options.token ?? null;
  if (token !== null) checkToken(token, addresses, options.allowInsecureToken === true);
  const clientId = options.clientId ?? randomBytes(8).toString("hex");
  if (Buffer.byteLength(clientId) > 128) throw configurationError("clientId has at most 128 bytes");
  const onError = options.onError ?? "miss";
  if (onError !== "miss" && onError !== "raise") throw configurationError("onError is `miss` or `raise`");
  return {
    addresses,
    namespace: options.namespace ?? addresses.find((one) => one.namespace !== null)?.namespace ?? "default",
    token,
    tls: tlsMaterial(typeof options.tls === "object" ? options.tls : {}),
    profile: timeouts(options, addresses),
    connectionsMax: whole("connectionsMax", options.connectionsMax ?? 4, 64),
    onError,
    disabled: options.disabled === true || disabledByEnvironment(),
    journalMax: whole("journalMax", options.journalMax ?? 10_000),
    computationsMax: whole("computationsMax", options.computationsMax ?? 1_024),
    clientId,
    clientIdIsOwn: options.clientId === undefined,
    near: nearSetup(options),
    log: discreet(options.log ?? consoleLog),
    telemetry: options.telemetry ?? noTelemetry,
    onAvailability: options.onAvailability ?? (() => undefined),
  };
}

function timeouts(options: ClientOptions, addresses: readonly Address[]): Profile {
  const own = typeof options.profile === "string" ? profileNamed(options.profile) : options.profile;
  const profile = own ?? addresses.find((one) => one.profile !== null)?.profile ?? profiles.local;
  const timeoutMs = options.timeoutMs ?? addresses.find((one) => one.timeoutMs !== null)?.timeoutMs ?? null;
  const used = timeoutMs === null ? profile : { ...profile, callMs: timeoutMs, bulkMs: timeoutMs };
  if (![used.connectMs, used.callMs, used.bulkMs].every((ms) => ms >= 1)) {
    throw configurationError("a timeout is at least 1 ms");
  }
  return used;
}

function nearSetup(options: ClientOptions): NearSetup {
  const of = (one: NearOptions | boolean | undefined) =>
    one === undefined || one === false ? null : nearSettings(one === true ? {} : one);
  const named = Object.entries(options.nearCaches ?? {}).map(([name, one]) => [name, of(one)] as const);
  return { all: of(options.nearCache), named: new Map(named) };
}

function checkToken(token: string, addresses: readonly Address[], allowInsecure: boolean): void {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw configurationError("the token is empty or has characters that no HTTP header holds");
  }
  const open = addresses.find((address) => !address.tls && !isLoopback(address));
  if (open !== undefined && !allowInsecure) {
    throw configurationError(
      `the token would go to ${open.host} unencrypted: use https:// or TLS, or allowInsecureToken: true`,
    );
  }
}

/** PEM that holds nothing would only show at the first call, as a server that is not trusted. */
function tlsMaterial(tls: TlsOptions): TlsMaterial {
  const bytes = (pem: string | Uint8Array | undefined) => (pem === undefined ? undefined : Buffer.from(pem));
  const material = { ca: bytes(tls.ca), certificate: bytes(tls.certificate), key: bytes(tls.key), domain: tls.domain };
  if ((material.certificate === undefined) !== (material.key === undefined)) {
    throw configurationError("TLS: a client certificate needs its key, and a key its certificate");
  }
  if (material.ca !== undefined && !material.ca.includes("-----BEGIN CERTIFICATE-----")) {
    throw configurationError("TLS: the certificate authority is no PEM certificate");
  }
  try {
    createSecureContext({ ca: material.ca, cert: material.certificate, key: material.key });
  } catch {
    // The cause may tell about the key.
    throw configurationError("TLS: the certificates or the key cannot be read: they are PEM, and belong together");
  }
  return material;
}

function whole(name: string, value: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > max) {
    throw configurationError(`${name} is a whole number from 1${max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`}`);
  }
  return value;
}

function timeoutOf(text: string): number {
  try {
    return durationMs("timeout", text);
  } catch (cause) {
    throw configurationError(`HOTPLATE_TIMEOUT: ${cause instanceof HotplateError ? cause.message : "no duration"}`);
  }
}

function readFile(variable: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw configurationError(`the file that ${variable} names cannot be read: ${code}`);
  }
}
