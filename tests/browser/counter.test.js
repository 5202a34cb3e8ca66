// The counter: over HTTP/2 from another origin, stopped by a person, asked for again by the browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeOpen } from "./lib/browser.js";
import { Hub } from "./lib/hub.js";

let hub, browser;
before(async () => { [hub, browser] = await Promise.all([Hub.start(), launch()]); });
after(async () => { await browser?.close(); await hub?.kill(); });

const connect = (page) => page.getByRole("button", { name: "Connect" }).click();

test("it counts over h2 from another origin, goes on after the server's end, and stops on demand", async () => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await open(context, `${hub.playground}counter/`);
  await connect(page);
  await seeOpen(page);
  await page.waitForFunction(() => Number(document.querySelector("#count").textContent) >= 2);
  const origins = await page.locator("dd").allInnerTexts();
  assert.equal(origins[0], new URL(hub.url).origin);
  assert.equal(origins[1], new URL(hub.tlsUrl).origin);
  await see(page, "#protocol", "h2");

  await see(page, "#log .text", "Stream 2 is open.");
  const protocol = await page.evaluate(() =>
    performance.getEntriesByType("resource").find((entry) => entry.name.endsWith("/counter/event"))?.nextHopProtocol);
  assert.equal(protocol, "h2", "the browser's own record of the first stream");
  const last = Number(await page.locator("#count").innerText());
  await page.waitForFunction((last) => Number(document.querySelector("#count").textContent) > last, last);
  const counts = (await page.locator("#log .text").allInnerTexts()).filter((text) => text.startsWith("{")).map((text) => JSON.parse(text).counter);
  assert.deepEqual(counts, counts.map((_, at) => counts[0] + at), "no count is missing and none comes twice");

  await page.getByRole("button", { name: "Stop" }).click();
  await see(page, "#connection", "Closed");
  await hub.line(/playground\/counter: timer stopped/);
  await connect(page);
  await seeOpen(page);
  assertFlawless(page);
  await context.close();
});

test("a browser that does not know the certificate is told what to do", async () => {
  const context = await browser.newContext();
  const page = await open(context, `${hub.playground}counter/`, { outage: true });
  await connect(page);
  await see(page, "#certificate", "accept the certificate once");
  const href = await page.getByRole("link", { name: "Open this page" }).getAttribute("href");
  assert.ok(href.startsWith(hub.tlsUrl));
  assertFlawless(page);
  await context.close();

  const trusting = await browser.newContext({ ignoreHTTPSErrors: true });
  const accepted = await open(trusting, href);
  await see(accepted, "h1", "Certificate accepted");
  assertFlawless(accepted);
  await trusting.close();
});

test("with --tls the page itself is on HTTP/2 and the stream still comes from another origin", async () => {
  const secure = await Hub.start({ args: ["--tls"] });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await open(context, `${secure.playground}counter/`);
  await connect(page);
  await seeOpen(page);
  await page.waitForFunction(() => Number(document.querySelector("#count").textContent) >= 1);
  const [own, stream] = await page.locator("dd").allInnerTexts();
  assert.notEqual(own, stream);
  await see(page, "#protocol", "h2");
  assertFlawless(page);
  await context.close();
  await secure.kill();
});

test("after a crash the stream is opened again", async () => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await open(context, `${hub.playground}counter/`, { outage: true });
  await connect(page);
  await page.waitForFunction(() => Number(document.querySelector("#count").textContent) >= 1);
  await hub.kill("SIGKILL");
  await see(page, "#connection", "Reconnecting");
  hub = await Hub.start({ like: hub });
  await seeOpen(page);
  await see(page, "#notice", "Events may be missing");
  assertFlawless(page);
  await context.close();
});
