// Builds the React message board for a hub and serves it from an origin of its own.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const APP = fileURLToPath(new URL("../../../examples/react-message-board/", import.meta.url));
const VITE = join(APP, "node_modules/vite/bin/vite.js");

/** Gives back the address of the app, and a way to end it. */
export async function serveReactApp(hub) {
  const folder = await mkdtemp(join(tmpdir(), "fanfare-react-"));
  const env = { ...process.env, VITE_HUB_URL: hub.url, NO_COLOR: "1", FORCE_COLOR: "0" };
  await promisify(execFile)(process.execPath, [VITE, "build", "--outDir", folder, "--emptyOutDir"], { cwd: APP, env });
  // Vite takes port 0 for "the usual one", so a free port is asked for here; --strictPort tells a clash.
  const args = [VITE, "preview", "--outDir", folder, "--host", "127.0.0.1", "--port", String(await freePort()), "--strictPort"];
  const preview = spawn(process.execPath, args, { cwd: APP, env, stdio: ["ignore", "pipe", "inherit"] });
  const end = async () => {
    preview.kill();
    await rm(folder, { recursive: true });
  };
  return { url: await addressOf(preview), end };
}

function addressOf(preview) {
  return new Promise((resolve, reject) => {
    preview.once("exit", () => reject(new Error("vite preview ended before it printed its address")));
    preview.stdout.setEncoding("utf8").on("data", (text) => {
      const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(text);
      if (found) resolve(found[0]);
    });
  });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
