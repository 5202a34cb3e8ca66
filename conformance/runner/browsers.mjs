// Headless browsers without a driver: a page whose script runs EventSource and posts what it receives.

import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const page = new URL("../clients/browser/page.html", import.meta.url);
// Nothing but loopback: every other name goes to a port where nobody listens.
const nobody = { host: "127.0.0.1", port: 9 };

const firefoxPreferences = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.proxy.allow_hijacking_localhost": false,
  "network.proxy.http": nobody.host,
  "network.proxy.http_port": nobody.port,
  "network.proxy.ssl": nobody.host,
  "network.proxy.ssl_port": nobody.port,
  "network.proxy.type": 1,
  "services.settings.server": "data:,#remote-settings-dummy/v1",
  "toolkit.telemetry.enabled": false,
};

const launchers = {
  chromium: (profile) => [
    "chromium",
    "--headless=new",
    // The sandbox needs a user other than root; the only pages are ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--ignore-certificate-errors",
    `--proxy-server=http://${nobody.host}:${nobody.port}`,
    "--proxy-bypass-list=127.0.0.1",
    `--user-data-dir=${profile}`,
  ],
  firefox: (profile) => {
    const lines = Object.entries(firefoxPreferences).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    writeFileSync(join(profile, "user.js"), lines.join(""));
    return ["firefox-esr", "--headless", "--no-remote", "--new-instance", "--profile", profile];
  },
};

/** The command that opens the page for one stream, and what the page reports, line by line, as `onLines`. */
export async function browserCommand({ browser, stream, sibling, types, onLines }) {
  const profile = mkdtempSync(join(tmpdir(), `conformance-${browser}-`));
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      onLines(Buffer.concat(pieces).toString("utf8"));
      response.writeHead(204).end();
    } else {
      response
        .writeHead(200, { "content-type": "text/html; charset=utf-8" })
        .end(readFileSync(page));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const query = new URLSearchParams({
    stream,
    types,
    report: "/report",
    ...(sibling && { sibling }),
  });
  const url = `http://127.0.0.1:${server.address().port}/?${query}`;
  return {
    command: [...launchers[browser](profile), url],
    close() {
      server.closeAllConnections();
      server.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}
