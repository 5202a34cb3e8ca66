// A fresh Firefox, driven by WebDriver BiDi over a WebSocket of Node's own, and pages that complain
// about every error a person would find in the console.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DEADLINE_MS = 30_000;
/** What a page may not log unless its test takes the hub away. */
const OUTAGE = /can.t establish a connection|NetworkError|CORS request did not succeed|connection to .* was interrupted/;

/** A tab moves to another process when it is first led to an address; what was asked of the one before was not done. */
const MOVED = /DiscardedBrowsingContextError/;

/** Nothing is fetched that no test asks for; each tab has a process of its own. */
const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.safebrowsing.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage": "about:blank",
  "browser.topsites.contile.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.ipc.processCount.webIsolated": 16,
  "dom.ipc.processPrelaunch.enabled": false,
  "dom.push.connection.enabled": false,
  "extensions.getAddons.cache.enabled": false,
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "network.prefetch-next": false,
  "services.settings.server": "data:,#remote-settings-dummy/v1",
  "toolkit.telemetry.server": "",
};

export class Firefox {
  #child;
  #profile = mkdtempSync(join(tmpdir(), "fanfare-firefox-"));
  #socket;
  #count = 0;
  #answers = new Map();
  /** Pages by their context, for what they log. */
  #pages = new Map();

  static async launch(preferences = {}) {
    const firefox = new Firefox();
    await firefox.#start({ ...PREFERENCES, ...preferences });
    return firefox;
  }

  async #start(preferences) {
    const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    writeFileSync(join(this.#profile, "user.js"), lines.join("\n"));
    const program = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
    // Access to the browser's own windows tells the process of a tab.
    const args = ["--headless", "--no-remote", "--profile", this.#profile, "--remote-debugging-port", "0", "--remote-allow-system-access"];
    this.#child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, HOME: this.#profile, MOZ_CRASHREPORTER_DISABLE: "1" },
    });
    // A test that breaks off leaves nothing behind.
    process.once("exit", () => {
      this.#child.kill("SIGKILL");
      rmSync(this.#profile, { recursive: true, force: true });
    });
    const url = await this.#address();
    this.#socket = new WebSocket(`${url}/session`);
    this.#socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    this.#socket.onclose = () => this.#answers.forEach(({ reject }) => reject(new Error("Firefox is gone")));
    await once(this.#socket, "open");
    await this.send("session.new", { capabilities: {} });
    await this.send("session.subscribe", { events: ["log.entryAdded"] });
  }

  #address() {
    return new Promise((resolve, reject) => {
      let told = "";
      this.#child.once("exit", () => reject(new Error(`Firefox ended before it told its address:\n${told}`)));
      this.#child.stderr.setEncoding("utf8").on("data", (text) => {
        told += text;
        const found = /WebDriver BiDi listening on (ws:\S+)/.exec(told);
        if (found) resolve(found[1]);
      });
    });
  }

  /** Sends a command; what cannot be done is an error. */
  async send(method, params) {
    assert.equal(this.#socket.readyState, WebSocket.OPEN, "Firefox is gone");
    const id = (this.#count += 1);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
  }

  #hear({ id, result, message, error, method, params }) {
    if (method === "log.entryAdded") {
      const page = this.#pages.get(params.source.context);
      if (params.level === "error" && page) page.heard(`${params.type}: ${params.text}`);
    }
    const waiting = this.#answers.get(id);
    this.#answers.delete(id);
    if (error) waiting?.reject(new Error(`${error}: ${message}`));
    else waiting?.resolve(result);
  }

  /** Cookies and storage that no other jar has. */
  async jar() {
    return (await this.send("browser.createUserContext", {})).userContext;
  }

  async setCookie(jar, { value, ...cookie }) {
    const partition = { type: "storageKey", userContext: jar };
    await this.send("storage.setCookie", { cookie: { ...cookie, path: "/", value: { type: "string", value } }, partition });
  }

  /** Opens a tab; `outage` says that the test takes the hub away, so failed requests are no fault. */
  async open(url, { outage = false, jar = "default" } = {}) {
    const { context } = await this.send("browsingContext.create", { type: "tab", userContext: jar });
    const page = new Page(this, context, outage);
    this.#pages.set(context, page);
    await page.goto(url);
    return page;
  }

  /** The process that shows an address, as the browser itself knows it. */
  async processOf(url) {
    const { contexts } = await this.send("browsingContext.getTree", { maxDepth: 0, "moz:scope": "chrome" });
    const tabs = `gBrowser.tabs.map(({ linkedBrowser: { currentURI, browsingContext } }) =>
      [currentURI.spec, browsingContext.currentWindowGlobal.osPid])`;
    for (const { context } of contexts) {
      const expression = `JSON.stringify(typeof gBrowser === "undefined" ? [] : ${tabs})`;
      const { result } = await this.send("script.evaluate", { expression, target: { context }, awaitPromise: false });
      const found = JSON.parse(result.value).find(([shown]) => shown === url);
      if (found) return found[1];
    }
    throw new Error(`no tab shows ${url}`);
  }

  async close() {
    const gone = once(this.#child, "exit");
    await this.send("browser.close", {}).catch(() => this.#child.kill("SIGKILL"));
    const patience = setTimeout(() => this.#child.kill("SIGKILL"), DEADLINE_MS);
    await gone;
    clearTimeout(patience);
    rmSync(this.#profile, { recursive: true, force: true });
  }
}

class Page {
  faults = [];
  #firefox;
  #context;
  #outage;

  constructor(firefox, context, outage) {
    this.#firefox = firefox;
    this.#context = context;
    this.#outage = outage;
  }

  heard(fault) {
    if (!this.#outage || !OUTAGE.test(fault)) this.faults.push(fault);
  }

  async #send(method, params) {
    for (const end = Date.now() + DEADLINE_MS; ;) {
      try {
        return await this.#firefox.send(method, { context: this.#context, ...params });
      } catch (error) {
        if (!MOVED.test(error.message) || Date.now() > end) throw error;
      }
    }
  }

  async goto(url) {
    this.url = url;
    await this.#send("browsingContext.navigate", { url, wait: "complete" });
  }

  /** Goes back in what was shown before. */
  async back() {
    await this.#send("browsingContext.traverseHistory", { delta: -1 });
  }

  /** Shows this tab, so that all other ones are hidden. */
  async show() {
    await this.#send("browsingContext.activate", {});
  }

  /** Calls a function in the page; its argument and its answer go as JSON. */
  async evaluate(call, argument = null) {
    const { exceptionDetails, result } = await this.#send("script.callFunction", {
      functionDeclaration: `async (text) => JSON.stringify({ answer: await (${call})(JSON.parse(text)) })`,
      arguments: [{ type: "string", value: JSON.stringify(argument) }],
      target: { context: this.#context },
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return JSON.parse(result.value).answer;
  }

  /** Waits until a function in the page says so. */
  async waitFor(call, argument) {
    const end = Date.now() + DEADLINE_MS;
    while (!(await this.evaluate(call, argument))) {
      assert.ok(Date.now() < end, `never on ${this.url}: ${call}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async close() {
    await this.#send("browsingContext.close", {});
  }
}
