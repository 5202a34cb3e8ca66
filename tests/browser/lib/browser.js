// A fresh Chromium, and pages that complain about every error a person would find in the console.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

/** What a page may not log unless its test takes the hub away. */
const OUTAGE = /net::ERR_|ERR_CONNECTION|WebSocket connection to/;
const DEADLINE_MS = 20_000;

export async function launch(options = {}) {
  // launch() makes a new user data directory for each browser and removes it afterwards.
  return chromium.launch({
    ...options,
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/** Opens a page; `outage` says that the test takes the hub away, so failed requests are no fault. */
export async function open(context, url, { outage = false } = {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.faults = [];
  page.on("console", (message) => {
    if (message.type() !== "error" || (outage && OUTAGE.test(message.text()))) return;
    page.faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => page.faults.push(`uncaught: ${error}`));
  page.on("dialog", (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  return page;
}

/** Waits until the page shows the text in an element of that selector. */
export async function see(page, selector, text) {
  await page.locator(selector).filter({ hasText: text }).first().waitFor();
}

/** Waits until so many elements are there. */
export async function seeCount(page, selector, count) {
  await page.waitForFunction(
    ([selector, count]) => document.querySelectorAll(selector).length === count,
    [selector, count],
  );
}

/** Waits until the pill says that the stream is open. */
export async function seeOpen(page) {
  await see(page, "#connection", "Open");
}

/** The text of each element, in the order of the page. */
export function texts(page, selector) {
  return page.locator(selector).allInnerTexts();
}

export function assertFlawless(...pages) {
  for (const page of pages) assert.deepEqual(page.faults, [], `faults on ${page.url()}`);
}
