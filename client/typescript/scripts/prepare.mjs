/** Installs what this package needs, when it is not what the lock file says, and builds it. Quick when all is done. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, HERE, run } from "./run.mjs";

const STAMP = join(HERE, "node_modules", ".hotplate-installed");
const wanted = createHash("sha256")
  .update(readFileSync(join(HERE, "package-lock.json")))
  .digest("hex");
const installed = existsSync(STAMP) ? readFileSync(STAMP, "utf8") : "";
if (installed !== wanted) {
  // No package's own scripts are run: none that is used here needs them.
  // `install` and not `ci`: a lock file names the platforms of the registry it was made with, and another may have more.
  run("npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]);
  writeFileSync(STAMP, wanted);
}
rmSync(join(HERE, "dist"), { recursive: true, force: true });
build();
