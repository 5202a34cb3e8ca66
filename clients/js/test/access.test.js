// The client against a hub that asks who is there: tokens that run out, and tokens that are refused.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "../dist/index.js";
import { Hub } from "../../../tests/browser/lib/hub.js";

const BINARY = process.env.FANFARE_BIN ?? fileURLToPath(new URL("../../../target/debug/fanfare", import.meta.url));
const retry = { min: 10, max: 50 };
const secret = join(mkdtempSync(join(tmpdir(), "fanfare-keys-")), "secret");
writeFileSync(secret, "a secret of more than thirty-two bytes", { mode: 0o600 });
const key = `HS256=${secret}`;
const token = (...args) => execFileSync(BINARY, ["token", "--key", key, ...args], { encoding: "utf8" }).trim();

let hub;
before(async () => void (hub = await Hub.start({ command: "serve", args: ["--key", key] })));
after(() => hub.kill());

test("a token that runs out mid-stream is replaced, and nothing is lost or repeated", async () => {
  const asked = [];
  const auth = (about) => {
    asked.push(about.reason);
    return token("--publish", "a", "--subscribe", "a", "--ttl", "2s");
  };
  const client = connect(hub.url, { topics: ["a"], auth, retry, share: false });
  const seen = [];
  const events = client.on();
  const reading = (async () => {
    for await (const event of events) {
      seen.push(event.data);
      if (event.data === "last") return;
    }
  })();
  await new Promise((resolve) => client.onStatus(({ state }) => state === "open" && resolve()));
  const admin = token("--publish", "a", "--ttl", "1h");
  const publish = async (body) => {
    const response = await fetch(`${hub.url}/a`, { method: "POST", body, headers: { authorization: `Bearer ${admin}` } });
    assert.equal(response.status, 201);
  };
  let sent = 0;
  // Until the stream was opened for the fourth time.
  while (asked.filter((reason) => reason !== "publish").length < 4) {
    await publish(String(sent));
    sent += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await publish("last");
  await reading;
  assert.deepEqual(seen, [...Array.from({ length: sent }, (_, n) => String(n)), "last"]);
  client.close();
});

test("a refused token is asked for once more, with the word that it was refused", async () => {
  const asked = [];
  const auth = ({ reason }) => {
    asked.push(reason);
    return reason === "refused" ? token("--subscribe", "b") : "nonsense";
  };
  const client = connect(hub.url, { topics: ["b"], auth, retry, share: false });
  const events = client.on();
  await new Promise((resolve) => client.onStatus(({ state }) => state === "open" && resolve()));
  assert.deepEqual(asked, ["first", "refused"]);
  client.close();
  await events.return();
});

test("who may not is told so, and it is final", async () => {
  const auth = () => token("--subscribe", "c");
  const client = connect(hub.url, { topics: ["d"], auth, retry, share: false });
  const closed = new Promise((resolve) => client.onStatus((status) => status.state === "closed" && resolve(status)));
  client.on();
  const { error } = await closed;
  assert.deepEqual([error.status, error.code], [403, "not_granted"]);
});
