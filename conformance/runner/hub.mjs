// Starts the real hub on free ports and stops it again.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const startTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;

export function hubBinary() {
  const candidates = [
    process.env.FANFARE_BIN,
    "../../target/release/fanfare",
    "../../target/debug/fanfare",
  ]
    .filter(Boolean)
    .map((path) => (path.startsWith("..") ? fileURLToPath(new URL(path, import.meta.url)) : path));
  const found = candidates.find((path) => existsSync(path));
  if (!found) throw new Error("no hub binary: run `cargo build --release`, or set FANFARE_BIN");
  return found;
}

/** `fanfare dev` with the given extra flags, on a log of its own; resolves once it has printed both addresses. */
export async function startHub(flags = []) {
  const listen = ["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"];
  const data = mkdtempSync(join(tmpdir(), "fanfare-conformance-"));
  const child = spawn(hubBinary(), ["dev", "--data", data, ...listen, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.once("exit", () => rmSync(data, { recursive: true, force: true }));
  const said = [];
  const hub = { url: undefined, tlsUrl: undefined, said, stop: () => stop(child) };
  const ready = new Promise((resolve, reject) => {
    const deadline = setTimeout(
      () => reject(new Error("the hub did not say where it listens")),
      startTimeoutMs,
    );
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the hub ended with code ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      said.push(line);
      hub.url ??= /\bhttp:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
      hub.tlsUrl ??= /\bhttps:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
      if (hub.url && hub.tlsUrl) {
        clearTimeout(deadline);
        resolve();
      }
    });
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    // The last lines are enough to explain a failure; a hub that logs every request must not fill memory.
    said.push(line);
    if (said.length > 200) said.shift();
  });
  try {
    await ready;
  } catch (error) {
    await stop(child);
    throw new Error(`${error.message}; it said:\n${said.join("\n")}`, { cause: error });
  }
  return hub;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  await gone;
  clearTimeout(hard);
}
