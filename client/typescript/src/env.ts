/** The one place that reads the environment. */
import { configurationError } from "./error.js";

/** What the environment says about the client. Variables that are unset or empty say nothing. */
export interface EnvironmentSettings {
  readonly url: string | null;
  readonly token: string | null;
  readonly tokenFile: string | null;
  readonly namespace: string | null;
  readonly timeout: string | null;
  readonly profile: string | null;
  readonly caFile: string | null;
}

/** Reads all variables of {@link EnvironmentSettings}. */
export function environmentSettings(): EnvironmentSettings {
  return {
    url: variable("HOTPLATE_URL"),
    token: variable("HOTPLATE_TOKEN"),
    tokenFile: variable("HOTPLATE_TOKEN_FILE"),
    namespace: variable("HOTPLATE_NAMESPACE"),
    timeout: variable("HOTPLATE_TIMEOUT"),
    profile: variable("HOTPLATE_CLIENT_PROFILE"),
    caFile: variable("HOTPLATE_CA_FILE"),
  };
}

/**
 * Whether `HOTPLATE_DISABLE` asks for a life without cache.
 *
 * @throws {HotplateError} `CONFIGURATION` for what is neither yes nor no.
 */
export function disabledByEnvironment(): boolean {
  switch (variable("HOTPLATE_DISABLE")) {
    case null:
    case "0":
    case "false":
      return false;
    case "1":
    case "true":
      return true;
    default:
      throw configurationError("HOTPLATE_DISABLE is `1` or `true`, `0` or `false`");
  }
}

/** The server program that tests start, where `HOTPLATE_BIN` names one. */
export function serverProgram(): string | null {
  return variable("HOTPLATE_BIN");
}

function variable(name: string): string | null {
  const value = process.env[name];
  return value === undefined || value === "" ? null : value;
}
