// curl: one process per connection, its output parsed by our small reader.
// A line on stdin kills the curl that runs, in the middle of what it is doing; the next one resumes.

import { spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { SseReader } from "../../runner/sse.mjs";

const [url, , ...flags] = process.argv.slice(2);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let running;
process.stdin.on("data", () => running?.kill("SIGKILL"));
process.stdin.on("end", () => process.exit(1));

let lastEventId = "";
let retryMs = 3000;

function readOnce() {
  const resume = lastEventId ? ["--header", `Last-Event-ID: ${lastEventId}`] : [];
  const report = ["--write-out", "%{stderr}%{http_code} %{http_version}"];
  running = spawn("curl", [
    "--silent",
    "--no-buffer",
    "--noproxy",
    "*",
    "--header",
    "Accept: text/event-stream",
    ...resume,
    ...report,
    ...flags,
    url,
  ]);
  const reader = new SseReader({ lastEventId });
  let hasOpened = false;
  let status = "";
  running.stderr.on("data", (text) => (status += text));
  running.stdout.on("data", (bytes) => {
    if (!hasOpened) print({ open: true });
    hasOpened = true;
    for (const block of reader.feed(bytes)) {
      lastEventId = block.lastEventId;
      if (block.retry !== undefined) retryMs = block.retry;
      if (block.data !== undefined)
        print({ id: block.lastEventId, event: block.event, data: block.data });
    }
  });
  return new Promise((resolve) => running.on("close", () => resolve(status)));
}

let answer = await readOnce();
while (!answer.startsWith("204 ")) {
  await wait(retryMs);
  answer = await readOnce();
}
const wantedVersion = flags.includes("--http2") ? "2" : "1.1";
if (answer !== `204 ${wantedVersion}`)
  throw new Error(`HTTP/${wantedVersion} was asked for, the answer was ${answer}`);
print({ over: "adapter" });
process.exit(0);
