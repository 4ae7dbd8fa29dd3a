/**
 * Packs the package as it would be published, installs it where nothing else is, type-checks and compiles the walkthrough
 * against it there, and runs it against a server that is started for it.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, ENVIRONMENT, HERE, run } from "./run.mjs";

const BUILD = join(HERE, "build");
rmSync(BUILD, { recursive: true, force: true });
mkdirSync(BUILD);
build();
run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", BUILD]);
const [tarball] = readdirSync(BUILD).filter((name) => name.endsWith(".tgz"));

const clean = mkdtempSync(join(tmpdir(), "hotplate-typescript-"));
try {
  writeFileSync(join(clean, "package.json"), JSON.stringify({ private: true, type: "module" }));
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", join(BUILD, tarball)], { cwd: clean });
  cpSync(join(HERE, "samples", "walkthrough", "main.ts"), join(clean, "main.ts"));
  // The compiler and Node's types are the only things that come from here.
  cpSync(join(HERE, "node_modules", "@types"), join(clean, "node_modules", "@types"), { recursive: true });
  cpSync(join(HERE, "node_modules", "undici-types"), join(clean, "node_modules", "undici-types"), { recursive: true });
  const compiler = join(HERE, "node_modules", "typescript", "bin", "tsc");
  const options = ["--target", "es2024", "--lib", "es2024,esnext.disposable", "--module", "nodenext", "--strict"];
  run(process.execPath, [compiler, ...options, "--types", "node", "--rootDir", ".", "main.ts"], { cwd: clean });

  const { startLocalServer } = await import("@hotplate/client/testing");
  const server = await startLocalServer({ env: { HOTPLATE_LOG_LEVEL: "warn" } });
  try {
    const own = Object.entries(ENVIRONMENT).filter(([name]) => !name.startsWith("HOTPLATE_"));
    const env = { ...Object.fromEntries(own), HOTPLATE_URL: server.url };
    // The server answers from its own process: this one may wait for the walkthrough as it is.
    run(process.execPath, ["main.js"], { cwd: clean, env, timeout: 60_000 });
  } finally {
    await server.stop();
  }
  console.log(`package: ${tarball} was installed where nothing else is, and the walkthrough ran from there`);
} finally {
  rmSync(clean, { recursive: true, force: true });
}
