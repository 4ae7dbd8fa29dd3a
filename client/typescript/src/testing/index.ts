/** Helpers for tests of programs that use a cache. */
export { LocalServer, type LocalServerOptions, startLocalServer } from "./server.js";
