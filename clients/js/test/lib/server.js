// A server on a real socket whose answers a test says, one after the other.
import { once } from "node:events";
import { createServer } from "node:http";

export class Server {
  #server;
  #answers = [];
  #waiting = [];
  /** What was asked so far. */
  requests = [];

  static async start() {
    const it = new Server();
    it.#server = createServer((request, response) => it.#serve(request, response)).listen(0, "127.0.0.1");
    await once(it.#server, "listening");
    it.url = `http://127.0.0.1:${it.#server.address().port}`;
    return it;
  }

  /** The next request gets this; the last one said stays for all that follow. */
  answer(...answers) {
    this.#answers.push(...answers);
    return this;
  }

  /** The request of that number, once it was made. */
  async request(number) {
    while (this.requests.length <= number) await new Promise((resolve) => this.#waiting.push(resolve));
    return this.requests[number];
  }

  /** Breaks all connections. */
  cut() {
    this.#server.closeAllConnections();
  }

  async stop() {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(request, response) {
    const seen = { url: request.url, method: request.method, headers: request.headers, at: performance.now(), response };
    this.requests.push(seen);
    for (const resolve of this.#waiting.splice(0)) resolve();
    const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
    answer(request, response);
  }
}

/** A stream that begins with this text and stays open. */
export const stream = (text = "", headers = {}) => (_, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream", ...headers });
  response.write(text);
  response.flushHeaders();
};

/** A stream that ends after this text. */
export const streamOnce = (text) => (_, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.end(text);
};

export const refuse = (status, headers = {}, body = "no") => (_, response) => {
  response.writeHead(status, headers);
  response.end(body);
};
