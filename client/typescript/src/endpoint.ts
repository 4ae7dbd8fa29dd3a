/** Where a server is: how an address is written. What connection it becomes lives in `grpc.ts`. */
import { isIP } from "node:net";
import { configurationError } from "./error.js";
import { type Profile, profileNamed } from "./profile.js";
import { durationMs } from "./ttl.js";

/** The port of `hotplate://` where none is named; `http://` and `https://` have their own. */
const DEFAULT_PORT = 7070;
const KNOWN_PORTS: Record<string, number> = { "http:": 80, "https:": 443, "hotplate:": DEFAULT_PORT };

/** One address, taken apart, with the settings its query gave. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly namespace: string | null;
  readonly timeoutMs: number | null;
  readonly profile: Profile | null;
}

/**
 * Reads `hotplate://host:7070/namespace?timeout=250ms`, `http://…`, `https://…`, or plain `host:port`.
 *
 * @throws {HotplateError} `CONFIGURATION`, with what is wrong. The address is not repeated: it may hold a secret.
 */
export function parseAddress(text: string): Address {
  const trimmed = text.trim();
  let url: URL;
  try {
    url = new URL(trimmed.includes("://") ? trimmed : `hotplate://${trimmed}`);
  } catch {
    throw configurationError("the address is not a URL: write for example hotplate://host:7070/namespace");
  }
  const known = KNOWN_PORTS[url.protocol];
  if (known === undefined) {
    throw configurationError(`unknown scheme \`${url.protocol.slice(0, -1)}\`: use hotplate://, http:// or https://`);
  }
  if (url.username !== "" || url.password !== "") {
    throw configurationError("an address carries no credentials: use the token setting");
  }
  if (url.hostname === "") {
    throw configurationError("the address names no host");
  }
  let tls = url.protocol === "https:";
  let timeoutMs: number | null = null;
  let profile: Profile | null = null;
  for (const [name, value] of url.searchParams) {
    switch (name) {
      case "timeout":
        timeoutMs = timeoutOf(value);
        break;
      case "profile":
        profile = profileNamed(value);
        break;
      case "tls":
        if (value !== "true" && value !== "false")
          throw configurationError("`tls` in the address is `true` or `false`");
        if (tls && value === "false") throw configurationError("`tls=false` contradicts https://");
        tls = value === "true";
        break;
      default:
        throw configurationError(
          `unknown setting \`${name}\` in the address: \`timeout\`, \`profile\` and \`tls\` are known`,
        );
    }
  }
  const namespace = decoded(url.pathname.replace(/^\/+|\/+$/g, ""));
  const port = url.port === "" ? known : Number(url.port);
  return { host: url.hostname, port, tls, namespace: namespace === "" ? null : namespace, timeoutMs, profile };
}

function timeoutOf(value: string): number {
  try {
    return durationMs("timeout", value);
  } catch (cause) {
    throw configurationError(`timeout in the address: ${cause instanceof Error ? cause.message : "it is no duration"}`);
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw configurationError("the path of the address is not percent-encoded UTF-8");
  }
}

/** Whether the host is this machine, where nobody else can listen in. */
export function isLoopback(address: Address): boolean {
  const bare = address.host.replace(/^\[|\]$/g, "");
  return bare === "localhost" || bare === "::1" || (isIP(bare) === 4 && bare.startsWith("127."));
}
