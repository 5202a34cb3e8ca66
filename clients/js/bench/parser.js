// The parser beside eventsource-parser, in turns: MB a second of streams of several kinds.
import { createParser } from "eventsource-parser";
import { SseParser } from "../dist/index.js";

const ROUNDS = 7;
const BYTES = 32 << 20;
const CHUNK = 16 << 10;

const FIXTURES = {
  "tokens of a language model": (n) => `data: {"choices":[{"delta":{"content":"word${n % 97}"}}]}\n\n`,
  "events of a hub, 100 bytes": (n) => `id: k3v9q2-${n}\ndata: ${"x".repeat(100)}\n\n`,
  "events of 1 KiB": (n) => `id: ${n}\nevent: update\ndata: ${"x".repeat(1024)}\n\n`,
  "four lines of data": (n) => `id: ${n}\ndata: one\ndata: two\ndata: three\ndata: four\n\n`,
  "CRLF": (n) => `id: ${n}\r\ndata: ${"x".repeat(60)}\r\n\r\n`,
  "comments": () => ":\n\n",
  "text beyond ASCII": (n) => `data: ${"ä…😀".repeat(12)}${n}\n\n`,
};

const PARSERS = {
  "fanfare-client": () => {
    let events = 0;
    const parser = new SseParser({ onEvent: () => (events += 1) });
    return { feed: (chunk) => parser.feed(chunk), events: () => events };
  },
  "eventsource-parser": () => {
    let events = 0;
    const utf8 = new TextDecoder();
    const parser = createParser({ onEvent: () => (events += 1) });
    return { feed: (chunk) => parser.feed(utf8.decode(chunk, { stream: true })), events: () => events };
  },
};

function chunks(make, size) {
  const text = [];
  for (let bytes = 0, n = 0; bytes < BYTES; n += 1) {
    text.push(make(n));
    bytes += text.at(-1).length;
  }
  const bytes = new TextEncoder().encode(text.join(""));
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

function measure(make, pieces) {
  const { feed, events } = make();
  const begin = performance.now();
  for (const piece of pieces) feed(piece);
  const seconds = (performance.now() - begin) / 1000;
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  return { events: events(), rate: bytes / seconds / 1e6 };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

console.log(`MB/s, median of ${ROUNDS} rounds, chunks of ${CHUNK >> 10} KiB, Node ${process.version}\n`);
for (const [name, make] of Object.entries(FIXTURES)) {
  const pieces = chunks(make, CHUNK);
  const rates = Object.fromEntries(Object.keys(PARSERS).map((parser) => [parser, []]));
  const seen = new Set();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [parser, start] of Object.entries(PARSERS)) {
      const { events, rate } = measure(start, pieces);
      seen.add(events);
      rates[parser].push(rate);
    }
  }
  if (seen.size !== 1) throw new Error(`they saw different numbers of events: ${[...seen]}`);
  const [ours, theirs] = Object.values(rates).map(median);
  console.log(`${name.padEnd(28)}${ours.toFixed(0).padStart(7)} and ${theirs.toFixed(0).padStart(6)} of eventsource-parser: ${(ours / theirs).toFixed(2)}`);
}
