/** Texts that can be sent: what has no UTF-8 form would reach the server as another text, and be one with others there. */
import { invalidArgument } from "./error.js";

/**
 * Checks one text.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` with the field, and without the text, for what is no text or has half of a
 *   surrogate pair.
 */
export function checkText(field: string, text: unknown): void {
  if (typeof text !== "string") throw invalidArgument(field, "this is a text, and something else was given");
  if (!text.isWellFormed()) {
    throw invalidArgument(field, "a text has half of a surrogate pair: it has no UTF-8 form");
  }
}

/**
 * Checks all texts of a request, however deep, names of its maps included; answers the request.
 *
 * @throws {HotplateError} `INVALID_ARGUMENT` with the field of the request.
 */
export function checkTexts<R extends object>(request: R): R {
  for (const [name, value] of Object.entries(request)) {
    if (!isWellFormed(value)) {
      throw invalidArgument(snake(name), "a text has half of a surrogate pair: it has no UTF-8 form");
    }
  }
  return request;
}

/** Whether all texts of a value have a UTF-8 form, however deep, names of maps included. It must not hold itself. */
export function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return true;
  if (Array.isArray(value)) return value.every(isWellFormed);
  return Object.entries(value).every(([name, inner]) => name.isWellFormed() && isWellFormed(inner));
}

/** A name of the contract, as it is written there. */
function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
