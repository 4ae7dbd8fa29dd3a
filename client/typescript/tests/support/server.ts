/** One server for all tests that need nothing of their own: started before them, stopped after them. */
import type { TestProject } from "vitest/node";
import { startLocalServer } from "../../src/testing/index.js";

declare module "vitest" {
  interface ProvidedContext {
    /** `host:port` of the server. */
    server: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startLocalServer({
    args: ["--memory-entries-max", "100000"],
    env: { HOTPLATE_LOG_LEVEL: "warn" },
  });
  project.provide("server", server.grpc);
  return () => server.stop();
}
