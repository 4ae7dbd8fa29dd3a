import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = fileURLToPath(new URL("./src/", import.meta.url));

export default defineConfig({
  // The driver is run on what was built; its parts that are tested here, on the sources.
  resolve: { alias: [{ find: /^(?:\.\.\/)+dist\/(.*)\.js$/, replacement: `${source}$1.ts` }] },
  test: {
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/support/server.ts"],
    // The machine may be five times slower than another: what waits, waits until, and this ends what hangs.
    testTimeout: 60_000,
    hookTimeout: 90_000,
    maxWorkers: 2,
  },
});
