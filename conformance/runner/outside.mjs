// Runs one outside client behind its cutting proxy and gathers what it hands out.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { browserCommand } from "./browsers.mjs";
import { startProxy } from "./proxy.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** The version the client names itself, or what is missing to run it. */
export function versionOf({ name, version: [program, ...args] }) {
  const { status, stdout, error } = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  const found = /\d+(\.\d+)+/.exec(stdout ?? "")?.[0];
  if (error || status !== 0 || !found)
    throw new Error(`${name} is not installed: run conformance/setup.sh`);
  return found;
}

/**
 * Starts the client; `opened` resolves at its first accepted response, `over` when it has stopped.
 * `lines` grows as the client reports.
 */
export async function startClient({ client, hub, path, types, cuts }) {
  let child;
  const proxy = await startProxy({
    target: client.is_encrypted ? hub.tlsUrl : hub.url,
    cuts,
    isEncrypted: client.is_encrypted,
    killClient: client.is_killed ? () => child.stdin.write("kill\n") : undefined,
  });
  const run = { client, proxy, lines: [], complaints: [], startedAt: Date.now() };
  run.opened = new Promise((resolve) => (run.sayOpened = resolve));
  const isOver = new Promise((resolve) => (run.sayOver = resolve));
  const onLine = (line) => {
    if (line === "") return;
    const said = JSON.parse(line);
    run.lines.push(said);
    if (said.open) run.sayOpened();
    if (said.over) run.sayOver(said.over);
  };

  const stream = proxy.url + path;
  const sibling = client.is_encrypted ? `${proxy.url}/sibling` : undefined;
  const onLines = (text) => text.split("\n").forEach(onLine);
  const page =
    client.browser &&
    (await browserCommand({ browser: client.browser, stream, sibling, types, onLines }));
  const [program, ...args] = page
    ? page.command
    : [...client.command, stream, types, ...(client.flags ?? [])];
  child = spawn(program, args, {
    cwd: root,
    stdio: ["pipe", "pipe", "pipe"],
    env: withoutProxies(process.env),
    detached: true,
  });
  // The kill line may meet a client that has just stopped; its exit is noticed below.
  child.stdin.on("error", () => {});
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (run.complaints.length < 50) run.complaints.push(line);
  });
  if (page) child.stdout.resume();
  else createInterface({ input: child.stdout }).on("line", onLine);

  const hasExited = once(child, "close").catch((error) => run.complaints.push(error.message));
  run.over = Promise.race([isOver, hasExited.then(() => "exited")]);
  run.stop = async () => {
    run.seconds = (Date.now() - run.startedAt) / 1000;
    killGroup(child);
    await hasExited;
    proxy.close();
    page?.close();
  };
  return run;
}

// A browser is a tree of processes; it was started as the leader of its own group.
function killGroup(child) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

const withoutProxies = (environment) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !/_proxy$/i.test(name)));
