// One HTTP/1.1 exchange on its own socket, down to the bytes: what is written is exactly what the case says.

import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { SseReader } from "./sse.mjs";

const bodiless = new Set([204, 304]);
const websocketGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export class Exchange {
  #socket;
  #held = Buffer.alloc(0);
  #waiters = new Set();
  #isHead;
  #decode;
  #sse = new SseReader();
  #textHeld = "";
  #pieces = [];
  #bodyBytes = 0;
  /** What came back so far. `lines` are NDJSON lines or WebSocket text frames. */
  status;
  headers = {};
  blocks = [];
  lines = [];
  hasEnded = false;
  isClosed = false;

  constructor(url, { method }) {
    const { hostname, port } = new URL(url);
    this.#isHead = method === "HEAD";
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on("data", (bytes) => this.#take(bytes));
    // A hub that refuses early may reset while we still write; the case judges by what came back.
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  get body() {
    return Buffer.concat(this.#pieces);
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  /** Reads nothing until `resume`: the hub's writes pile up in the buffers of the two kernels. */
  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  close() {
    this.#socket.destroy();
  }

  /** Waits until `isMet` holds; false when it does not within the time. */
  async until(isMet, timeoutMs) {
    const deadline = Date.now() + timeoutMs;
    while (!isMet()) {
      const left = deadline - Date.now();
      if (left <= 0 || this.isClosed) return isMet();
      await new Promise((resolve) => {
        const timer = setTimeout(wake, left);
        const waiters = this.#waiters;
        function wake() {
          clearTimeout(timer);
          waiters.delete(wake);
          resolve();
        }
        waiters.add(wake);
      });
    }
    return true;
  }

  #wake() {
    for (const wake of [...this.#waiters]) wake();
  }

  #take(bytes) {
    this.#held = Buffer.concat([this.#held, bytes]);
    while (this.status === undefined && this.#takeHead());
    if (this.#decode) this.#decode();
    this.#wake();
  }

  #takeHead() {
    const end = this.#held.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const [first, ...lines] = this.#held.toString("latin1", 0, end).split("\r\n");
    this.#held = this.#held.subarray(end + 4);
    const status = Number(first.split(" ")[1]);
    if (status === 100) return true;
    this.status = status;
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      this.headers[name] = name in this.headers ? `${this.headers[name]}, ${value}` : value;
    }
    this.#decode = this.#decoder();
    return false;
  }

  #decoder() {
    if (this.status === 101) return () => this.#websocketFrames();
    if (this.#isHead || bodiless.has(this.status)) return () => (this.hasEnded = true);
    if (/chunked/i.test(this.headers["transfer-encoding"] ?? "")) return () => this.#chunks();
    const length = Number(this.headers["content-length"] ?? Number.POSITIVE_INFINITY);
    return () => {
      this.#give(this.#held);
      this.#held = Buffer.alloc(0);
      this.hasEnded = this.#bodyBytes >= length;
    };
  }

  #chunks() {
    while (!this.hasEnded) {
      const end = this.#held.indexOf("\r\n");
      if (end < 0) return;
      const size = Number.parseInt(this.#held.toString("latin1", 0, end), 16);
      const whole = end + 2 + size + 2;
      if (this.#held.length < whole) return;
      this.#give(this.#held.subarray(end + 2, end + 2 + size));
      this.#held = this.#held.subarray(whole);
      this.hasEnded = size === 0;
    }
  }

  #give(bytes) {
    this.#pieces.push(bytes);
    this.#bodyBytes += bytes.length;
    const type = this.headers["content-type"] ?? "";
    if (type.startsWith("text/event-stream")) this.blocks.push(...this.#sse.feed(bytes));
    if (type.startsWith("application/x-ndjson")) {
      const lines = (this.#textHeld + bytes.toString("utf8")).split("\n");
      this.#textHeld = lines.pop();
      this.lines.push(...lines.filter((line) => line !== "").map((line) => JSON.parse(line)));
    }
  }

  // RFC 6455 5.2, as far as a hub's frames go: unmasked and unfragmented.
  #websocketFrames() {
    while (this.#held.length >= 2) {
      const opcode = this.#held[0] & 0x0f;
      let size = this.#held[1] & 0x7f;
      let start = 2;
      if (size === 126 && this.#held.length >= 4) {
        size = this.#held.readUInt16BE(2);
        start = 4;
      } else if (size === 127 && this.#held.length >= 10) {
        size = Number(this.#held.readBigUInt64BE(2));
        start = 10;
      } else if (size >= 126) return;
      if (this.#held.length < start + size) return;
      const payload = this.#held.subarray(start, start + size);
      this.#held = this.#held.subarray(start + size);
      if (opcode === 0x1) this.lines.push(JSON.parse(payload.toString("utf8")));
      if (opcode === 0x8) this.hasEnded = true;
    }
  }

  /** Sends one masked text frame (RFC 6455 5.3). */
  sendFrame(text) {
    const payload = Buffer.from(text);
    const mask = randomBytes(4);
    const masked = payload.map((byte, index) => byte ^ mask[index % 4]);
    const size =
      payload.length < 126
        ? Buffer.from([0x80 | payload.length])
        : Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 0xff]);
    this.write(Buffer.concat([Buffer.from([0x81]), size, mask, masked]));
  }
}

/** The headers that ask for a WebSocket, and the proof that the answer must carry (RFC 6455 4.2.2). */
export function websocketHandshake() {
  const key = randomBytes(16).toString("base64");
  const accept = createHash("sha1")
    .update(key + websocketGuid)
    .digest("base64");
  return {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": key,
    },
    accept,
  };
}
