/**
 * Where the client says what nobody is returned. No keys, values or tokens are ever said, and nothing of what a caller's function
 * threw.
 */
import { HotplateError, isUnsent } from "./error.js";

/** A logger: `console` fits, and so do the usual ones. */
export interface Log {
  /** Something that does not matter to callers, for who looks for it. */
  debug(message: string, error?: HotplateError): void;
  /** Something that costs speed, such as a value that could not be stored. */
  warn(message: string, error?: HotplateError): void;
  /** Something that was lost. */
  error(message: string, error?: HotplateError): void;
}

/** The default: warnings and errors go to the console, on one line each. */
export const consoleLog: Log = {
  debug: () => undefined,
  warn: (message, error) => console.warn(line(message, error)),
  error: (message, error) => console.error(line(message, error)),
};

function line(message: string, error: HotplateError | undefined): string {
  const text = error === undefined ? `hotplate: ${message}` : `hotplate: ${message}: ${error.kind}: ${error.message}`;
  // What a server says may hold what a terminal obeys.
  return text.replace(/\p{Cc}/gu, " ");
}

/**
 * The same log, told no more than it may hear: nothing of what a caller's function threw, and no causes. Its own failures are its
 * own.
 */
export function discreet(log: Log): Log {
  const told = (level: keyof Log) => (message: string, error?: HotplateError) => {
    try {
      if (error === undefined) log[level](message);
      else log[level](message, withoutText(error));
    } catch {
      // A log that fails must not take the client with it, and there is nobody to tell.
    }
  };
  return { debug: told("debug"), warn: told("warn"), error: told("error") };
}

function withoutText(error: HotplateError): HotplateError {
  const { kind, reason, field, retryAfterMs, details } = error;
  if (kind === "COMPUTE") return new HotplateError(kind, "the computation failed", { reason });
  const isFault = kind === "INTERNAL" && isUnsent(error);
  const name = error.cause instanceof Error ? error.cause.name : "no error";
  const message = isFault ? `a fault of this program: ${name}` : error.message;
  return new HotplateError(kind, message, { reason, field, retryAfterMs, details });
}
