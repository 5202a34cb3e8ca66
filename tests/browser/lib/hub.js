// Starts the real binary and ends it again; its output is what a person in the terminal would see.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BINARY = process.env.FANFARE_BIN ?? fileURLToPath(new URL("../../../target/debug/fanfare", import.meta.url));
const DEADLINE_MS = 15_000;

export class Hub {
  #args;
  #command;
  #child;
  // Each hub has its own: one that starts `like` another one has forgotten what that one knew.
  #data = mkdtempSync(join(tmpdir(), "fanfare-data-"));
  #lines = [];
  #waiting = new Set();

  /** Starts a hub on free ports, or on those of `like`, a hub that was there before. */
  static async start({ like, command = "dev", args = [] } = {}) {
    const hub = new Hub();
    hub.#args = args;
    hub.#command = command;
    hub.url = like?.url;
    hub.tlsUrl = like?.tlsUrl;
    // A test that breaks off leaves no hub behind.
    process.once("exit", () => {
      hub.#child?.kill("SIGKILL");
      rmSync(hub.#data, { recursive: true, force: true });
    });
    await hub.#spawn();
    return hub;
  }

  async #spawn() {
    const [listen, tlsListen] = [this.url, this.tlsUrl].map((url) => (url ? new URL(url).host : "127.0.0.1:0"));
    const isTls = this.#args.includes("--tls") || this.#command !== "dev";
    const twin = isTls ? [] : ["--tls-listen", tlsListen];
    const args = [this.#command, "--listen", listen, ...twin, "--retry", "300ms", "--data", this.#data, ...this.#args];
    this.#child = spawn(BINARY, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, FANFARE_LOG: "info", NO_COLOR: "1" },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#read(stream);
    this.url = (await this.line(/is listening on (https?:\/\/[\d.]+:\d+)/))[1];
    if (!isTls) this.tlsUrl = (await this.line(/and on (https:\/\/[\d.]+:\d+)/))[1];
  }

  get playground() {
    return `${this.url}/-/playground/`;
  }

  /** The first line that matches, once there is one. */
  line(pattern) {
    const found = this.#lines.map((line) => pattern.exec(line)).find(Boolean);
    if (found) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const waiting = { pattern, resolve };
      this.#waiting.add(waiting);
      setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(new Error(`the hub never said ${pattern}; it said:\n${this.#lines.join("\n")}`));
      }, DEADLINE_MS).unref();
    });
  }

  /** How many lines match so far. */
  count(pattern) {
    return this.#lines.filter((line) => pattern.test(line)).length;
  }

  /** Kills the process and starts it again, at the same address and with the same events. */
  async restart() {
    await this.kill();
    this.#lines = [];
    await this.#spawn();
  }

  /** Kills the process, without a chance to say goodbye unless another signal is named. */
  async kill(signal = "SIGKILL") {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }

  #read(stream) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      lines.forEach((line) => this.#take(line));
    });
  }

  #take(line) {
    this.#lines.push(line);
    for (const waiting of this.#waiting) {
      const found = waiting.pattern.exec(line);
      if (!found) continue;
      this.#waiting.delete(waiting);
      waiting.resolve(found);
    }
  }
}
