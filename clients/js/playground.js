// Writes the client as one file into the playground, which is built without Node; `--check` says
// whether it is that of the present sources.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PLACE = new URL("../../crates/fanfare-playground/assets/client.js", import.meta.url);

const { outputFiles } = await build({
  stdin: { contents: 'export { connect } from "./dist/index.js"', resolveDir: import.meta.dirname },
  banner: {
    js: [
      "// fanfare-client, written by `npm run playground` in clients/js.",
      "// tidy: allow(file-size): one file out of many, which nobody edits",
    ].join("\n"),
  },
  bundle: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const { text } = outputFiles[0];
if (!process.argv.includes("--check")) writeFileSync(PLACE, text);
else if (readFileSync(PLACE, "utf8") !== text) {
  console.error(`${fileURLToPath(PLACE)} is not that of the present sources: npm run playground`);
  process.exitCode = 1;
}
