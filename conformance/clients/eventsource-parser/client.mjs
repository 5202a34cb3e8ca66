// npm `eventsource-parser` over fetch: the usual loop around a parser that knows nothing of HTTP.

import { setTimeout as wait } from "node:timers/promises";
import { createParser } from "eventsource-parser";

const [url] = process.argv.slice(2);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let lastEventId = "";
let retryMs = 3000;
const parser = createParser({
  onEvent({ id, event, data }) {
    if (id !== undefined) lastEventId = id;
    print({ id: lastEventId, event: event ?? "message", data });
  },
  onRetry(value) {
    retryMs = value;
  },
});

async function readOnce() {
  const headers = {
    accept: "text/event-stream",
    ...(lastEventId && { "last-event-id": lastEventId }),
  };
  const response = await fetch(url, { headers });
  if (response.status !== 200) return response.status;
  print({ open: true });
  parser.reset();
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) parser.feed(text);
  return response.status;
}

for (;;) {
  // A cut connection rejects; that is the moment to come back, like the clean end of a stream.
  const status = await readOnce().catch(() => 200);
  if (status !== 200) break;
  await wait(retryMs);
}
print({ over: "adapter" });
