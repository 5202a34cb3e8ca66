// The TypeScript client in pages: tabs that share a connection, networks that come and go, React.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeCount, texts } from "./lib/browser.js";
import { serveClient } from "./lib/client.js";
import { follow, publish, publishing, streams, takeLeader, told, until } from "./lib/follow.js";
import { Hub } from "./lib/hub.js";

let hub, browser, client;
before(async () => {
  [hub, browser, client] = await Promise.all([Hub.start(), launch(), serveClient()]);
});
after(async () => {
  await browser?.close();
  client?.end();
  await hub?.kill();
});

const isOpen = (page) => page.waitForFunction(() => window.hub.status.state === "open");

test("seven tabs of an HTTP/1.1 origin are live over one connection, whoever leads and however it ends", async () => {
  const context = await browser.newContext();
  const topic = "seven";
  const before = await streams(hub);
  const pages = [];
  for (let tab = 0; tab < 7; tab += 1) {
    const page = await open(context, client.url, { outage: true });
    await follow(page, hub, topic, { share: "tabs" });
    await isOpen(page);
    pages.push(page);
  }
  await until("one connection for seven tabs", async () => (await streams(hub)) === before + 1);
  const end = publishing(hub, topic);
  const goesOn = async (page) => {
    const seen = (await told(page)).length;
    await until("it goes on", async () => (await told(page)).length > seen + 20);
  };
  const left = [...pages];
  const closed = await takeLeader(left);
  await goesOn(left[0]);
  await closed.close();
  await goesOn(left[0]);
  const frozen = await takeLeader(left);
  const session = await context.newCDPSession(frozen);
  // A page that was told to freeze still hears its stream here; one whose script is held does not.
  await session.send("Debugger.enable");
  const isHeld = new Promise((resolve) => session.once("Debugger.paused", resolve));
  await session.send("Debugger.pause");
  await isHeld;
  await goesOn(left[0]);
  await session.send("Debugger.resume");
  const killed = await takeLeader(left);
  const killing = await context.newCDPSession(killed);
  killing.send("Page.crash").catch(() => {});
  await goesOn(left[0]);
  const count = await end();
  const wanted = Array.from({ length: count }, (_, n) => String(n));
  for (const page of [frozen, ...left]) {
    await until("everything came", async () => (await told(page)).length >= count);
    assert.deepEqual(await told(page), wanted);
  }
  await until("one connection again", async () => (await streams(hub)) === before + 1);
  await context.close();
});

test("a tab that joins is open once it is told whatever is published from then on", async () => {
  const context = await browser.newContext();
  const topic = "joining";
  const leader = await open(context, client.url);
  await follow(leader, hub, topic, { share: "tabs" });
  await isOpen(leader);
  const page = await open(context, client.url);
  await page.evaluate((name) => {
    window.spy = new BroadcastChannel(name);
    window.spy.onmessage = ({ data }) => (window.isToldOpen ||= data.status?.state === "open");
  }, `fanfare ${hub.url}/`);
  // It asks where it begins, and the answer takes its time.
  let release;
  const isReleased = new Promise((resolve) => (release = resolve));
  await page.route(/history=/, async (route) => {
    await isReleased;
    await route.continue();
  });
  const isAsked = page.waitForRequest(/history=/);
  await follow(page, hub, topic, { share: "tabs" });
  await Promise.all([isAsked, page.waitForFunction(() => window.isToldOpen)]);
  assert.equal(await page.evaluate(() => window.hub.status.state), "connecting");
  release();
  await isOpen(page);
  await publish(hub, topic, "0");
  await page.waitForFunction(() => window.told.length === 1);
  assert.equal(await page.evaluate(() => window.states.at(-1)), "open");
  await context.close();
});

