#!/usr/bin/env node
// The conformance run: outside clients against the real hub, then the protocol cases. See README.md.

import { parseArgs } from "node:util";
import { runCases } from "./runner/cases.mjs";
import { runClients } from "./runner/clients.mjs";
import { runOwnTests } from "./runner/own-tests.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    events: { type: "string", default: "20000" },
    kills: { type: "string", default: "10" },
    rate: { type: "string", default: "1500" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`node conformance/run.mjs [--only NAME,…] [--events 20000] [--kills 10] [--rate 1500] [--seed N]

  --only    clients by name (clients/clients.json), files of http/ by name, or a whole kind: "clients", "http",
            "runner" (the tests of the runner itself)
  --events  length of the corpus; --rate: events published per second
  --kills   how often each client's connection is cut
  --seed    repeats the places of the cuts and the shapes of the bodies`);
  process.exit(0);
}

const only = values.only?.split(",");
const isWanted = (kind, name) => !only || only.includes(kind) || only.includes(name);
try {
  const outcomes = [
    await runOwnTests({ isWanted }),
    await runClients({
      isWanted,
      events: Number(values.events),
      kills: Number(values.kills),
      rate: Number(values.rate),
      seed: Number(values.seed),
    }),
    await runCases({ isWanted }),
  ];
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  if (passed + failed === 0) throw new Error(`nothing is called ${values.only}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (error) {
  console.error(`conformance: ${error.message}`);
  process.exitCode = 2;
}
