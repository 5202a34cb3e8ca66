// A token in a cookie, as a browser sends it: what the native EventSource and fetch may do with it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./lib/browser.js";
import { Firefox } from "./lib/firefox.js";
import { Hub } from "./lib/hub.js";

const BINARY = process.env.FANFARE_BIN ?? fileURLToPath(new URL("../../target/debug/fanfare", import.meta.url));
const secret = join(mkdtempSync(join(tmpdir(), "fanfare-keys-")), "secret");
writeFileSync(secret, "a secret of more than thirty-two bytes", { mode: 0o600 });
const key = `HS256=${secret}`;
const token = (...args) => execFileSync(BINARY, ["token", "--key", key, ...args], { encoding: "utf8" }).trim();

/** An empty page of an origin of its own. */
async function serveOrigin() {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>page</title>"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** Browsers, each with a way to open a page while the token is a cookie. */
const BROWSERS = {
  async Chromium() {
    const browser = await launch();
    const open = async (origin, value) => {
      const context = await browser.newContext();
      await context.addCookies([{ name: "fanfare_token", value, url: hub.url, httpOnly: true, sameSite: "Lax" }]);
      const page = await context.newPage();
      await page.goto(origin);
      return page;
    };
    return { open, close: () => browser.close() };
  },
  async Firefox() {
    const firefox = await Firefox.launch();
    const open = async (origin, value) => {
      const jar = await firefox.jar();
      await firefox.setCookie(jar, { name: "fanfare_token", value, domain: new URL(hub.url).hostname, httpOnly: true, sameSite: "lax" });
      return firefox.open(origin, { jar, outage: true });
    };
    return { open, close: () => firefox.close() };
  },
};

let app, stranger, hub, browser;
before(async () => {
  [app, stranger] = await Promise.all([serveOrigin(), serveOrigin()]);
  hub = await Hub.start({ command: "serve", args: ["--key", key, "--cors-origin", app.origin] });
});
after(async () => {
  for (const page of [app, stranger]) page?.server.close();
  await hub?.kill();
});

/** A page of an origin, in a browser that has the token as a cookie. */
const pageOf = ({ origin }, value) => browser.open(origin, value);

/** Publishes as a form of any page could; what the page can see of it. */
const publish = (page, data) =>
  page.evaluate(
    ([url, body]) => fetch(`${url}/a`, { method: "POST", body, credentials: "include" }).then((answer) => answer.status, () => "unreadable"),
    [hub.url, data],
  );

/** Opens an EventSource and answers its first event, or that it gave up. */
const first = (page, query = "") =>
  page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const source = new EventSource(url, { withCredentials: true });
        source.onmessage = ({ data }) => resolve(data);
        source.onerror = () => source.readyState === EventSource.CLOSED && resolve("closed");
      }),
    `${hub.url}/a${query}`,
  );

for (const [name, start] of Object.entries(BROWSERS)) describe(name, () => {

before(async () => void (browser = await start()));
after(() => browser?.close());

test("a page that is named reads and writes with its cookie", async () => {
  const page = await pageOf(app, token("--publish", "a", "--subscribe", "a"));
  assert.equal(await publish(page, `${name} from the app`), 201);
  assert.equal(await first(page, "?history=1"), `${name} from the app`);
});

test("a page that nobody named neither reads nor writes with the same cookie", async () => {
  const page = await pageOf(stranger, token("--publish", "a", "--subscribe", "a"));
  await publish(page, `${name} from a stranger`);
  assert.equal(await first(page, "?history=1"), "closed");
  const friend = await pageOf(app, token("--subscribe", "a"));
  assert.equal(await first(friend, "?history=1"), `${name} from the app`);
});

test("an EventSource learns why its stream ends, and gives up when its cookie is worth nothing", async () => {
  const page = await pageOf(app, token("--subscribe", "a", "--ttl", "2s"));
  const told = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const told = [];
        const source = new EventSource(url, { withCredentials: true });
        source.addEventListener("fanfare.lapse", ({ data }) => told.push(JSON.parse(data).reason));
        source.onerror = () => source.readyState === EventSource.CLOSED && resolve(told);
      }),
    `${hub.url}/a`,
  );
  assert.deepEqual(told, ["expired"]);
});

});
