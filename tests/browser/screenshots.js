// Takes every page, with something on it, at two widths and in both colour schemes.
// node screenshots.js OUTDIR
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch, open, see, seeCount, seeOpen } from "./lib/browser.js";
import { Hub } from "./lib/hub.js";
import { serveReactApp } from "./lib/react-app.js";

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: npm run screenshots -- OUTDIR");
  process.exit(2);
}
const WIDTHS = [{ width: 1280, height: 800 }, { width: 390, height: 844 }];
const SCHEMES = ["light", "dark"];

const click = (page, name) => page.getByRole("button", { name, exact: true }).click();

/** Each page: its name, where it is, and what a person does there before the picture is taken. */
const PAGES = [
  ["index", "", async (page) => {
    await seeOpen(page);
    await click(page, "Publish");
    await page.getByLabel("Event type").fill("greeting");
    await page.getByLabel("Text", { exact: true }).fill("An event with a type of its own");
    await click(page, "Publish");
    await see(page, "#log .custom .tag", "greeting");
  }],
  ["board", "board/", async (page) => {
    await seeOpen(page);
    const before = await page.locator("#messages li").count();
    if (before === 0) await click(page, "Get message");
    await click(page, "Get message");
    await seeCount(page, "#messages li", before + (before === 0 ? 2 : 1));
  }],
  ["chat", "chat/", async (page) => {
    await page.getByLabel("Name").fill("Ada");
    for (const text of ["Is anybody there?", "I can hear the brass from here."]) {
      await page.getByLabel("Message", { exact: true }).fill(text);
      await click(page, "Send");
      await see(page, "#log .text", text);
    }
  }],
  ["chat-stream", "chat/stream", async (page) => see(page, "#log .text", "Ada: I can hear")],
  ["ticker", "ticker/", async (page) => see(page, "#log .custom .text", "Custom event")],
  ["send-data", "send-data/", async (page) => {
    await page.getByLabel("Message").fill("Hello, hub");
    await click(page, "Send data");
    await see(page, "#answer", "success");
    await see(page, "#log .text", "Message 2");
  }],
  ["echo", "echo/", async (page) => {
    await see(page, "#log .text", "Welcome, Client!");
    await page.getByLabel("Text").fill("Can you hear me?");
    await click(page, "Send");
    await see(page, "#log .text", "Hello, Client!");
  }],
  ["counter", "counter/", async (page) => {
    await click(page, "Connect");
    await see(page, "#log .text", '{"counter":');
    await see(page, "#protocol", "h2");
  }],
  ["counter-accepted", "counter/accepted", async () => {}],
];

async function take(browser, name, url, act) {
  for (const viewport of WIDTHS) {
    for (const colorScheme of SCHEMES) {
      // Reduced motion: the picture shall not depend on the moment it is taken.
      const context = await browser.newContext({ viewport, colorScheme, ignoreHTTPSErrors: true, reducedMotion: "reduce" });
      const page = await open(context, url);
      await act(page);
      await page.mouse.move(0, 0);
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: join(folder, `${name}-${viewport.width}-${colorScheme}.png`), fullPage: true });
      await context.close();
    }
  }
}

await mkdir(folder, { recursive: true });
const [hub, browser] = await Promise.all([Hub.start(), launch()]);
const app = await serveReactApp(hub);
try {
  for (const [name, path, act] of PAGES) await take(browser, name, hub.playground + path, act);
  await take(browser, "react-message-board", app.url, async (page) => {
    await see(page, ".pill", "Open");
    await click(page, "Get message");
    await see(page, ".answer code", "text");
  });
} finally {
  await browser.close();
  await app.end();
  await hub.kill();
}
