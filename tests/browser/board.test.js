// The message board, in two windows, through a crash of the hub.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeCount, seeOpen, texts } from "./lib/browser.js";
import { HOSTILE } from "./lib/hostile.js";
import { Hub } from "./lib/hub.js";

let hub, browser;
before(async () => { [hub, browser] = await Promise.all([Hub.start(), launch()]); });
after(async () => { await browser?.close(); await hub?.kill(); });

const MESSAGES = "#messages li:not(.gap)";
const get = (page) => page.getByRole("button", { name: "Get message" }).click();
const wordsOf = (page) => page.locator(MESSAGES).evaluateAll((all) => all.map((one) => one.firstChild.textContent));

test("a message appears in both windows and in one that comes later; clients are logged and forgotten", async () => {
  const context = await browser.newContext();
  const [one, two] = await Promise.all([open(context, `${hub.playground}board/`), open(context, `${hub.playground}board/`)]);
  await Promise.all([seeOpen(one), seeOpen(two)]);
  await get(one);
  await Promise.all([seeCount(one, MESSAGES, 1), seeCount(two, MESSAGES, 1)]);
  await get(two);
  await Promise.all([seeCount(one, MESSAGES, 2), seeCount(two, MESSAGES, 2)]);
  assert.deepEqual(await wordsOf(one), await wordsOf(two));
  await see(one, "#total", "2");
  assert.match((await texts(one, "#answer"))[0], /^\{"text":"/);

  const three = await open(context, `${hub.playground}board/`);
  await seeCount(three, MESSAGES, 2);
  assert.deepEqual(await wordsOf(three), await wordsOf(one));
  assertFlawless(one, two, three);

  const connected = /board: client connected client=(\d+)/;
  const [, id] = await hub.line(connected);
  await context.close();
  await hub.line(new RegExp(`board: client disconnected client=${id}`));
});

test("POST message answers the message as JSON, and refuses what is none", async () => {
  const context = await browser.newContext();
  const url = `${hub.playground}board/message`;
  // Bytes, because the client would make JSON of a text.
  const post = (text) => context.request.post(url, { data: Buffer.from(text), headers: { "Content-Type": "application/json" } });
  const message = { info: "any JSON", source: "here", number: 3 };
  const response = await post(JSON.stringify(message));
  assert.equal(response.status(), 200);
  assert.deepEqual(await response.json(), message);
  for (const [body, status, code] of [["{", 400, "bad_body"], ["x".repeat(20_000), 413, "body_too_large"]]) {
    const refused = await post(body);
    assert.equal(refused.status(), status);
    assert.equal((await refused.json()).code, code);
  }
  await context.close();
});

test("hostile text stays text", async () => {
  const page = await open(browser, `${hub.playground}board/`);
  await seeOpen(page);
  const before = Number(await page.locator("#total").innerText());
  for (const text of HOSTILE) {
    const response = await page.request.post(`${hub.playground}board/message`, { data: { text } });
    assert.deepEqual(await response.json(), { text });
  }
  await seeCount(page, MESSAGES, before + HOSTILE.length);
  assert.deepEqual((await wordsOf(page)).slice(0, HOSTILE.length).reverse(), HOSTILE);
  assert.equal(await page.locator("#messages :is(script, img, iframe, svg)").count(), 0);
  assertFlawless(page);
  await page.close();
});

test("after a crash of the hub both windows say so, reconnect, tell of the gap and go on", async () => {
  const context = await browser.newContext();
  const url = `${hub.playground}board/`;
  const [one, two] = await Promise.all([open(context, url, { outage: true }), open(context, url, { outage: true })]);
  await Promise.all([seeOpen(one), seeOpen(two)]);
  const before = (await wordsOf(one)).length;
  await hub.kill("SIGKILL");
  await Promise.all([see(one, "#connection", "Reconnecting"), see(two, "#connection", "Reconnecting")]);
  hub = await Hub.start({ like: hub });
  await Promise.all([seeOpen(one), seeOpen(two)]);
  await Promise.all([see(one, "#notice", "Events may be missing"), see(two, "#notice", "Events may be missing")]);
  await get(one);
  await Promise.all([seeCount(one, MESSAGES, before + 1), seeCount(two, MESSAGES, before + 1)]);
  await one.getByRole("button", { name: "Dismiss" }).click();
  assert.equal(await one.locator("#notice").isVisible(), false);
  assertFlawless(one, two);
  await context.close();
});