test("a leader that goes back to where the slowest tab stands tells its own page nothing twice", async () => {
  const context = await browser.newContext();
  const topic = "slowest";
  const pages = [];
  for (let tab = 0; tab < 2; tab += 1) {
    const page = await open(context, client.url, { outage: true });
    await follow(page, hub, topic, { share: "tabs" });
    await isOpen(page);
    pages.push(page);
  }
  const wanted = ["0", "1", "2", "3", "4"];
  for (const data of wanted) await publish(hub, topic, data);
  const isHere = async (page, count) => page.waitForFunction((count) => window.told.length === count, count);
  for (const page of pages) await isHere(page, wanted.length);
  // A tab that stands behind the first event, and says so to whoever leads.
  const slow = await open(context, client.url);
  const answer = await fetch(`${hub.url}/${topic}?history=all`, { headers: { Accept: "application/json" } });
  const [{ id: at }] = await answer.json();
  await slow.evaluate(
    ({ name, topic, at }) => {
      window.heard = [];
      window.channel = new BroadcastChannel(name);
      window.channel.onmessage = ({ data }) => {
        if (data.type === "lead") window.channel.postMessage({ type: "want", tab: "slow", topics: [topic], at });
        if (data.type === "event") window.heard.push(data.event.data);
      };
    },
    { name: `fanfare ${hub.url}/`, topic, at },
  );
  await (await takeLeader(pages)).close();
  await slow.waitForFunction(() => window.heard.length === 4);
  await publish(hub, topic, "5");
  await slow.waitForFunction(() => window.heard.length === 5);
  assert.deepEqual(await slow.evaluate(() => window.heard), ["1", "2", "3", "4", "5"]);
  await isHere(pages[0], 6);
  assert.deepEqual(await told(pages[0]), [...wanted, "5"]);
  await context.close();
});

test("offline and online: it comes back at once with everything", async () => {
  const context = await browser.newContext();
  const page = await open(context, client.url, { outage: true });
  await follow(page, hub, "offline", { retry: { min: 60_000, max: 60_000 } });
  await isOpen(page);
  await publish(hub, "offline", "1");
  await page.waitForFunction(() => window.told.length === 1);
  await context.setOffline(true);
  // A network that is gone says nothing by itself: the hub goes, too.
  await hub.restart();
  await page.waitForFunction(() => window.hub.status.state === "waiting");
  await publish(hub, "offline", "2");
  await context.setOffline(false);
  await page.waitForFunction(() => window.told.length === 2);
  assert.deepEqual(await told(page), ["1", "2"]);
  assertFlawless(page);
  await context.close();
});

test("a page that slept while its connection died asks anew when it wakes", async () => {
  const context = await browser.newContext();
  const page = await open(context, client.url, { outage: true });
  await follow(page, hub, "sleep", { idle: 1_000, retry: { min: 60_000, max: 60_000 } });
  await isOpen(page);
  const session = await context.newCDPSession(page);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  await publish(hub, "sleep", "1");
  await hub.restart();
  await publish(hub, "sleep", "2");
  await session.send("Page.setWebLifecycleState", { state: "active" });
  await page.evaluate(() => globalThis.dispatchEvent(new Event("online")));
  await page.waitForFunction(() => window.told.length === 2);
  assert.deepEqual(await told(page), ["1", "2"]);
  await context.close();
});

test("a page that comes out of the back/forward cache goes on where it was", async () => {
  // The driver switches that cache off.
  const own = await launch({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  const page = await open(await own.newContext(), client.url, { outage: true });
  await follow(page, hub, "bfcache");
  await isOpen(page);
  await page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (window.wasKept = persisted)));
  await publish(hub, "bfcache", "1");
  await page.waitForFunction(() => window.told.length === 1);
  await page.goto(`${client.url}/away`);
  await publish(hub, "bfcache", "2");
  await page.goBack({ waitUntil: "commit" });
  await page.waitForFunction(() => window.told?.length === 2);
  assert.deepEqual(await told(page), ["1", "2"]);
  assert.equal(await page.evaluate(() => window.wasKept), true);
  await own.close();
});

