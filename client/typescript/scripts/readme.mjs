/** Checks that the code in README.md is the code of the samples that are run. With `--write`, puts it there. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HERE } from "./run.mjs";

const README = join(HERE, "README.md");
const BLOCK = /<!-- (samples\/[^#\s]+)#([\w-]+) -->\n```ts\n([\s\S]*?)```/g;

function region(file, name) {
  const lines = readFileSync(join(HERE, file), "utf8").split("\n");
  const from = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  const to = lines.findIndex((line, at) => at > from && line.trim() === "// #endregion");
  if (from === -1 || to === -1) {
    console.error(`README.md names ${file}#${name}, which is not there`);
    process.exit(1);
  }
  return `${lines
    .slice(from + 1, to)
    .join("\n")
    .trim()}\n`;
}

const text = readFileSync(README, "utf8");
let blocks = 0;
const spliced = text.replace(BLOCK, (_block, file, name) => {
  blocks += 1;
  return `<!-- ${file}#${name} -->\n\`\`\`ts\n${region(file, name)}\`\`\``;
});
const unmarked = text.split("```ts\n").length - 1 - blocks;
if (unmarked > 0) {
  console.error(`README.md: ${unmarked} block(s) of code without a sample that is run`);
  process.exit(1);
}
if (process.argv.includes("--write")) {
  writeFileSync(README, spliced);
} else if (spliced !== text) {
  console.error("README.md and the samples differ: run `node scripts/readme.mjs --write`");
  process.exit(1);
}
console.log(`README.md: ${blocks} blocks are those of the samples`);
