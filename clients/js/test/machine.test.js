// A row for each state, a column for each input.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HubError } from "../dist/index.js";
import { IDLE, RETRY, step } from "../dist/machine.js";

const NOW = 1_000_000;
const failure = new HubError("broken");
const status = (code, about) => new HubError(`status ${code}`, { status: code, ...about });
const lost = (error = failure, dice = 0.5) => ({ type: "lost", error, dice });

/** A machine in each state. */
const IN = {
  idle: IDLE,
  connecting: { ...IDLE, status: { state: "connecting", attempt: 1, reason: "first" }, attempts: 1 },
  open: { ...IDLE, status: { state: "open", since: NOW - 1 }, attempts: 1 },
  waiting: { ...IDLE, status: { state: "waiting", nextAttemptAt: NOW + 5, error: failure }, failures: 1, attempts: 1 },
  paused: { ...IDLE, status: { state: "paused" }, attempts: 1 },
  closed: { ...IDLE, status: { state: "closed" } },
};

const INPUTS = {
  go: { type: "go" },
  opened: { type: "opened" },
  lost: lost(),
  pause: { type: "pause" },
  close: { type: "close" },
  advised: { type: "advised", ms: 7 },
};

const TABLE = {
  //            go            opened     lost       pause     close     advised
  idle:       ["connecting", "idle",    "idle",    "idle",   "closed", "idle"],
  connecting: ["connecting", "open",    "waiting", "paused", "closed", "connecting"],
  open:       ["open",       "open",    "waiting", "paused", "closed", "open"],
  waiting:    ["connecting", "waiting", "waiting", "paused", "closed", "waiting"],
  paused:     ["connecting", "paused",  "paused",  "paused", "closed", "paused"],
  closed:     ["closed",     "closed",  "closed",  "closed", "closed", "closed"],
};

for (const [state, row] of Object.entries(TABLE)) {
  Object.entries(INPUTS).forEach(([name, input], column) => {
    test(`${state}, ${name}: ${row[column]}`, () => {
      const before = structuredClone(IN[state].status);
      const after = step(IN[state], input, NOW);
      assert.equal(after.status.state, row[column]);
      assert.equal(IN[state].status.state, before.state, "the machine before is as it was");
    });
  });
}

const wait = (machine, error, dice) => step(machine, lost(error, dice), NOW).status.nextAttemptAt - NOW;

test("waits are random under a span that doubles up to a cap", () => {
  let machine = IN.connecting;
  const spans = Array.from({ length: 9 }, () => {
    const span = wait(machine, failure, 1);
    assert.equal(wait(machine, failure, 0), 0);
    machine = step(step(machine, lost(), NOW), { type: "go" }, NOW);
    return span;
  });
  assert.deepEqual(spans, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("an attempt says whether something was lost before it", () => {
  for (const [state, reason] of [["idle", "first"], ["paused", "first"], ["waiting", "again"]]) {
    assert.equal(step(IN[state], INPUTS.go, NOW).status.reason, reason);
  }
});

test("what the server advises is a floor, not a cap", () => {
  const advised = step(IN.open, { type: "advised", ms: 3000 }, NOW);
  assert.equal(wait(advised, failure, 0), 3000);
  assert.equal(wait(advised, failure, 1), 3500);
  assert.equal(wait(advised, status(503, { retryAfter: 9000 }), 0), 9000);
  const typo = step(IN.open, { type: "advised", ms: 1e15 }, NOW);
  assert.equal(wait(typo, failure, 0), 3_600_000);
});

test("waits begin anew after a stream that was open for ten seconds, not after one that was cut on sight", () => {
  const failed = { ...IN.open, failures: 5 };
  const openFor = (ms) => ({ ...failed, status: { state: "open", since: NOW - ms } });
  assert.equal(wait(openFor(9_999), failure, 1), 16_000);
  assert.equal(wait(openFor(10_000), failure, 1), 500);
});

test("refusals are final, but for those that pass", () => {
  for (const code of [400, 404, 406, 409, 413, 451]) {
    const { status: after } = step(IN.connecting, lost(status(code)), NOW);
    assert.deepEqual([after.state, after.error?.status], ["closed", code]);
  }
  for (const code of [408, 425, 429, 500, 502, 503, 504]) {
    assert.equal(step(IN.connecting, lost(status(code)), NOW).status.state, "waiting", String(code));
  }
  const policy = { ...RETRY, giveUp: () => true };
  assert.equal(step(IN.connecting, lost(), NOW, policy).status.state, "closed");
});

test("refused credentials are asked for anew, once for each stream", () => {
  for (const code of [401, 403]) {
    const again = step(IN.connecting, lost(status(code)), NOW);
    assert.deepEqual(again.status, { state: "connecting", attempt: 2, reason: "refused" });
    assert.equal(step(again, lost(status(code)), NOW).status.state, "closed");
    const open = step(again, { type: "opened" }, NOW);
    const later = step(step(open, lost(), NOW), { type: "go" }, NOW);
    assert.equal(step(later, lost(status(code)), NOW).status.reason, "refused");
  }
});