test("React's StrictMode has one connection and each event once; what is sent shows early", async () => {
  const context = await browser.newContext();
  const topic = "react";
  for (const data of ["a", "b"]) await publish(hub, topic, data);
  const before = await streams(hub);
  const page = await open(context, `${client.url}/react?hub=${hub.url}&topic=${topic}&twice`);
  await seeCount(page, "li.told", 4);
  await see(page, "#state", "open");
  assert.equal(await streams(hub), before + 1);
  await publish(hub, topic, "c");
  await seeCount(page, "li.told", 6);
  await page.evaluate(() => window.send("d"));
  await seeCount(page, "li.told", 8);
  await seeCount(page, "li.pending", 0);
  assert.deepEqual(await texts(page, "ul:first-of-type li"), ["a", "b", "c", "d", "a", "b", "c", "d"]);
  assertFlawless(page);
  await context.close();
});

test("what the hub refuses is taken back", async () => {
  const context = await browser.newContext();
  const topic = "refused";
  await publish(hub, topic, "a");
  const page = await open(context, `${client.url}/react?hub=${hub.url}&topic=${topic}`, { outage: true });
  await seeCount(page, "li.told", 1);
  await fetch(`${hub.url}/${topic}?end`, { method: "POST" });
  const refusal = page.evaluate(() => window.send("b").then(() => "stored", (error) => error.code));
  assert.equal(await refusal, "topic_ended");
  await seeCount(page, "li.pending", 0);
  await context.close();
});

test("TanStack Query, SWR, Vue and Svelte show the same, over one connection", async () => {
  const context = await browser.newContext();
  const topic = "recipes";
  await publish(hub, topic, "a");
  const before = await streams(hub);
  const page = await open(context, `${client.url}/recipes?hub=${hub.url}&topic=${topic}`);
  const names = ["tanstack", "swr", "vue", "svelte"];
  for (const name of names) await see(page, `#${name}`, /^a$/);
  assert.equal(await streams(hub), before + 1);
  await publish(hub, topic, "b");
  for (const name of names) await see(page, `#${name}`, /^a b$/);
  assertFlawless(page);
  await context.close();
});

test("a tab that is loaded anew goes on where it was, and another tab begins where it is", async () => {
  const context = await browser.newContext();
  const page = await open(context, client.url);
  await follow(page, hub, "session", { resume: "session" });
  await isOpen(page);
  await publish(hub, "session", "1");
  await page.waitForFunction(() => window.told.length === 1);
  await page.goto(`${client.url}/away`);
  await publish(hub, "session", "2");
  const other = await open(context, client.url);
  await follow(other, hub, "session", { resume: "session" });
  await isOpen(other);
  await page.goto(client.url);
  await follow(page, hub, "session", { resume: "session" });
  await page.waitForFunction(() => window.told.length === 1);
  await publish(hub, "session", "3");
  for (const each of [page, other]) await each.waitForFunction(() => window.told.at(-1) === "3");
  assert.deepEqual([await told(page), await told(other)], [["2", "3"], ["3"]]);
  assert.deepEqual(await page.evaluate(() => window.resets), []);
  assertFlawless(page, other);
  await context.close();
});

test("a page that resumes after what the one before it read was dropped is told of the gap", async () => {
  const context = await browser.newContext();
  const page = await open(context, client.url);
  await follow(page, hub, "gap", { resume: "session" });
  await isOpen(page);
  for (const data of ["1", "2"]) await publish(hub, "gap", data);
  await page.waitForFunction(() => window.told.length === 2);
  await page.goto(`${client.url}/away`);
  await publish(hub, "gap", "3");
  assert.equal((await fetch(`${hub.url}/gap`, { method: "DELETE" })).status, 200);
  await publish(hub, "gap", "4");
  await page.goto(client.url);
  await follow(page, hub, "gap", { resume: "session" });
  await page.waitForFunction(() => window.told.length === 1);
  assert.deepEqual([await page.evaluate(() => window.resets), await told(page)], [["trimmed"], ["4"]]);
  // What it was told of once is behind it.
  await page.goto(client.url);
  await follow(page, hub, "gap", { resume: "session" });
  await publish(hub, "gap", "5");
  await page.waitForFunction(() => window.told.length === 1);
  assert.deepEqual([await page.evaluate(() => window.resets), await told(page)], [[], ["5"]]);
  assertFlawless(page);
  await context.close();
});
