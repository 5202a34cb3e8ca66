// The chat: one window sends, another reads, a third comes later, and the hub crashes in between.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeCount, seeOpen, texts } from "./lib/browser.js";
import { HOSTILE } from "./lib/hostile.js";
import { Hub } from "./lib/hub.js";

let hub, browser;
before(async () => { [hub, browser] = await Promise.all([Hub.start(), launch()]); });
after(async () => { await browser?.close(); await hub?.kill(); });

const MESSAGES = "#log li:has(.tag:text-is('message')) .text";
const messages = (page) => texts(page, MESSAGES);

async function send(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

test("what one window sends, the other shows; a later one shows all of it, in order", async () => {
  const context = await browser.newContext();
  const sender = await open(context, `${hub.playground}chat/`);
  const [popup] = await Promise.all([context.waitForEvent("page"), sender.getByRole("link", { name: "Open the stream page" }).click()]);
  await popup.waitForURL(`${hub.playground}chat/stream`);
  await seeOpen(popup);
  await see(popup, "#log .tag", "open");
  await sender.getByLabel("Name").fill("Ada");
  await send(sender, "first");
  await see(popup, "#log .text", "Ada: first");
  await see(sender, "#log .note", "stored as");
  await sender.getByLabel("Message", { exact: true }).fill("second");
  await sender.getByLabel("Message", { exact: true }).press("Enter");
  await see(popup, "#log .text", "Ada: second");
  const later = await open(context, `${hub.playground}chat/stream`);
  await see(later, "#log .text", "Ada: second");
  await send(sender, "third");
  await Promise.all([see(popup, "#log .text", "Ada: third"), see(later, "#log .text", "Ada: third")]);
  assert.deepEqual(await messages(popup), ["Ada: first", "Ada: second", "Ada: third"]);
  assert.deepEqual(await messages(later), await messages(popup));
  assertFlawless(sender, later);
  await context.close();
});

test("hostile names and texts stay text", async () => {
  const page = await open(browser, `${hub.playground}chat/stream`);
  await seeOpen(page);
  const before = (await messages(page)).length;
  for (const text of HOSTILE) {
    const response = await page.request.post(`${hub.playground}chat/messages`, { data: { name: text, text } });
    assert.equal(response.status(), 201);
    assert.deepEqual((await response.json()).message, { name: text, text });
  }
  const all = "#log .text";
  await page.waitForFunction(([all, last]) => [...document.querySelectorAll(all)].at(-1)?.textContent === last, [all, `${HOSTILE.at(-1)}: ${HOSTILE.at(-1)}`]);
  const shown = await page.locator(all).evaluateAll((lines) => lines.map((line) => line.textContent));
  assert.deepEqual(shown.slice(-HOSTILE.length), HOSTILE.map((text) => `${text}: ${text}`));
  assert.equal((await messages(page)).length, before + HOSTILE.length);
  assertFlawless(page);
  await page.close();
});

test("after a crash both windows work again, and the stream page tells of the gap", async () => {
  const context = await browser.newContext();
  const sender = await open(context, `${hub.playground}chat/`, { outage: true });
  const reader = await open(context, `${hub.playground}chat/stream`, { outage: true });
  await seeOpen(reader);
  await hub.kill("SIGKILL");
  await see(reader, "#connection", "Reconnecting");
  await see(reader, "#log .error .text", "The stream broke");
  await sender.getByLabel("Name").fill("Ada");
  await send(sender, "into the void");
  await see(sender, "#log .error .text", "Not sent");
  hub = await Hub.start({ like: hub });
  await seeOpen(reader);
  await see(reader, "#log .gap .text", "Messages may be missing");
  await send(sender, "back again");
  await see(reader, "#log .text", "Ada: back again");
  assertFlawless(sender, reader);
  await context.close();
});
