// The TypeScript client behind the protocol of the SSE contract tests (../README.md).
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { connection } from "../../../clients/js/dist/connection.js";

const CAPABILITIES = [
  "bom", "comments", "headers", "last-event-id", "post", "report", "read-timeout", "restart",
  "event-type-listeners", "server-directed-shutdown-request",
];

/** One stream under test. */
class Stream {
  #connection;
  #callback;
  #types = new Set(["message"]);
  #sent = Promise.resolve();
  #count = 0;

  constructor({ streamUrl, callbackUrl, initialDelayMs, readTimeoutMs, lastEventId = "", headers = {}, method, body }) {
    this.#callback = callbackUrl;
    const retry = initialDelayMs === undefined ? {} : { min: initialDelayMs };
    const options = {
      headers: { ...headers },
      resume: { get: () => lastEventId, set() {} },
      retry,
      ...(readTimeoutMs !== undefined && { idle: readTimeoutMs }),
      ...(method !== undefined && { method: method.toUpperCase() }),
      ...(body !== undefined && { body }),
    };
    this.#connection = connection(new URL(streamUrl), options, {
      event: ({ type, data, id }) => {
        if (this.#types.has(type)) this.#tell({ kind: "event", event: { type, data, id } });
      },
      comment: (comment) => this.#tell({ kind: "comment", comment }),
      status: (status) => {
        if (status.error) this.#tell({ kind: "error", error: status.error.message });
      },
    });
    this.#connection.want([]);
  }

  command({ command, listen }) {
    if (command === "restart") this.#connection.restart();
    else if (command === "listen") this.#types.add(listen.type);
    else return 400;
    return 202;
  }

  close() {
    this.#connection.close();
  }

  #tell(message) {
    const url = `${this.#callback}/${(this.#count += 1)}`;
    const post = () =>
      fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(message) });
    this.#sent = this.#sent.then(post).then((response) => response.arrayBuffer()).catch((error) => {
      // The harness has left; there is nobody to tell.
      console.error(`${url}: ${error.cause ?? error}`);
    });
  }
}

const streams = new Map();

async function answer(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const stream = streams.get(request.url);
  const end = (status, headers = {}, body = "") => response.writeHead(status, headers).end(body);
  if (request.url === "/" && request.method === "GET") {
    end(200, { "Content-Type": "application/json" }, JSON.stringify({ name: "fanfare-client (TypeScript)", capabilities: CAPABILITIES }));
  } else if (request.url === "/" && request.method === "POST") {
    const location = `/streams/${streams.size + 1}`;
    streams.set(location, new Stream(JSON.parse(text)));
    end(201, { Location: location });
  } else if (request.url === "/" && request.method === "DELETE") {
    end(204);
    server.close();
    for (const stream of streams.values()) stream.close();
    setImmediate(() => process.exit(0));
  } else if (stream && request.method === "POST") {
    end(stream.command(JSON.parse(text)));
  } else if (stream && request.method === "DELETE") {
    stream.close();
    end(204);
  } else {
    end(404);
  }
}

const { values } = parseArgs({ options: { port: { type: "string", default: "8000" }, host: { type: "string", default: "127.0.0.1" } } });
const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(400).end(String(error)));
});
server.listen(Number(values.port), values.host, () => console.log(`http://${values.host}:${server.address().port}`));
