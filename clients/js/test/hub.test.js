// The client against the real hub, which is killed, and against topics of every kind.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, HubError } from "../dist/index.js";
import { Hub } from "./lib/hub.js";

const retry = { min: 10, max: 50 };
let hub;
before(async () => void (hub = await Hub.start()));
after(() => hub.kill());

/** A name that no other test has. */
let names = 0;
const fresh = () => `t${(names += 1)}`;

async function take(events, count) {
  const taken = [];
  while (taken.length < count) {
    const { value, done } = await events.next();
    assert.ok(!done, `it ended after ${taken.length}`);
    taken.push(value);
  }
  return taken;
}

const open = (from) =>
  new Promise((resolve) => {
    if (from.status.state === "open") resolve();
    const off = from.onStatus(({ state }) => {
      if (state !== "open") return;
      off();
      resolve();
    });
  });

test("what is published comes back with its topic, type and id", async () => {
  const topic = fresh();
  const client = connect(hub.url, { topics: [topic], share: false });
  const events = client.on();
  await open(client);
  const published = await client.publish({ text: "Ä\n\u{1F980}" }, { type: "note" });
  const [event] = await take(events, 1);
  assert.deepEqual(
    [event.topic, event.type, event.id, JSON.parse(event.data)],
    [topic, "note", published.id, { text: "Ä\n\u{1F980}" }],
  );
  client.close();
});

test("a hub of several topics publishes to the first one, and a pattern to none", async () => {
  const [a, b] = [fresh(), fresh()];
  const client = connect(hub.url, { topics: [a, b], share: false });
  assert.equal((await client.publish("1")).topic, a);
  const other = await fetch(`${hub.url}/${b}?history=all`, { headers: { Accept: "application/json" } });
  assert.deepEqual(await other.json(), []);
  await assert.rejects(connect(hub.url, { share: false }).publish("2"), /say where/);
  await assert.rejects(client.topic(`${a}/*`).publish("3"), { code: "bad_topic" });
});

test("topics and patterns of a page share one connection and are told apart", async () => {
  const [a, b] = [fresh(), fresh()];
  const client = connect(hub.url);
  const seen = { a: [], b: [], all: [] };
  client.topic(a).on(({ data }) => seen.a.push(data));
  client.topic(`${b}/*`).on(({ data, topic }) => seen.b.push(`${topic}:${data}`));
  const both = client.topic("**").on();
  await open(client);
  await client.topic(a).publish("1");
  await client.topic(`${b}/x`).publish("2");
  await client.topic(`${b}/x/y`).publish("3");
  assert.deepEqual((await take(both, 3)).map(({ data }) => data), ["1", "2", "3"]);
  assert.deepEqual([seen.a, seen.b], [["1"], [`${b}/x:2`]]);
  client.close();
  both.return();
});

test("a topic that joins an open connection begins now, and loses nothing of the others", async () => {
  const [a, b] = [fresh(), fresh()];
  const client = connect(hub.url);
  const first = client.topic(a);
  const events = first.on();
  await open(client);
  await client.topic(b).publish("before");
  const late = client.topic(b).on();
  const joined = new Promise((resolve) => {
    const look = async () => {
      // What is published until the hub has answered may be told or not; from here on it has to be.
      await client.topic(b).publish("probe");
      const { value } = await late.next();
      resolve(value.data);
    };
    setTimeout(look, 300);
  });
  const count = 200;
  for (let n = 0; n < count; n += 1) await first.publish(String(n));
  assert.deepEqual((await take(events, count)).map(({ data }) => Number(data)), Array.from({ length: count }, (_, n) => n));
  assert.equal(await joined, "probe");
  events.return();
  late.return();
});

test("history comes first, also for who joins an open connection, without a gap or a repetition", async () => {
  const topic = fresh();
  const client = connect(hub.url);
  for (let n = 0; n < 1_500; n += 1) await client.topic(topic).publish(String(n), { key: `${topic}-${n}` });
  const all = client.topic(topic, { history: "all" }).on();
  let n = 1_500;
  const going = (async () => {
    for (; n < 1_700; n += 1) await client.topic(topic).publish(String(n));
  })();
  const wanted = (from) => Array.from({ length: 1_700 - from }, (_, at) => from + at);
  assert.deepEqual((await take(all, 1_700)).map(({ data }) => Number(data)), wanted(0));
  await going;
  const late = client.topic(topic, { history: 5 }).on();
  assert.deepEqual((await take(late, 5)).map(({ data }) => Number(data)), wanted(1_695));
  all.return();
  late.return();
});

