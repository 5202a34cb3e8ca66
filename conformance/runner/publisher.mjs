// Publishes the corpus through every kind of body the hub takes, at a steady pace, in order.

import { once } from "node:events";
import { Agent, request as startRequest } from "node:http";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";

const batchMost = 20;

/**
 * The corpus in three parts: one POST per event; one chunked event stream; then NDJSON batches, and
 * single POSTs for the lines that NDJSON cannot carry (empty, or with CR or LF in them).
 */
export class Publisher {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #startedAt = Date.now();
  #random;
  #url;
  #rate;
  /** Per published event: its id, and the type and data a subscriber must see. */
  published = [];

  constructor({ url, rate, random }) {
    this.#url = url;
    this.#rate = rate;
    this.#random = random;
  }

  async publish(events, onProgress) {
    const third = Math.ceil(events.length / 3);
    for (const event of events.slice(0, third)) {
      await this.#pace();
      await this.#post({
        type: "text/plain; charset=utf-8",
        body: event.data,
        events: [{ type: "message", data: event.data }],
      });
      onProgress(this.published.length);
    }
    await this.#pipe(events.slice(third, 2 * third), onProgress);
    for (const batch of ndjsonBatches(events.slice(2 * third), this.#random)) {
      await this.#pace();
      const plain = batch.map(({ data }) => ({ type: "message", data }));
      if (fitsNdjson(batch[0]))
        await this.#post({
          type: "application/x-ndjson",
          body: batch.map(({ data }) => `${data}\n`).join(""),
          events: plain,
        });
      else
        await this.#post({ type: "text/plain; charset=utf-8", body: batch[0].data, events: plain });
      onProgress(this.published.length);
    }
  }

  /** Ends the topic; the answer's id is that of the end marker. */
  async end() {
    const { id } = await this.#send(this.#open(`${this.#url}?end`, { "content-length": 0 }));
    this.#agent.destroy();
    return id;
  }

  async #post({ type, body, events }) {
    const request = this.#open(this.#url, {
      "content-type": type,
      "content-length": Buffer.byteLength(body),
    });
    request.write(body);
    this.#record(await this.#send(request), events);
  }

  // One request whose body is cut into chunks anywhere, also within characters and between CR and LF.
  async #pipe(events, onProgress) {
    const request = this.#open(this.#url, {
      "content-type": "text/event-stream",
      "transfer-encoding": "chunked",
    });
    const before = this.published.length;
    let held = Buffer.alloc(0);
    for (const [index, event] of events.entries()) {
      await this.#pace(before + index);
      held = Buffer.concat([held, Buffer.from(asBlock(event, index))]);
      while (held.length > 400) {
        const size = 1 + this.#random.below(400);
        const isTaken = request.write(held.subarray(0, size));
        held = held.subarray(size);
        if (!isTaken) await once(request, "drain");
      }
      onProgress(before + index);
    }
    request.write(held);
    this.#record(await this.#send(request), events);
  }

  async #pace(done = this.published.length) {
    const due = this.#startedAt + (done / this.#rate) * 1000;
    const early = due - Date.now();
    // Timers are no finer than this; when late, the sockets still get their turn.
    if (early > 5) await wait(early);
    else if (done % 16 === 0) await nextTurn();
  }

  #open(url, headers) {
    return startRequest(url, { method: "POST", agent: this.#agent, headers });
  }

  async #send(request) {
    const answer = await new Promise((resolve, reject) =>
      request.on("response", resolve).on("error", reject).end(),
    );
    const pieces = [];
    for await (const piece of answer) pieces.push(piece);
    const text = Buffer.concat(pieces).toString("utf8");
    if (answer.statusCode !== 201)
      throw new Error(`publishing answered ${answer.statusCode}: ${text}`);
    return JSON.parse(text);
  }

  // The ids of a batch are dense (PROTOCOL: within an epoch the numbers have no holes), so the last one and the count name them all.
  #record({ id, count }, events) {
    if (count !== events.length)
      throw new Error(`the hub stored ${count} events of ${events.length}`);
    const [epoch, last] = id.split("-");
    for (const [index, { type, data }] of events.entries()) {
      this.published.push({ id: `${epoch}-${Number(last) - count + 1 + index}`, type, data });
    }
  }
}

const fitsNdjson = ({ data }) => data !== "" && !/[\r\n]/.test(data);

function* ndjsonBatches(events, random) {
  let batch = [];
  let size = 1 + random.below(batchMost);
  for (const event of events) {
    const isAlone = !fitsNdjson(event);
    if (batch.length > 0 && (isAlone || batch.length === size)) {
      yield batch;
      batch = [];
      size = 1 + random.below(batchMost);
    }
    if (isAlone) yield [event];
    else batch.push(event);
  }
  if (batch.length > 0) yield batch;
}

// The blocks go through the three line ends in turn, with what a subscriber must never see between them.
function asBlock({ type, data }, index) {
  const lineEnd = ["\n", "\r\n", "\r"][index % 3];
  const noise =
    index % 7 === 0 ? [": a comment", "id: chosen-by-the-publisher", "unknown: field"] : [];
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`);
  return [...noise, `event: ${type}`, ...lines, "", ""].join(lineEnd);
}
