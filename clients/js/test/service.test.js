// The contract-test services with our clients inside, driven as a harness drives them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server, stream, streamOnce, refuse } from "./lib/server.js";

const inServices = (path) => fileURLToPath(new URL(`../../../conformance/client-service/${path}`, import.meta.url));

for (const [name, command] of [
  ["TypeScript", [process.execPath, inServices("js/service.mjs"), "--port", "0"]],
  ["Rust", [inServices("rust/target/debug/client-service"), "--listen", "127.0.0.1:0"]],
]) describe(name, () => {

let service, url;
before(async () => {
  service = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(service.stdout.setEncoding("utf8"), "data");
  url = line.trim();
});
after(async () => {
  const gone = once(service, "exit");
  await fetch(url, { method: "DELETE" });
  assert.deepEqual(await gone, [0, null]);
});

/** Where the service reports. */
async function harness() {
  const told = [];
  let wake = () => {};
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    told.push({ number: request.url, ...JSON.parse(text) });
    response.end();
    wake();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    callbackUrl: `http://127.0.0.1:${server.address().port}`,
    async next(number) {
      while (told.length <= number) await new Promise((resolve) => (wake = resolve));
      assert.equal(told[number].number, `/${number + 1}`);
      return told[number];
    },
    stop: () => server.close(),
  };
}

async function open(params) {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(params) });
  assert.equal(response.status, 201);
  return new URL(response.headers.get("Location"), url);
}

test("it declares what can be had", async () => {
  const { capabilities } = await (await fetch(url)).json();
  assert.equal(capabilities.length, 10);
});

test("events, comments, listeners, a restart and an error are reported in order", async () => {
  const server = await Server.start();
  server.answer(stream(":hello\n\nid: 1\nevent: other\ndata: unheard\n\ndata: a\n\n"), stream("event: other\ndata: b\n\n"), stream());
  const { callbackUrl, next, stop } = await harness();
  const at = await open({ streamUrl: server.url, callbackUrl, tag: "t", initialDelayMs: 5, headers: { "X-Key": "k" } });
  assert.deepEqual((await next(0)).comment, "hello");
  assert.deepEqual((await next(1)).event, { type: "message", data: "a", id: "1" });
  assert.equal(server.requests[0].headers["x-key"], "k");
  await fetch(at, { method: "POST", body: JSON.stringify({ command: "listen", listen: { type: "other" } }) });
  await fetch(at, { method: "POST", body: JSON.stringify({ command: "restart" }) });
  assert.deepEqual((await next(2)).event, { type: "other", data: "b", id: "1" });
  assert.equal(server.requests[1].headers["last-event-id"], "1");
  server.cut();
  assert.equal((await next(3)).kind, "error");
  await fetch(at, { method: "DELETE" });
  await server.stop();
  stop();
});

test("POST and REPORT carry their body, a read timeout asks anew, and 204 ends it", async () => {
  for (const method of ["POST", "REPORT"]) {
    const server = await Server.start();
    let body = "";
    const silent = (request, response) => {
      request.setEncoding("utf8").on("data", (text) => (body += text));
      stream("data: a\n\n")(request, response);
    };
    server.answer(silent, streamOnce("data: b\n\n"), refuse(204));
    const { callbackUrl, next, stop } = await harness();
    await open({ streamUrl: server.url, callbackUrl, initialDelayMs: 5, readTimeoutMs: 100, method, body: "{}", headers: { "Content-Type": "application/json" }, lastEventId: "9" });
    assert.equal((await next(0)).event.data, "a");
    assert.equal((await next(1)).kind, "error");
    assert.equal((await next(2)).event.data, "b");
    await server.request(2);
    assert.deepEqual([server.requests[0].method, body, server.requests[0].headers["last-event-id"]], [method, "{}", "9"]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(server.requests.length, 3);
    await server.stop();
    stop();
  }
});
});