test("history of more bytes than a page may have comes whole", async () => {
  const topic = fresh();
  const client = connect(hub.url, { topics: [topic], history: "all", share: false });
  const filling = "x".repeat(900_000);
  for (let n = 0; n < 12; n += 1) await client.publish(`${n} ${filling}`);
  const seen = (await take(client.on(), 12)).map(({ data }) => Number.parseInt(data, 10));
  assert.deepEqual(seen, Array.from({ length: 12 }, (_, n) => n));
  client.close();
});

test("a topic that joins in the same moment as the stream opens loses nothing of either", async () => {
  const [a, b] = [fresh(), fresh()];
  const client = connect(hub.url, { share: false });
  const seen = { a: [], b: [] };
  client.topic(a).on(({ data }) => seen.a.push(data));
  // Told while the head is there and the first block is not.
  await new Promise((resolve) => client.onStatus(({ state }) => {
    if (state !== "open" || seen.off) return;
    seen.off = client.topic(b, { history: "all" }).on(({ data }) => seen.b.push(data));
    resolve();
  }));
  for (let n = 0; n < 50; n += 1) {
    await client.topic(a).publish(String(n));
    await client.topic(b).publish(String(n));
  }
  while (seen.a.length < 50 || seen.b.length < 50) await new Promise((resolve) => setTimeout(resolve, 10));
  const wanted = Array.from({ length: 50 }, (_, n) => String(n));
  assert.deepEqual([seen.a, seen.b], [wanted, wanted]);
  client.close();
});

test("a hub that is killed and started again twenty times loses nothing and repeats nothing", async () => {
  let own = await Hub.start();
  const client = connect(own.url, { topics: ["a", "b"], retry, share: false });
  const events = client.on();
  await open(client);
  const data = [];
  const reading = (async () => {
    for await (const event of events) {
      data.push(event.data);
      if (data.at(-1) === "last") return;
    }
  })();
  let stored = 0;
  let isOver = false;
  const publishing = (async () => {
    while (!isOver) {
      await client.topic(stored % 2 === 0 ? "a" : "b").publish(String(stored), { tries: 1_000 });
      stored += 1;
    }
    await client.topic("a").publish("last");
  })();
  for (let kill = 0; kill < 20; kill += 1) {
    const before = stored;
    while (stored < before + 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await own.restart();
  }
  isOver = true;
  await publishing;
  await reading;
  assert.deepEqual(data, [...Array.from({ length: stored }, (_, n) => String(n)), "last"]);
  assert.ok(stored >= 60, String(stored));
  client.close();
  await own.kill();
});

test("events that are gone are told as a reset, and history is told anew", async () => {
  const topic = fresh();
  const client = connect(hub.url, { topics: [topic], history: "all", retry, share: false, resume: { get: () => "zzzzzz-1", set() {} } });
  const resets = [];
  // Before anything is awaited: the stream may open, and tell, at once.
  client.onReset(({ reason }) => resets.push(reason));
  const events = client.on();
  await client.publish("a");
  const [event] = await take(events, 1);
  assert.deepEqual([event.data, resets], ["a", ["epoch"]]);
  client.close();
});

test("a topic that ends closes the client without an error", async () => {
  const topic = fresh();
  const client = connect(hub.url, { topics: [topic], retry, share: false });
  const types = [];
  const reading = (async () => {
    for await (const { type } of client) types.push(type);
  })();
  await open(client);
  await client.publish("a");
  const ended = await fetch(`${hub.url}/${topic}?end`, { method: "POST" });
  assert.equal(ended.status, 201);
  await reading;
  assert.deepEqual(types, ["message", "fanfare.end"]);
  await assert.rejects(client.publish("b"), (error) => error instanceof HubError && error.code === "topic_ended");
});

test("a publish that is repeated is stored once", async () => {
  const topic = fresh();
  const client = connect(hub.url, { topics: [topic] });
  const [one, two] = [await client.publish("a", { key: "k" }), await client.publish("a", { key: "k" })];
  assert.equal(one.id, two.id);
  await assert.rejects(client.publish("b", { key: "k" }), { code: "idempotency_key_reused" });
});

test("the hub announces its heartbeat", async () => {
  const response = await fetch(`${hub.url}/${fresh()}`);
  assert.equal(response.headers.get("Fanfare-Heartbeat"), "15000");
  await response.body.cancel();
});
