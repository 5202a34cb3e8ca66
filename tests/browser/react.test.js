// The message board in React: built by Vite, served from another origin than the hub, in two windows.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeCount } from "./lib/browser.js";
import { HOSTILE } from "./lib/hostile.js";
import { Hub } from "./lib/hub.js";
import { serveReactApp } from "./lib/react-app.js";

let hub, browser, app, url;

before(async () => {
  [hub, browser] = await Promise.all([Hub.start(), launch()]);
  app = await serveReactApp(hub);
  url = app.url;
});
after(async () => {
  await browser?.close();
  await app?.end();
  await hub?.kill();
});

const wordsOf = (page) => page.locator("li").evaluateAll((all) => all.map((one) => one.firstChild.textContent));
const get = (page) => page.getByRole("button", { name: "Get message" }).click();

test("it follows the hub from another origin, together with the playground's own board", async () => {
  const context = await browser.newContext();
  const one = await open(context, url);
  const two = await open(context, url);
  const own = await open(context, `${hub.playground}board/`);
  assert.notEqual(new URL(url).origin, new URL(hub.url).origin);
  for (const page of [one, two]) await see(page, ".pill", "Open");
  await get(one);
  await Promise.all([seeCount(one, "li", 1), seeCount(two, "li", 1), seeCount(own, "#messages li", 1)]);
  await see(one, ".answer code", '{"text":"');
  await own.getByRole("button", { name: "Get message" }).click();
  await Promise.all([seeCount(one, "li", 2), seeCount(two, "li", 2)]);
  await see(one, ".figure", "2");
  assert.deepEqual(await wordsOf(one), await wordsOf(two));
  assertFlawless(one, two, own);
  await context.close();
});

test("hostile text stays text", async () => {
  const page = await open(browser, url);
  await see(page, ".pill", "Open");
  const before = (await wordsOf(page)).length;
  for (const text of HOSTILE) {
    const response = await page.request.post(`${hub.playground}board/message`, { data: { text } });
    assert.equal(response.status(), 200);
  }
  await seeCount(page, "li", before + HOSTILE.length);
  assert.deepEqual((await wordsOf(page)).slice(0, HOSTILE.length).reverse(), HOSTILE);
  assertFlawless(page);
  await page.close();
});

test("after a crash of the hub it says so, reconnects and goes on", async () => {
  const page = await open(browser, url, { outage: true });
  await see(page, ".pill", "Open");
  // History comes by a request of its own, whose end would be told as an error.
  await page.locator("li").first().waitFor();
  await hub.kill("SIGKILL");
  await see(page, ".pill", "Reconnecting");
  hub = await Hub.start({ like: hub });
  await see(page, ".pill", "Open");
  await see(page, ".notice", "Events may be missing");
  // This hub knows nothing of what was there, and the page shows what the hub has.
  await seeCount(page, "li", 0);
  await get(page);
  await seeCount(page, "li", 1);
  assertFlawless(page);
  await page.close();
});
