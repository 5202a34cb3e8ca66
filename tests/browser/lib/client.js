// Serves the TypeScript client and pages that use it, from an origin of its own.
import { once } from "node:events";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const CLIENT = new URL("../../../clients/js/", import.meta.url);
const TYPES = { js: "text/javascript", html: "text/html" };
const BLANK = "<!doctype html><title>client</title><link rel=icon href=data:>";

/** Gives back the origin, and a way to end it. */
export async function serveClient() {
  // The client's own dependency.
  const { build } = createRequire(new URL("package.json", CLIENT))("esbuild");
  const bundle = async (page) => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL(`test/pages/${page}.jsx`, CLIENT))],
      bundle: true,
      write: false,
      format: "esm",
      jsx: "automatic",
      // Recipes lie beside the client and use what is installed with it.
      nodePaths: [fileURLToPath(new URL("node_modules", CLIENT))],
      define: { "process.env.NODE_ENV": '"development"', __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
    });
    return outputFiles[0].text;
  };
  const page = (script) => `${BLANK}<script type="module">${script}</script>`;
  const files = {
    "/": ["html", page('import * as fanfare from "/dist/index.js"; Object.assign(window, { fanfare });')],
    "/away": ["html", BLANK],
    "/react": ["html", `${BLANK}<script type="module" src="/react.js"></script>`],
    "/react.js": ["js", await bundle("react")],
    "/recipes": ["html", `${BLANK}<body><script type="module" src="/recipes.js"></script>`],
    "/recipes.js": ["js", await bundle("recipes")],
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    const [type, body] = files[pathname] ?? ["js", await readFile(new URL(`.${pathname}`, CLIENT)).catch(() => undefined)];
    if (body === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "Content-Type": TYPES[type] }).end(body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    end() {
      server.closeAllConnections();
      server.close();
    },
  };
}
