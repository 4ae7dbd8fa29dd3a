/** Where the client says what nobody is returned. No keys, values or tokens are ever said. */
import type { HotplateError } from "./error.js";

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
  return error === undefined ? `hotplate: ${message}` : `hotplate: ${message}: ${error.kind}: ${error.message}`;
}
