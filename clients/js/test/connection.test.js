// What a connection does with answers of every kind, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, HubError } from "../dist/index.js";
import { refuse, Server, stream, streamOnce } from "./lib/server.js";

/** Short waits, so that a test takes no longer than what it shows. */
const retry = { min: 10, max: 20 };

async function serve(...answers) {
  const server = await Server.start();
  server.answer(...answers);
  return server;
}

const until = (hub, state) =>
  new Promise((resolve) => {
    if (hub.status.state === state) return resolve(hub.status);
    const off = hub.onStatus((status) => {
      if (status.state !== state) return;
      off();
      resolve(status);
    });
  });

test("nothing is asked before somebody listens, and the stream ends with the last listener", async () => {
  const server = await serve(stream("data: a\n\n"));
  const hub = connect(server.url);
  assert.equal(hub.status.state, "idle");
  for await (const event of hub) {
    assert.deepEqual([event.type, event.data], ["message", "a"]);
    break;
  }
  const { response } = await server.request(0);
  await new Promise((resolve) => response.once("close", resolve));
  assert.equal(server.requests.length, 1);
  await server.stop();
});

test("it resumes with the last id, that of a block without data included", async () => {
  const server = await serve(streamOnce("id: 1\ndata: a\n\nid: 2…\n\n"), stream("data: b\n\n"));
  const hub = connect(server.url, { retry, share: false });
  const events = hub.on();
  assert.equal((await events.next()).value.data, "a");
  assert.equal((await events.next()).value.data, "b");
  const { headers } = await server.request(1);
  assert.equal(Buffer.from(headers["last-event-id"], "latin1").toString("utf8"), "2…");
  hub.close();
  await server.stop();
});

test("a 502 and a broken connection are tried again, and Retry-After is a floor", async () => {
  const server = await serve(refuse(502), refuse(503, { "Retry-After": "1" }), streamOnce("data: a\n\n"), stream("data: b\n\n"));
  const hub = connect(server.url, { retry, share: false });
  const events = hub.on();
  assert.equal((await events.next()).value.data, "a");
  assert.equal((await events.next()).value.data, "b");
  const [, second, third] = server.requests;
  assert.ok(third.at - second.at >= 1000, `${third.at - second.at} ms`);
  hub.close();
  await server.stop();
});

test("a token is asked for at each attempt, and once more when it was refused", async () => {
  const server = await serve(refuse(401), streamOnce("data: a\n\n"), refuse(403), refuse(403));
  const asked = [];
  const auth = ({ attempt, reason }) => {
    asked.push(reason);
    return `t${attempt}-${asked.length}`;
  };
  const hub = connect(server.url, { retry, auth, share: false });
  const events = hub.on();
  assert.equal((await events.next()).value.data, "a");
  await assert.rejects(events.next(), (error) => error instanceof HubError && error.status === 403);
  assert.deepEqual(asked, ["first", "refused", "again", "refused"]);
  const tokens = server.requests.map(({ headers }) => headers.authorization);
  assert.equal(new Set(tokens).size, 4, tokens.join());
  assert.equal(hub.status.state, "closed");
  await server.stop();
});

test("a token that cannot be had is tried again", async () => {
  const server = await serve(stream("data: a\n\n"));
  let tries = 0;
  const auth = async () => {
    tries += 1;
    if (tries === 1) throw new Error("the identity server is down");
    return "t";
  };
  const hub = connect(server.url, { retry, auth, share: false });
  assert.equal((await hub.on().next()).value.data, "a");
  assert.equal(tries, 2);
  hub.close();
  await server.stop();
});

test("204 ends it without an error", async () => {
  const server = await serve(streamOnce("data: a\n\n"), refuse(204));
  const hub = connect(server.url, { retry, share: false });
  const seen = [];
  for await (const event of hub) seen.push(event.data);
  assert.deepEqual(seen, ["a"]);
  assert.deepEqual(hub.status, { state: "closed" });
  await server.stop();
});

test("a refusal is told with the words of the hub", async () => {
  const problem = JSON.stringify({ status: 400, code: "bad_topic", detail: "the topic is empty" });
  const server = await serve(refuse(400, { "Content-Type": "application/problem+json" }, problem));
  const hub = connect(server.url, { share: false });
  await assert.rejects(hub.on().next(), { name: "HubError", message: "the topic is empty", code: "bad_topic", status: 400 });
  await server.stop();
});

test("a page of HTML in place of a stream is final, and says so", async () => {
  const server = await serve(refuse(200, { "Content-Type": "text/html" }, "<!doctype html>"));
  const hub = connect(server.url, { share: false });
  await assert.rejects(hub.on().next(), /text\/html, not text\/event-stream/);
  await server.stop();
});

test("a stream that is silent for longer than its heartbeats allow is asked for anew", async () => {
  const server = await serve(stream(":\n\n", { "Fanfare-Heartbeat": "40" }), stream("data: b\n\n"));
  const hub = connect(server.url, { retry, share: false });
  const begin = performance.now();
  assert.equal((await hub.on().next()).value.data, "b");
  assert.ok(performance.now() - begin >= 100, "not before 2.5 heartbeats");
  hub.close();
  await server.stop();
});

