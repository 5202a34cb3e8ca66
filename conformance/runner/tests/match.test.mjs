// What the protocol cases call equal, and what they must not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "../match.mjs";

const saved = { id: "a.b" };
const matching = [
  ["${id}", "a.b"],
  ["/^${id}$/", "a.b"],
  ["/^x/s", "x\ny"],
  [null, undefined],
  [{ a: 1 }, { a: 1, b: 2 }],
  [
    [{}, { a: "x" }],
    [{ z: 1 }, { a: "x" }],
  ],
  ["/^20[04]$/", 204],
];
const differing = [
  ["${id}", "axb"],
  ["/^${id}$/", "axb"],
  ["/./", undefined],
  [null, ""],
  [{ a: 1 }, { b: 1 }],
  [{ a: 1 }, undefined],
  [[{}], []],
  [[], [1]],
  [1, "1"],
  [true, undefined],
];
for (const [expected, actual] of matching) {
  test(`${JSON.stringify(expected)} matches ${JSON.stringify(actual)}`, () =>
    assert.deepEqual(differences(expected, actual, saved, "it"), []));
}
for (const [expected, actual] of differing) {
  test(`${JSON.stringify(expected)} does not match ${JSON.stringify(actual)}`, () =>
    assert.equal(differences(expected, actual, saved, "it").length > 0, true));
}
