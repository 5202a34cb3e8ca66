// A verdict that cannot fail would prove nothing: each fault is made once and must be found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../verdict.mjs";

const published = [
  { id: "aaaaaa-5", type: "message", data: "one" },
  { id: "aaaaaa-6", type: "de", data: "zwei\r\nZeilen" },
  { id: "aaaaaa-7", type: "message", data: "" },
];
const right = [
  { open: true },
  { id: "aaaaaa-5", event: "message", data: "one" },
  { id: "aaaaaa-6", event: "de", data: "zwei\nZeilen" },
  { id: "aaaaaa-7", event: "message", data: "" },
  { id: "aaaaaa-8", event: "fanfare.end", data: "{}" },
  { over: "client" },
];
const connections = [
  { requestHead: "" },
  { requestHead: "" },
  { requestHead: "Last-Event-ID: aaaaaa-6\r\n" },
];

const verdictOn = (lines, changes = {}) =>
  judge({
    client: { over: "client", deviations: [] },
    lines,
    published,
    endId: "aaaaaa-8",
    connections,
    cutsDone: 2,
    cutsPlanned: 2,
    ...changes,
  });

const replaced = (index, ...lines) => right.toSpliced(index, 1, ...lines);

test("what is right passes", () => assert.deepEqual(verdictOn(right).faults, []));

const wrong = {
  "a lost event": replaced(2),
  "a repeated event": replaced(2, right[2], right[2]),
  "events out of order": [right[0], right[2], right[1], ...right.slice(3)],
  "other bytes": replaced(1, { ...right[1], data: "one " }),
  "another type": replaced(2, { ...right[2], event: "message" }),
  "a CR kept": replaced(2, { ...right[2], data: "zwei\r\nZeilen" }),
  "an event of nobody": replaced(2, right[2], { id: "aaaaaa-99", event: "message", data: "" }),
  "a gap": replaced(2, { id: "aaaaaa-5", event: "fanfare.gap", data: "{}" }, right[2]),
  "no end": replaced(4),
  "an event after the end": [...right.slice(0, 3), right[4], right[3], right[5]],
  "another who stops": replaced(5, { over: "adapter" }),
};
for (const [name, lines] of Object.entries(wrong)) {
  test(`${name} fails`, () => assert.notDeepEqual(verdictOn(lines).faults, []));
}

test("a cut that did not happen fails", () =>
  assert.notDeepEqual(verdictOn(right, { cutsDone: 1 }).faults, []));

test("a reconnect without an id fails", () => {
  const heads = [...connections, { requestHead: "GET / HTTP/1.1\r\n" }];
  assert.notDeepEqual(verdictOn(right, { connections: heads }).faults, []);
});

test("a browser over TLS whose streams have a connection each fails", () => {
  const client = { over: "client", deviations: [], browser: "chromium", is_encrypted: true };
  const opened = { sibling_open: true };
  assert.notDeepEqual(verdictOn([...right, opened], { client }).faults, []);
  assert.deepEqual(verdictOn([...right, opened, opened], { client }).faults, []);
});

const deviating = { over: "client", deviations: [{ kind: "opening-block-dispatched" }] };
const opening = (id) => ({ id, event: "message", data: "" });

test("a known deviation passes exactly where it is known", () => {
  const lines = [
    right[0],
    opening("aaaaaa-4"),
    right[1],
    { open: true },
    opening("aaaaaa-5"),
    ...right.slice(2),
  ];
  assert.deepEqual(verdictOn(lines, { client: deviating }).faults, []);
});

test("a known deviation that has gone fails", () =>
  assert.notDeepEqual(verdictOn(right, { client: deviating }).faults, []));

test("a known deviation elsewhere fails", () => {
  const lines = [right[0], opening("aaaaaa-4"), right[1], opening("aaaaaa-5"), ...right.slice(2)];
  assert.notDeepEqual(verdictOn(lines, { client: deviating }).faults, []);
});
