// The proxy cuts exactly where it says, and everything before the cut has gone through.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { startProxy } from "../proxy.mjs";

const body = Buffer.from("id: a-1\ndata: käse\n\nid: a-2\nevent: x\ndata: 二\n\n".repeat(50));

async function readThrough(cut) {
  const hub = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    // In pieces, so that the wanted places also fall on the seams.
    for (let start = 0; start < body.length; start += 7)
      response.write(body.subarray(start, start + 7));
    response.end();
  });
  await once(hub.listen(0, "127.0.0.1"), "listening");
  const proxy = await startProxy({ target: `http://127.0.0.1:${hub.address().port}`, cuts: [cut] });
  const client = connect(Number(new URL(proxy.url).port), "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
  const pieces = [];
  client.on("data", (piece) => pieces.push(piece));
  client.on("error", () => {});
  await once(client, "close");
  proxy.close();
  hub.closeAllConnections();
  hub.close();
  const text = Buffer.concat(pieces)
    .toString("latin1")
    .replace(/^.*?\r\n\r\n/s, "");
  const received = Buffer.from(
    text.replace(/(^|\r\n)[0-9a-f]+\r\n/g, "").replace(/\r\n?$/, ""),
    "latin1",
  );
  return { received, text, proxy };
}

const kinds = {
  "inside a character": (received) => (body[received.length] & 0xc0) === 0x80,
  "after an id line": (received) => /\nid: a-\d\n$/.test(received.toString("latin1")),
  "before the blank line": (received) => /data: [^\n]+\n$/.test(received.toString("latin1")),
  "after the blank line": (received) => received.toString("latin1").endsWith("\n\n"),
};
for (const [kind, holds] of Object.entries(kinds)) {
  test(`a cut ${kind} is there`, async () => {
    const { received, proxy } = await readThrough({ atByte: 301, kind, isReset: false });
    assert.equal(proxy.cutsDone, 1);
    assert.ok(received.length > 0 && received.length < body.length);
    assert.ok(received.equals(body.subarray(0, received.length)));
    assert.ok(holds(received), JSON.stringify(received.subarray(-30).toString("latin1")));
  });
}

test("a cut anywhere is at its byte, not counting the head of the response", async () => {
  const { text } = await readThrough({ atByte: 123, kind: "anywhere", isReset: false });
  assert.equal(text.length, 123);
});

test("without a cut everything goes through", async () => {
  const { received } = await readThrough({ atByte: 1e9, kind: "anywhere", isReset: false });
  assert.ok(received.subarray(0, body.length).equals(body));
});
