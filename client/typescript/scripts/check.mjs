/** Everything that is checked without running the client: style, types, the README, and the package as others see it. */
import { build, run, script } from "./run.mjs";

build();
script("@biomejs/biome/bin/biome", "ci", "--error-on-warnings", ".");
script("typescript/bin/tsc", "-p", "tsconfig.tools.json");
run(process.execPath, ["scripts/readme.mjs"]);
script("publint/src/cli.js", "--strict");
// Node is all it is for, and modules are all it has.
script("@arethetypeswrong/cli/dist/index.js", "--pack", ".", "--profile", "esm-only", "--format", "ascii");
