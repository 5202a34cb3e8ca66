// The client in Firefox: what client.test.js tries in Chromium, over another engine. Its back/forward
// cache is left out, because Firefox keeps no page there that has a stream open.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Firefox } from "./lib/firefox.js";
import { follow, publish, publishing, streams, takeLeader, told, until } from "./lib/follow.js";
import { serveClient } from "./lib/client.js";
import { Hub } from "./lib/hub.js";

let hub, firefox, client;
before(async () => {
  [hub, firefox, client] = await Promise.all([Hub.start(), Firefox.launch(), serveClient()]);
});
after(async () => {
  await firefox?.close();
  client?.end();
  await hub?.kill();
});

/** Streams of the tests before end with their pages. */
const areGone = () => until("no stream", async () => (await streams(hub)) === 0);
const isOpen = (page) => page.waitFor(() => window.hub.status.state === "open");

test("seven tabs of an HTTP/1.1 origin are live over one connection, whoever leads and however it ends", async () => {
  const topic = "seven";
  await areGone();
  const pages = [];
  for (let tab = 0; tab < 7; tab += 1) {
    const page = await firefox.open(`${client.url}/#${tab}`, { outage: true });
    await follow(page, hub, topic, { share: "tabs" });
    await isOpen(page);
    pages.push(page);
  }
  await until("one connection for seven tabs", async () => (await streams(hub)) === 1);
  const end = publishing(hub, topic);
  const left = [...pages];
  const goesOn = async () => {
    const seen = (await told(left[0])).length;
    await until("it goes on", async () => (await told(left[0])).length > seen + 20);
  };
  await goesOn();
  await (await takeLeader(left)).close();
  await goesOn();
  const frozen = await takeLeader(left);
  const pid = await firefox.processOf(frozen.url);
  process.kill(pid, "SIGSTOP");
  try {
    await goesOn();
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await goesOn();
  const killed = await takeLeader(left);
  process.kill(await firefox.processOf(killed.url), "SIGKILL");
  await goesOn();
  const count = await end();
  const wanted = Array.from({ length: count }, (_, n) => String(n));
  for (const page of [frozen, ...left]) {
    await until("everything came", async () => (await told(page)).length >= count);
    assert.deepEqual(await told(page), wanted);
  }
  await until("one connection again", async () => (await streams(hub)) === 1);
  for (const page of [frozen, killed, ...left]) await page.close();
});

test("a hub that is killed and started again loses nothing", async () => {
  const page = await firefox.open(client.url, { outage: true });
  await follow(page, hub, "killed");
  await isOpen(page);
  for (let kill = 0; kill < 3; kill += 1) {
    await publish(hub, "killed", `${kill} before`);
    await hub.restart();
    await publish(hub, "killed", `${kill} after`);
  }
  await page.waitFor(() => window.told.length === 6);
  assert.deepEqual(await told(page), [0, 1, 2].flatMap((kill) => [`${kill} before`, `${kill} after`]));
  assert.deepEqual(await page.evaluate(() => window.resets), []);
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("the browser's own EventSource follows the hub, and resumes when it was killed", async () => {
  const page = await firefox.open(client.url, { outage: true });
  await page.evaluate((url) => {
    window.told = [];
    window.source = new EventSource(url);
    window.source.onmessage = ({ data, lastEventId }) => window.told.push([data, lastEventId !== ""]);
    return new Promise((resolve) => (window.source.onopen = resolve)).then(() => {});
  }, `${hub.url}/native`);
  await publish(hub, "native", "one\ntwo");
  await page.waitFor(() => window.told.length === 1);
  await hub.restart();
  await publish(hub, "native", "three");
  await page.waitFor(() => window.told.length === 2);
  assert.deepEqual(await told(page), [["one\ntwo", true], ["three", true]]);
  await page.close();
});

test("the parser reads every case, whole and in bytes", async () => {
  const file = new URL("../../conformance/sse/decoder.json", import.meta.url);
  const cases = JSON.parse(readFileSync(file, "utf8"));
  const page = await firefox.open(client.url);
  const read = await page.evaluate(readCases, cases);
  assert.equal(read.length, cases.length);
  for (const [at, { rule, name, expected }] of cases.entries()) {
    for (const seen of read[at]) assert.deepEqual(seen, expected, `${rule}: ${name}`);
  }
  await page.close();
});

/** Runs in the page: each case in one piece and in bytes. */
function readCases(cases) {
  return cases.map(({ input, hex, reconnect, max_event_bytes: max }) => {
    const bytes = hex === undefined
      ? new TextEncoder().encode(input)
      : Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    return [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))].map((chunks) => {
      const seen = [];
      const parser = new fanfare.SseParser({
        onEvent: ({ type, data, id }) => seen.push({ event: type, data, id }),
        onRetry: (retry) => seen.push({ retry }),
        onComment: (comment) => seen.push({ comment }),
        onTooLarge: () => seen.push({ too_large: true }),
      }, max);
      for (const chunk of chunks) parser.feed(chunk);
      if (reconnect !== undefined) {
        parser.reset();
        parser.feed(new TextEncoder().encode(reconnect));
      }
      return seen;
    });
  });
}

test("React's StrictMode has one connection and each event once; what is sent shows early", async () => {
  for (const data of ["a", "b"]) await publish(hub, "react", data);
  await areGone();
  const page = await firefox.open(`${client.url}/react?hub=${hub.url}&topic=react&twice`);
  const shows = (count) => page.waitFor((count) => document.querySelectorAll("li.told").length === count, count);
  await shows(4);
  await page.waitFor(() => document.querySelector("#state").textContent === "open");
  assert.equal(await streams(hub), 1);
  await publish(hub, "react", "c");
  await shows(6);
  await page.evaluate(() => window.send("d").then(() => {}));
  await shows(8);
  const list = await page.evaluate(() => [...document.querySelectorAll("ul:first-of-type li")].map((item) => item.textContent));
  assert.deepEqual(list, ["a", "b", "c", "d", "a", "b", "c", "d"]);
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("TanStack Query, SWR, Vue and Svelte show the same, over one connection", async () => {
  await publish(hub, "recipes", "a");
  await areGone();
  const page = await firefox.open(`${client.url}/recipes?hub=${hub.url}&topic=recipes`);
  const show = (wanted) => page.waitFor(
    (wanted) => ["tanstack", "swr", "vue", "svelte"].every((name) => document.querySelector(`#${name}`)?.textContent === wanted),
    wanted,
  );
  await show("a");
  assert.equal(await streams(hub), 1);
  await publish(hub, "recipes", "b");
  await show("a b");
  assert.deepEqual(page.faults, []);
  await page.close();
});

// Headless Chromium shows every page at once: minimized or behind another tab, it stays visible.
test("a page that is hidden hangs up after a while, and goes on when it is shown", async () => {
  const page = await firefox.open(client.url);
  const other = await firefox.open(`${client.url}/away`);
  await page.show();
  await areGone();
  await follow(page, hub, "hidden", { hidden: { pauseAfter: 200 } });
  await isOpen(page);
  await publish(hub, "hidden", "1");
  await page.waitFor(() => window.told.length === 1);
  await other.show();
  await page.waitFor(() => window.hub.status.state === "paused");
  await areGone();
  await publish(hub, "hidden", "2");
  assert.deepEqual(await told(page), ["1"]);
  await page.show();
  await page.waitFor(() => window.told.length === 2);
  assert.deepEqual(await told(page), ["1", "2"]);
  assert.deepEqual(await page.evaluate(() => window.states), ["connecting", "open", "paused", "connecting", "open"]);
  assert.deepEqual(page.faults, []);
  for (const each of [page, other]) await each.close();
});
