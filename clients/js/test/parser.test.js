// The cases of conformance/sse/decoder.json, which the Rust decoder passes, too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseSSE, SseParser } from "../dist/index.js";

const CASES = JSON.parse(readFileSync(new URL("../../../conformance/sse/decoder.json", import.meta.url), "utf8"));

const bytesOf = ({ input, hex }) => (hex === undefined ? new TextEncoder().encode(input) : Uint8Array.from(Buffer.from(hex, "hex")));

/** Ways to cut bytes into chunks, each a list of chunks. */
function cuts(bytes) {
  const inTwo = Array.from({ length: bytes.length + 1 }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
  const each = Array.from(bytes, (byte) => Uint8Array.of(byte));
  return [[bytes], each, ...inTwo];
}

function read(streams, max) {
  const seen = [];
  const parser = new SseParser({
    onEvent: ({ type, data, id }) => seen.push({ event: type, data, id }),
    onRetry: (retry) => seen.push({ retry }),
    onComment: (comment) => seen.push({ comment }),
    onTooLarge: () => seen.push({ too_large: true }),
  }, max);
  streams.forEach((chunks, nth) => {
    if (nth > 0) parser.reset();
    chunks.forEach((chunk) => parser.feed(chunk));
  });
  return { seen, lastEventId: parser.lastEventId };
}

assert.ok(CASES.length > 100, "the cases are there");
for (const { rule, name, ...wanted } of CASES) {
  test(`${rule}: ${name}`, () => {
    const again = wanted.reconnect === undefined ? [] : [[new TextEncoder().encode(wanted.reconnect)]];
    for (const chunks of cuts(bytesOf(wanted))) {
      const { seen, lastEventId } = read([chunks, ...again], wanted.max_event_bytes);
      assert.deepEqual(seen, wanted.expected, `in ${chunks.length} pieces, the first of ${chunks[0]?.length}`);
      if (wanted.last_event_id !== undefined) assert.equal(lastEventId, wanted.last_event_id);
    }
  });
}

test("an event of 14 MB in one line passes, in time that is linear", () => {
  const data = "x".repeat(13_981_016);
  const bytes = new TextEncoder().encode(`data: ${data}\n\n`);
  const chunks = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, nth) => bytes.subarray(nth * 1000, (nth + 1) * 1000));
  const { seen } = read([chunks]);
  assert.equal(seen[0].data.length, data.length);
});

test("parseSSE yields events as they come, and cancels what it leaves", async () => {
  let isCancelled = false;
  let controller;
  const body = new ReadableStream({ start: (it) => (controller = it), cancel: () => void (isCancelled = true) });
  const events = parseSSE(body);
  controller.enqueue(new TextEncoder().encode("data: a\n\nevent: b\ndata: c\n\ndata: unfinished"));
  assert.deepEqual((await events.next()).value, { type: "message", data: "a", id: "" });
  assert.deepEqual((await events.next()).value, { type: "b", data: "c", id: "" });
  await events.return();
  assert.ok(isCancelled);
});

test("parseSSE takes the answer to a POST", async () => {
  const events = [];
  for await (const event of parseSSE(new Response("data: {\"delta\":1}\n\ndata: [DONE]\n\n"))) events.push(event.data);
  assert.deepEqual(events, ["{\"delta\":1}", "[DONE]"]);
});

test("parseSSE refuses an event above the limit", async () => {
  const events = parseSSE(new Response(`data: ${"x".repeat(100)}\n\n`), 50);
  await assert.rejects(events.next(), /larger than 50/);
});
