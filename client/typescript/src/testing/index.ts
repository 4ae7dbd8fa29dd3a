/** Helpers for tests of programs that use a cache: a real server of one's own, and a cache in memory. */
export { MemoryCache, memoryClient } from "./memory/cache.js";
export { LocalServer, type LocalServerOptions, startLocalServer } from "./server.js";
