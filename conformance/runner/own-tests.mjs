// Tests the runner before it is believed.

import { run } from "node:test";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("tests/", import.meta.url));

export async function runOwnTests({ isWanted }) {
  const outcome = { passed: 0, failed: 0 };
  if (!isWanted("runner", "runner")) return outcome;
  const files = readdirSync(folder).map((name) => folder + name);
  for await (const { type, data } of run({ files })) {
    // A file is reported like a test of its own; its tests have been counted already.
    if (files.includes(data?.name)) continue;
    if (type === "test:pass") outcome.passed += 1;
    if (type === "test:fail") {
      outcome.failed += 1;
      console.log(
        `runner: ${data.name}: ${data.details.error.cause?.message ?? data.details.error.message}`,
      );
    }
  }
  console.log(`runner: ${outcome.passed} passed, ${outcome.failed} failed`);
  return outcome;
}