test("comments are signs of life", async () => {
  const server = await serve(stream("", { "Fanfare-Heartbeat": "40" }));
  const hub = connect(server.url, { retry, share: false });
  const events = hub.on();
  const next = events.next();
  const { response } = await server.request(0);
  for (let beat = 0; beat < 20; beat += 1) {
    response.write(":\n\n");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  response.write("data: a\n\n");
  assert.equal((await next).value.data, "a");
  assert.equal(server.requests.length, 1);
  hub.close();
  await server.stop();
});

test("listeners of one page share a connection; others have their own", async () => {
  const server = await serve(stream("data: a\n\n"));
  const [one, two] = [connect(server.url), connect(server.url)];
  const seen = await Promise.all([one.on().next(), two.on().next()]);
  assert.deepEqual(seen.map(({ value }) => value.data), ["a", "a"]);
  assert.equal(server.requests.length, 1);
  const alone = connect(server.url, { share: false });
  await alone.on().next();
  assert.equal(server.requests.length, 2);
  for (const hub of [one, two, alone]) hub.close();
  await server.stop();
});

test("an event above the limit is a gap, never silence", async () => {
  const server = await serve(stream(`data: ${"x".repeat(17 << 20)}\n\ndata: b\n\n`));
  const hub = connect(server.url, { retry, share: false });
  const resets = [];
  hub.onReset((gap) => resets.push(gap.reason));
  assert.equal((await hub.on().next()).value.data, "b");
  assert.deepEqual(resets, ["too_large"]);
  hub.close();
  await server.stop();
});

test("a loop that lies too far behind is told, and nothing is dropped in silence", async () => {
  const server = await serve(stream("data: x\n\n".repeat(5_000)));
  const hub = connect(server.url, { retry, share: false });
  const events = hub.on();
  await until(hub, "open");
  await new Promise((resolve) => setTimeout(resolve, 200));
  let taken = 0;
  await assert.rejects(async () => {
    for await (const _ of events) taken += 1;
  }, /events behind/);
  assert.ok(taken >= 4_096, String(taken));
  await server.stop();
});

test("a listener that throws is reported, and harms neither the others nor the stream", async () => {
  const server = await serve(stream("data: a\n\ndata: b\n\n"));
  const hub = connect(server.url, { retry, share: false });
  const errors = [];
  hub.onError((error) => errors.push(error.message));
  hub.on(() => {
    throw new Error("mine");
  });
  const events = hub.on();
  assert.deepEqual([(await events.next()).value.data, (await events.next()).value.data], ["a", "b"]);
  assert.deepEqual(errors, ["a listener threw: mine", "a listener threw: mine"]);
  assert.equal(server.requests.length, 1);
  hub.close();
  await server.stop();
});

test("history that cannot be fetched is asked for again, and told once", async () => {
  let pages = 0;
  const envelope = (n) => ({ id: `k3v9q2-${n}`, topic: "chat", event: "message", data: String(n), time: 0 });
  const server = await serve((request, response) => {
    if (!request.headers.accept.includes("json")) return stream("id: k3v9q2-2\n\nid: k3v9q2-3\ndata: 3\n\n")(request, response);
    pages += 1;
    if (pages === 2) return refuse(503)(request, response);
    const after = Number(new URL(request.url, server.url).searchParams.get("last_event_id")?.split("-")[1] ?? 0);
    const link = after === 0 ? { Link: '</chat>; rel="next"' } : {};
    return refuse(200, { "Content-Type": "application/json", ...link }, JSON.stringify([envelope(after + 1)]))(request, response);
  });
  const hub = connect(server.url, { topics: ["chat"], history: "all", retry, share: false });
  const errors = [];
  hub.onError((error) => errors.push(error.status));
  const events = hub.on();
  const seen = [];
  while (seen.length < 3) seen.push((await events.next()).value.data);
  assert.deepEqual([seen, errors, pages], [["1", "2", "3"], [503], 3]);
  hub.close();
  await server.stop();
});

test("an aborted signal ends everything", async () => {
  const server = await serve(stream("data: a\n\n"));
  const controller = new AbortController();
  const hub = connect(server.url, { share: false, signal: controller.signal });
  const seen = [];
  for await (const event of hub) {
    seen.push(event.data);
    controller.abort();
  }
  assert.deepEqual(seen, ["a"]);
  await server.stop();
});

test("data of a type is what its schema makes of it, and what it refuses is told", async () => {
  const schema = {
    "~standard": {
      validate: (value) => (typeof value.n === "number" ? { value: value.n * 2 } : { issues: [{ message: "n is no number" }] }),
    },
  };
  const text = 'event: order\ndata: {"n":"x"}\n\nevent: order\ndata: {"n":21}\n\n';
  const server = await serve(stream(text));
  const hub = connect(server.url, { events: { order: schema }, share: false });
  const errors = [];
  hub.onError((error) => errors.push(error.message));
  const { value } = await hub.on("order").next();
  assert.deepEqual([value.data, value.raw], [42, '{"n":21}']);
  assert.match(errors[0], /n is no number/);
  hub.close();
  await server.stop();
});

test("where the last id is kept can be said", async () => {
  const server = await serve(stream("id: 9\ndata: a\n\n"));
  const kept = ["7"];
  const resume = { get: () => kept.at(-1), set: (id) => kept.push(id) };
  const hub = connect(server.url, { resume, share: false });
  await hub.on().next();
  assert.equal((await server.request(0)).headers["last-event-id"], "7");
  assert.deepEqual(kept, ["7", "9"]);
  hub.close();
  await server.stop();
});
