// The EventSource-shaped class: what the standard asks of one, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventSource } from "../dist/event-source.js";
import { refuse, Server, stream, streamOnce } from "./lib/server.js";

async function serve(...answers) {
  const server = await Server.start();
  server.answer(...answers);
  return server;
}

const heard = (source, type) => new Promise((resolve) => source.addEventListener(type, resolve, { once: true }));

test("it opens, tells events with id and origin, and closes for good", async () => {
  const server = await serve(stream("id: 1\nevent: note\ndata: a\ndata: b\n\n"));
  const source = new EventSource(server.url);
  assert.equal(source.readyState, EventSource.CONNECTING);
  let opened;
  source.onopen = (event) => (opened = [event.type, source.readyState]);
  const event = await heard(source, "note");
  assert.deepEqual(opened, ["open", 1]);
  assert.deepEqual([event.data, event.lastEventId, event.origin], ["a\nb", "1", server.url]);
  source.onmessage = () => assert.fail("nothing comes after close()");
  source.close();
  assert.equal(source.readyState, EventSource.CLOSED);
  server.requests[0].response.write("data: late\n\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.stop();
});

test("it comes back with the last id after the time that retry says", async () => {
  const server = await serve(streamOnce("retry: 50\nid: …\ndata: a\n\n"), stream("data: b\n\n"));
  const source = new EventSource(server.url);
  let errors = 0;
  source.onerror = () => {
    errors += 1;
    assert.equal(source.readyState, EventSource.CONNECTING);
  };
  await heard(source, "message");
  const { data, lastEventId } = await heard(source, "message");
  assert.deepEqual([data, lastEventId, errors], ["b", "…", 1]);
  const [first, second] = server.requests;
  assert.ok(second.at - first.at >= 45);
  assert.equal(Buffer.from(second.headers["last-event-id"], "latin1").toString(), "…");
  source.close();
  await server.stop();
});

test("an address that no network is asked for is final", async () => {
  for (const url of ["ftp://127.0.0.1/", "about:blank", "mailto:a@b", "data:text/plain,a"]) {
    const source = new EventSource(url);
    await heard(source, "error");
    assert.equal(source.readyState, EventSource.CLOSED, url);
  }
});

for (const [what, answer] of [
  ...[204, 205, 404, 410, 500, 503].map((status) => [String(status), refuse(status, {}, "")]),
  ["another type", refuse(200, { "Content-Type": "text/event-streamX" })],
]) {
  test(`${what} is final`, async () => {
    const server = await serve(answer);
    const source = new EventSource(server.url);
    await heard(source, "error");
    assert.equal(source.readyState, EventSource.CLOSED);
    await server.stop();
  });
}

test("a persistent one survives a 502, and still takes 404 for an end", async () => {
  const server = await serve(streamOnce("retry: 5\n\n"), refuse(502), stream("data: a\n\n"));
  const source = new EventSource(server.url, { persistent: true, headers: { Authorization: "Bearer t" } });
  assert.equal((await heard(source, "message")).data, "a");
  assert.equal(server.requests[2].headers.authorization, "Bearer t");
  source.close();
  await server.stop();
  const gone = await serve(refuse(404));
  const other = new EventSource(gone.url, { persistent: true });
  await heard(other, "error");
  assert.equal(other.readyState, EventSource.CLOSED);
  await gone.stop();
});

test("a URL that is none is a SyntaxError", () => {
  assert.throws(() => new EventSource("http://["), { name: "SyntaxError" });
});

test("close() in a listener of error stops the next attempt", async () => {
  const server = await serve(streamOnce("retry: 5\n\n"));
  const source = new EventSource(server.url);
  await new Promise((resolve) => {
    source.onerror = () => {
      source.close();
      resolve();
    };
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.requests.length, 1);
  await server.stop();
});
