// npm `eventsource`: the EventSource class for Node. It reconnects, resumes and stops by itself.

import { EventSource } from "eventsource";

const [url, types] = process.argv.slice(2);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const source = new EventSource(url);
source.addEventListener("open", () => print({ open: true }));
for (const type of types.split(",")) {
  source.addEventListener(type, ({ lastEventId, data }) =>
    print({ id: lastEventId, event: type, data }),
  );
}
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) print({ over: "client" });
});
