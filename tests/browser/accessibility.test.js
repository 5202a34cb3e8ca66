// Every page against axe's rules (names, roles, labels, contrast), in both schemes and on a phone; and by keyboard.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { assertFlawless, launch, open, see, seeOpen } from "./lib/browser.js";
import { Hub } from "./lib/hub.js";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["", "board/", "chat/", "chat/stream", "ticker/", "send-data/", "echo/", "counter/", "counter/accepted"];

let hub, browser;
before(async () => { [hub, browser] = await Promise.all([Hub.start(), launch()]); });
after(async () => { await browser?.close(); await hub?.kill(); });

for (const [colorScheme, width] of [["light", 1280], ["dark", 390]]) {
  test(`no page breaks a rule (${colorScheme}, ${width} px)`, async () => {
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 844 }, reducedMotion: "reduce" });
    await context.request.post(`${hub.playground}board/message`, { data: { text: "Something to look at" } });
    await context.request.post(`${hub.playground}chat/messages`, { data: { name: "Ada", text: "Something to look at" } });
    for (const path of PAGES) {
      const page = await open(context, hub.playground + path);
      const pill = page.locator("#connection");
      if (await pill.count() > 0 && path !== "counter/") await seeOpen(page);
      const { violations } = await page.evaluate(`${AXE}; axe.run({ resultTypes: ["violations"] })`);
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ")}`);
      assert.deepEqual(found, [], `/${path}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `/${path} is ${overflow} px too wide`);
      assertFlawless(page);
      await page.close();
    }
    await context.close();
  });
}

test("the board and its source can be used by keyboard alone", async () => {
  const page = await open(browser, `${hub.playground}board/`);
  await seeOpen(page);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the page");
  await page.getByRole("button", { name: "Get message" }).focus();
  await page.keyboard.press("Enter");
  await see(page, "#answer", "text");
  await page.getByRole("tab", { name: "board.rs" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.getByRole("tabpanel", { name: "board.js" }).waitFor();
  assert.equal(await page.getByRole("tabpanel", { name: "board.rs" }).isVisible(), false);
  assertFlawless(page);
  await page.close();
});
