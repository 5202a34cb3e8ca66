// The outside-clients run: all clients at once on one topic, live from the first event, each cut and resumed.

import { readFileSync } from "node:fs";
import { buildCorpus } from "./corpus.mjs";
import { startHub } from "./hub.mjs";
import { root, startClient, versionOf } from "./outside.mjs";
import { planCuts } from "./proxy.mjs";
import { Publisher } from "./publisher.mjs";
import { seededRandom } from "./random.mjs";
import { table } from "./table.mjs";
import { judge } from "./verdict.mjs";

const topic = "/corpus";
// From the first event on, also for a client that connects late or is cut before it has seen an id.
const path = `${topic}?history=all`;
const openTimeoutMs = 60_000;
const overTimeoutMs = 150_000;
// The least the stream carries per event beside type and data: id line, "data:", the blank line. Too much
// would put the last cuts behind the end.
const framingBytes = 20;

export async function runClients({ isWanted, events: count, kills, rate, seed }) {
  const all = JSON.parse(readFileSync(`${root}/clients/clients.json`, "utf8")).clients;
  const clients = all.filter(({ name }) => isWanted("clients", name));
  if (clients.length === 0) return { passed: 0, failed: 0 };
  const versions = new Map(clients.map((client) => [client.name, versionOf(client)]));

  const corpus = buildCorpus(count);
  console.log(
    `corpus: ${count} events, ${corpus.bytes} bytes, ${corpus.scripts.length} scripts, sha256 ${corpus.digest}`,
  );
  console.log(
    `        ${Object.entries(corpus.features)
      .map(([name, number]) => `${number} ${name.replaceAll("_", " ")}`)
      .join(", ")}`,
  );
  console.log(`seed:   ${seed}`);

  const hub = await startHub(["--retry", "100ms", "--history-events", "100000"]);
  const runs = [];
  try {
    const types = [
      "message",
      ...new Set(corpus.events.map(({ type }) => type)),
      "fanfare.gap",
      "fanfare.end",
    ].join(",");
    const streamBytes = corpus.bytes + count * framingBytes;
    for (const client of clients) {
      const cuts = planCuts({
        kills,
        streamBytes,
        random: seededRandom(seed, client.name),
        isEncrypted: client.is_encrypted,
      });
      runs.push(await startClient({ client, hub, path, types, cuts }));
    }
    await withDeadline(openTimeoutMs, "opened a stream", runs, (run) =>
      Promise.race([run.opened, run.over]),
    );
    const publisher = new Publisher({
      url: hub.url + topic,
      rate,
      random: seededRandom(seed, "publisher"),
    });
    await publisher.publish(corpus.events, progress(runs, count));
    const endId = await publisher.end();
    await withDeadline(overTimeoutMs, "came to the end", runs, (run) => run.over);
    return report({ runs, versions, published: publisher.published, endId, kills });
  } finally {
    await Promise.all(runs.map((run) => run.stop()));
    await hub.stop();
  }
}

// A client that does not get there is not an error of the run: the verdict says what it lacks.
async function withDeadline(timeoutMs, what, runs, promiseOf) {
  let timer;
  const late = new Set(runs);
  const deadline = new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  const each = runs.map(async (run) => {
    await promiseOf(run);
    run.seconds = (Date.now() - run.startedAt) / 1000;
    late.delete(run);
  });
  await Promise.race([Promise.all(each), deadline]);
  clearTimeout(timer);
  for (const run of late)
    console.log(
      `${run.client.name} has not ${what} after ${timeoutMs / 1000} s ${run.complaints.join(" | ")}`,
    );
}

function progress(runs, count) {
  const step = Math.ceil(count / 10);
  let next = step;
  return (published) => {
    if (published < next) return;
    next += step;
    const received = runs
      .map(({ client, lines, proxy }) => `${client.name} ${lines.length}/${proxy.cutsDone}`)
      .join(", ");
    console.log(`published ${published}; received/cuts: ${received}`);
  };
}

function report({ runs, versions, published, endId, kills }) {
  const rows = [];
  let failed = 0;
  for (const { client, lines, proxy, seconds, complaints } of runs) {
    const verdict = judge({
      client,
      lines,
      published,
      endId,
      connections: proxy.connections,
      cutsDone: proxy.cutsDone,
      cutsPlanned: kills,
    });
    const { events, cuts, connections, lost, repeated, disordered, different, faults } = verdict;
    rows.push([
      client.name,
      versions.get(client.name),
      events,
      cuts,
      connections,
      lost,
      repeated,
      disordered,
      different,
      seconds.toFixed(1),
      faults.length === 0 ? "ok" : "FAILED",
    ]);
    if (faults.length > 0) failed += 1;
    // Browsers complain of much that has nothing to do with us.
    const said = faults.length > 0 && !client.browser ? complaints.slice(-5) : [];
    for (const fault of [...faults.slice(0, 10), ...said]) console.log(`${client.name}: ${fault}`);
  }
  const heads = [
    "client",
    "version",
    "events",
    "cuts",
    "connections",
    "lost",
    "repeated",
    "out of order",
    "different bytes",
    "seconds",
    "",
  ];
  console.log(`\n${table(heads, rows)}`);
  for (const { client } of runs) {
    for (const { kind, reason } of client.deviations)
      console.log(`known deviation of ${client.name}, ${kind}: ${reason}`);
  }
  return { passed: runs.length - failed, failed };
}
