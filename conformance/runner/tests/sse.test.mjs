// The reader that judges others is itself held to the decoder cases, whole and byte by byte.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SseReader } from "../sse.mjs";

const cases = JSON.parse(readFileSync(new URL("../../sse/decoder.json", import.meta.url), "utf8"));

function decode(bodies, pieceBytes) {
  const seen = [];
  let lastEventId = "";
  for (const body of bodies) {
    const reader = new SseReader({ lastEventId });
    for (let start = 0; start < body.length; start += pieceBytes) {
      for (const block of reader.feed(body.subarray(start, start + pieceBytes))) {
        if (block.data !== undefined)
          seen.push({ event: block.event, data: block.data, id: block.lastEventId });
      }
    }
    lastEventId = reader.lastEventId;
  }
  return { seen, lastEventId };
}

// Comments and reconnection times come out per block here, and the reader has no limit.
for (const {
  rule,
  name,
  input,
  hex,
  reconnect,
  max_event_bytes,
  expected,
  last_event_id,
} of cases.filter((one) => one.max_event_bytes === undefined)) {
  test(`${rule}: ${name}`, () => {
    assert.equal(max_event_bytes, undefined);
    const first = hex === undefined ? Buffer.from(input) : Buffer.from(hex, "hex");
    const bodies = reconnect === undefined ? [first] : [first, Buffer.from(reconnect)];
    const events = expected.filter((item) => item.data !== undefined);
    for (const pieceBytes of [first.length || 1, 1, 2]) {
      const { seen, lastEventId } = decode(bodies, pieceBytes);
      assert.deepEqual(seen, events);
      if (last_event_id !== undefined) assert.equal(lastEventId, last_event_id);
    }
  });
}
