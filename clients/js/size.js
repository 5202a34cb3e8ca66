// Bundles each entry as an application would, and fails when one outgrew its budget.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const INDEX = './dist/index.js';
/** Bytes after minifying and gzip -9. */
const BUDGETS = [
  { name: "core", code: 'export * from "./dist/connection.js"', max: 3_600 },
  { name: "with all of a page", code: `export { connect, HubError } from "${INDEX}"`, counts: (file) => !isTabs(file), max: 6_080 },
  { name: "tabs, beyond it", code: `export { connect } from "${INDEX}"`, counts: isTabs, max: 1_152 },
  { name: "react, beyond it", code: 'export * from "./dist/react.js"', apart: ["./error.js"], max: 1_024 },
  { name: "parser alone", code: `export { parseSSE } from "${INDEX}"`, counts: isEntry, max: 1_100 },
  { name: "eventsource", code: 'export * from "./dist/event-source.js"', max: 2_048 },
  { name: "all of the index", code: `export * from "${INDEX}"`, max: 7_400 },
];

function isTabs({ path }) {
  return /tabs-/.test(path);
}

function isEntry({ path }) {
  return path.endsWith("stdin.js");
}

let isOver = false;
for (const { name, code, counts = () => true, apart = [], max } of BUDGETS) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: import.meta.dirname },
    bundle: true,
    // Tabs are fetched when they are asked for.
    splitting: true,
    outdir: "out",
    format: "esm",
    minify: true,
    write: false,
    external: ["react", ...apart],
  });
  const bytes = outputFiles.filter(counts).reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
  console.log(`${name.padEnd(20)}${String(bytes).padStart(6)} of ${max} bytes`);
  isOver ||= bytes > max;
}
process.exitCode = isOver ? 1 : 0;
