// The first page: a person publishes with the form, a program with the command, and the page hears both.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { assertFlawless, launch, open, see, seeCount, seeOpen } from "./lib/browser.js";
import { HOSTILE } from "./lib/hostile.js";
import { Hub } from "./lib/hub.js";

let hub, browser;
before(async () => { [hub, browser] = await Promise.all([Hub.start(), launch()]); });
after(async () => { await browser?.close(); await hub?.kill(); });

test("GET / leads a person to the playground", async () => {
  const page = await open(browser, hub.url);
  assert.equal(page.url(), hub.playground);
  await see(page, "h1", "One POST in");
  await seeCount(page, "#apps .cards > li", 6);
  for (const link of await page.locator("#apps .cards a").all()) {
    const response = await page.request.get(new URL(await link.getAttribute("href"), page.url()).href);
    assert.equal(response.status(), 200);
  }
  assertFlawless(page);
  await page.close();
});

test("what the form publishes is heard, and so is what the shown command publishes", async () => {
  const page = await open(browser, hub.playground);
  await seeOpen(page);
  await page.getByLabel("Text", { exact: true }).fill("It's me, with 'quotes' & <tags>");
  await page.getByRole("button", { name: "Publish" }).click();
  await see(page, "#log .text", "It's me, with 'quotes' & <tags>");
  await see(page, "#answer", "Stored as");
  const command = await page.locator("#curl-publish").innerText();
  await promisify(execFile)("sh", ["-c", command]);
  await seeCount(page, "#log .text", 2);
  const words = await page.locator("#log .text").allInnerTexts();
  assert.equal(words[0], words[1]);
  assertFlawless(page);
  await page.close();
});

test("an event type and another topic change the stream and both commands", async () => {
  const page = await open(browser, hub.playground);
  await page.getByLabel("Topic", { exact: true }).fill("rooms/caf\u00e9 one");
  await page.getByLabel("Event type").fill("greeting");
  await page.getByLabel("Text", { exact: true }).fill("typed");
  await page.getByLabel("Text", { exact: true }).blur();
  await see(page, "#heard-topic", "rooms/caf\u00e9 one");
  await seeOpen(page);
  await page.getByRole("button", { name: "Publish" }).click();
  await see(page, "#log .custom .tag", "greeting");
  await see(page, "#curl-publish", "rooms/caf%C3%A9%20one?event=greeting");
  await see(page, "#curl-listen", "rooms/caf%C3%A9%20one");
  await page.getByLabel("Event type").fill("other");
  await page.getByLabel("Event type").blur();
  await promisify(execFile)("sh", ["-c", await page.locator("#curl-publish").innerText()]);
  await see(page, "#log .custom .tag", "other");
  assertFlawless(page);
  await page.close();
});

test("hostile text stays text", async () => {
  const page = await open(browser, hub.playground);
  await page.getByLabel("Topic", { exact: true }).fill("hostile");
  await page.getByLabel("Topic", { exact: true }).blur();
  await see(page, "#heard-topic", "hostile");
  await seeOpen(page);
  for (const text of HOSTILE) {
    const response = await page.request.post(`${hub.url}/hostile`, { data: text, headers: { "Content-Type": "text/plain" } });
    assert.equal(response.status(), 201);
  }
  await seeCount(page, "#log .text", HOSTILE.length);
  const shown = await page.locator("#log .text").evaluateAll((all) => all.map((one) => one.textContent));
  assert.deepEqual(shown, HOSTILE);
  assert.equal(await page.locator("#log script, #log img, #log iframe, #log svg").count(), 0);
  assertFlawless(page);
  await page.close();
});

test("the colour scheme follows the system until a person chooses, and the choice stays", async () => {
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await open(context, hub.playground);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await paper();
  await page.getByRole("button", { name: "Switch between light and dark" }).click();
  const light = await paper();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await paper(), light);
  assertFlawless(page);
  await context.close();
});

test("pages carry a strict policy, and wrong doors answer a problem", async () => {
  const page = await open(browser, hub.playground);
  const get = (path, init) => page.request.fetch(`${hub.playground}${path}`, { maxRedirects: 0, ...init });
  const policy = (await get("")).headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  for (const [path, method, status] of [
    ["nothing", "GET", 404], ["assets/../Cargo.toml", "GET", 404], ["assets/%2e%2e/shell.html", "GET", 404],
    ["board/", "POST", 405], ["board/message", "GET", 405], ["chat/messages", "PUT", 405],
    ["ticker/events", "POST", 405], ["board", "GET", 308],
  ]) {
    const response = await get(path, { method });
    assert.equal(response.status(), status, `${method} ${path}`);
    if (status === 405) assert.ok(response.headers().allow, `${method} ${path} names its methods`);
    if (status >= 400) assert.match(response.headers()["content-type"], /problem\+json/);
  }
  await page.close();
});
