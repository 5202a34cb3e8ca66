// A TCP proxy between one client and the hub that breaks the connection at chosen bytes of the stream.

import { connect, createServer } from "node:net";
import { once } from "node:events";

const headEnd = Buffer.from("\r\n\r\n");
const CR = 0x0d;
const LF = 0x0a;

/**
 * Where to cut: `kills` offsets spread over the expected length of the stream, one at a random place
 * in each equal part, so that the start, the middle and the end all see one.
 *
 * An offset alone nearly always hits the middle of an event. The kinds move a cut to the corners
 * where a client is most likely to lose or repeat something.
 */
export function planCuts({ kills, streamBytes, random, isEncrypted = false }) {
  const kinds = isEncrypted
    ? ["anywhere"]
    : [
        "anywhere",
        "inside a character",
        "after an id line",
        "anywhere",
        "before the blank line",
        "after the blank line",
      ];
  return Array.from({ length: kills }, (_, index) => ({
    atByte: Math.floor(((index + random.unit()) / kills) * streamBytes * 0.97),
    kind: kinds[index % kinds.length],
    // A FIN looks like an end, a RST like a fault; browsers take different paths for the two.
    isReset: index % 2 === 1,
  }));
}

/** True when a cut of this kind may fall between `before` and `next`. */
function fits(kind, before, next) {
  switch (kind) {
    case "inside a character":
      return (next & 0xc0) === 0x80;
    case "after an id line":
      return /(^|\n)id: [^\n]+\n$/.test(before);
    case "before the blank line":
      return /(^|\n)data:[^\n]*\n$/.test(before) && next === LF;
    case "after the blank line":
      return before.endsWith("\n\n");
    default:
      return true;
  }
}

// Long enough for every pattern above: one id line, or the end of a data line of the corpus.
const lookBackBytes = 2048;

/**
 * Listens on a free port and forwards to `target`. With `killClient` the connection is not broken at
 * a cut: nothing more is forwarded, and `killClient` must end the process that holds the other side.
 */
export async function startProxy({ target, cuts, isEncrypted = false, killClient = undefined }) {
  const plan = [...cuts];
  const { hostname, port } = new URL(target);
  const proxy = { connections: [], cutsDone: 0, streamedBytes: 0 };
  const sockets = new Set();

  const server = createServer({ noDelay: true }, (client) => {
    const hub = connect({ host: hostname, port: Number(port), noDelay: true });
    const connection = { requestHead: "", responseHead: "" };
    proxy.connections.push(connection);
    for (const socket of [client, hub]) {
      sockets.add(socket);
      // A broken connection is what this proxy is for; the other side is closed below.
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("data", (bytes) => {
      if (!isEncrypted && connection.requestHead.length < 16_384)
        connection.requestHead += bytes.toString("latin1");
      if (!hub.write(bytes)) pauseUntilDrained(client, hub);
    });
    let isCut = false;
    let recent = Buffer.alloc(0);
    client.on("close", () => hub.destroy());
    client.on("end", () => hub.end());
    hub.on("end", () => isCut || client.end());
    hub.on("close", () => isCut || client.destroySoon());
    hub.on("data", (bytes) => {
      if (isCut) return;
      const body = isEncrypted ? bytes : skipHead(connection, bytes);
      const keep = cutPoint(recent, body);
      if (keep === undefined) {
        proxy.streamedBytes += body.length;
        recent = Buffer.concat([recent, body]).subarray(-lookBackBytes);
        if (!client.write(bytes)) pauseUntilDrained(hub, client);
        return;
      }
      isCut = true;
      const { isReset } = plan.shift();
      proxy.streamedBytes += keep;
      proxy.cutsDone += 1;
      hub.destroy();
      const lastBytes = bytes.subarray(0, bytes.length - body.length + keep);
      if (killClient) client.write(lastBytes, killClient);
      else breakConnection(client, lastBytes, isReset);
    });
  });

  // How many of the bytes still go through before the next cut; undefined: all, and no cut in them.
  function cutPoint(recent, body) {
    const cut = plan[0];
    if (!cut || proxy.streamedBytes + body.length <= cut.atByte) return undefined;
    const first = Math.max(0, cut.atByte - proxy.streamedBytes);
    if (cut.kind === "anywhere") return first;
    const seen = Buffer.concat([recent, body]);
    for (let index = first; index < body.length; index += 1) {
      const end = recent.length + index;
      const before = withoutChunkHeads(seen.subarray(Math.max(0, end - lookBackBytes), end));
      if (fits(cut.kind, before, seen[end])) return index;
    }
    return undefined;
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const scheme = isEncrypted ? "https" : "http";
  proxy.url = `${scheme}://127.0.0.1:${server.address().port}`;
  proxy.close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return proxy;
}

// The head of the response is never cut and not counted: what is tested is the stream.
function skipHead(connection, bytes) {
  if (connection.responseHead === undefined) return bytes;
  const held = Buffer.concat([Buffer.from(connection.responseHead, "latin1"), bytes]);
  const end = held.indexOf(headEnd);
  if (end < 0) {
    connection.responseHead = held.toString("latin1");
    return Buffer.alloc(0);
  }
  const rest = held.length - (end + headEnd.length);
  connection.status = Number(/^HTTP\/1\.1 (\d+)/.exec(held.toString("latin1"))?.[1]);
  connection.responseHead = undefined;
  return rest === 0 ? Buffer.alloc(0) : bytes.subarray(bytes.length - rest);
}

// Chunk sizes of the transfer coding lie between the events; the patterns look at the events alone.
const withoutChunkHeads = (bytes) =>
  bytes
    .toString("latin1")
    .replace(/(^|\r\n)[0-9a-f]+\r\n/g, "")
    .replaceAll(String.fromCharCode(CR, LF), "");

function breakConnection(client, lastBytes, isReset) {
  if (isReset) {
    client.write(lastBytes, () => client.resetAndDestroy());
  } else {
    client.end(lastBytes, () => client.destroySoon());
  }
}

function pauseUntilDrained(source, sink) {
  source.pause();
  sink.once("drain", () => source.resume());
}
