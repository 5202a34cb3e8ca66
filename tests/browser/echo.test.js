// The echo: the exact words over a WebSocket, both sides' logs, and the page's own reconnect.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeCount, seeOpen } from "./lib/browser.js";
import { HOSTILE } from "./lib/hostile.js";
import { Hub } from "./lib/hub.js";

let hub, browser;
before(async () => { [hub, browser] = await Promise.all([Hub.start(), launch()]); });
after(async () => { await browser?.close(); await hub?.kill(); });

const FROM_SERVER = "#log .custom .text";
const fromServer = (page) => page.locator(FROM_SERVER).evaluateAll((all) => all.map((one) => one.textContent));

test("it greets, answers each text in the promised words, and both sides log the end", async () => {
  const page = await open(browser, `${hub.playground}echo/`);
  await seeOpen(page);
  await see(page, FROM_SERVER, "Welcome, Client!");
  const said = ["hello", ...HOSTILE.filter((text) => !text.includes("\n"))];
  for (const [at, text] of said.entries()) {
    await page.getByLabel("Text").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
    await seeCount(page, FROM_SERVER, at + 2);
  }
  const answers = said.map((text) => `Hello, Client! Received your message: ${text}`);
  assert.deepEqual(await fromServer(page), ["Welcome, Client!", ...answers]);
  const [, id] = await hub.line(/echo: client connected client=(\d+)/);
  await page.getByRole("button", { name: "Disconnect" }).click();
  await see(page, "#log .error .text", "Disconnected");
  await see(page, "#connection", "Closed");
  await hub.line(new RegExp(`echo: client disconnected client=${id}`));
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await seeOpen(page);
  assertFlawless(page);
  await page.close();
});

test("after a crash the page connects again and is greeted again", async () => {
  const page = await open(browser, `${hub.playground}echo/`, { outage: true });
  await see(page, FROM_SERVER, "Welcome, Client!");
  await hub.kill("SIGKILL");
  await see(page, "#connection", "Reconnecting");
  hub = await Hub.start({ like: hub });
  await seeCount(page, FROM_SERVER, 2);
  await seeOpen(page);
  assertFlawless(page);
  await page.close();
});
