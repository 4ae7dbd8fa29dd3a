/** How the scripts here run programs: with this very Node before any other, in the package's folder, loudly when they fail. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's folder. */
export const HERE = dirname(dirname(fileURLToPath(import.meta.url)));

/** The environment of what is run: programs called `node` are this one, and packing runs no scripts, as all is built by then. */
export const ENVIRONMENT = {
  ...process.env,
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  npm_config_ignore_scripts: "true",
};

/** Runs a program, and ends this one when it fails. */
export function run(program, args, options = {}) {
  const done = spawnSync(program, args, { cwd: HERE, env: ENVIRONMENT, stdio: "inherit", ...options });
  if (done.error !== undefined || done.status !== 0) {
    console.error(
      `${[program, ...args].join(" ")}: ${done.error?.message ?? `ended with ${done.status ?? done.signal}`}`,
    );
    process.exit(1);
  }
  return done;
}

/** Runs a script of an installed package. */
export function script(path, ...args) {
  return run(process.execPath, [join("node_modules", path), ...args]);
}

/** Builds `dist` from `src`. */
export function build() {
  script("typescript/bin/tsc", "-p", ".");
  // The licence is the repository's; a package has a copy of its own.
  const licence = join(HERE, "..", "..", "LICENSE");
  if (existsSync(licence)) cpSync(licence, join(HERE, "LICENSE"));
}
