// The ticker and send data: a message each second, a custom event each fifth, one timer while watched.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeOpen, texts } from "./lib/browser.js";
import { HOSTILE } from "./lib/hostile.js";
import { Hub } from "./lib/hub.js";

let hub, browser;
before(async () => { [hub, browser] = await Promise.all([Hub.start(), launch()]); });
after(async () => { await browser?.close(); await hub?.kill(); });

test("the page shows every callback with its readyState, closes after 10 s, and the timer stops", async () => {
  const page = await open(browser, `${hub.playground}ticker/`);
  await see(page, "#states [aria-current]", "OPEN");
  await see(page, "#log .custom .text", "Custom event after 5 seconds");
  await see(page, "#states [aria-current]", "CLOSED");
  await see(page, "#connection", "Closed");
  const tags = await texts(page, "#log .tag");
  assert.deepEqual(tags.slice(0, 2), ["new", "onopen"]);
  assert.equal(tags.at(-1), "close");
  const ticks = tags.filter((tag) => tag === "onmessage").length;
  assert.ok(ticks >= 8 && ticks <= 10, `${ticks} messages in ten seconds`);
  const clientTags = await texts(page, "#client-log .tag");
  assert.deepEqual(clientTags.slice(0, 2), ["connecting", "open"]);
  const heard = clientTags.filter((tag) => tag === "message").length;
  assert.ok(Math.abs(heard - ticks) <= 1, `${heard} and ${ticks}`);
  await see(page, "#client-connection", "Closed");
  const states = await texts(page, "#log .note");
  assert.equal(states[0], "readyState 0");
  assert.equal(states[1], "readyState 1");
  assert.equal(states.at(-1), "readyState 2");
  await hub.line(/playground\/ticker: timer stopped, nobody is left/);

  await page.getByRole("button", { name: "Open again" }).click();
  await see(page, "#log .text", "Message 1");
  assertFlawless(page);
  await page.close();
});

test("two windows share one timer, and it stops with the last of them", async () => {
  const fresh = await Hub.start();
  const started = /playground\/send-data: timer started/;
  const stopped = /playground\/send-data: timer stopped/;
  const context = await browser.newContext();
  const one = await open(context, `${fresh.playground}send-data/`);
  await see(one, "#log .text", "Message 1");
  const two = await open(context, `${fresh.playground}send-data/`);
  await see(two, "#log .text", "Message");
  const last = (await texts(two, "#log .text")).at(-1);
  await see(one, "#log .text", last);
  assert.equal(fresh.count(started), 1);
  await one.close();
  // A tick after the first window is gone shows that the timer still runs for the second.
  const next = `Message ${Number(last.match(/\d+/)[0]) + 2}`;
  await see(two, "#log .text", next);
  assert.equal(fresh.count(stopped), 0);
  assertFlawless(two);
  await two.close();
  await fresh.line(stopped);
  await context.close();
  await fresh.kill();
});

test("a crash shows as onerror while connecting, and the ticker comes back", async () => {
  const page = await open(browser, `${hub.playground}ticker/`, { outage: true });
  await see(page, "#log .text", "Message");
  await hub.kill("SIGKILL");
  await see(page, "#log .error .tag", "onerror");
  await see(page, "#log .error .note", "readyState 0");
  hub = await Hub.start({ like: hub });
  await seeOpen(page);
  await see(page, "#client-log .error .text", "the next attempt is in");
  await page.waitForFunction(() => {
    const tags = [...document.querySelectorAll("#log .tag")].map((tag) => tag.textContent);
    return tags.lastIndexOf("onmessage") > tags.lastIndexOf("onerror");
  });
  await see(page, "#notice", "Events may be missing");
  assertFlawless(page);
  await page.close();
});

test("send data answers what it received, whatever it was, and the server logs the fact", async () => {
  const page = await open(browser, `${hub.playground}send-data/`);
  await seeOpen(page);
  await see(page, "#log .text", "Message");
  for (const text of HOSTILE.filter((text) => !text.includes("\n"))) {
    await page.getByLabel("Message").fill(text);
    await page.getByRole("button", { name: "Send data" }).click();
    const expected = JSON.stringify({ status: "success", receivedMessage: text });
    await page.waitForFunction((expected) => {
      const shown = document.querySelector("#answer").textContent;
      try {
        return JSON.stringify(JSON.parse(shown), ["status", "receivedMessage"]) === expected;
      } catch {
        return false;
      }
    }, expected);
  }
  await hub.line(/send data: message received bytes=\d+/);
  const refused = await page.request.post(`${hub.playground}send-data/send-data`, { data: { other: 1 } });
  assert.equal(refused.status(), 400);
  assertFlawless(page);
  await page.close();
});
