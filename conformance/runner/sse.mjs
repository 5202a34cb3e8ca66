// A small reader of text/event-stream, written along the HTML standard's section 9.2.6 and nothing else.
// It parses what curl prints and what the protocol cases receive.

const CR = 0x0d;
const LF = 0x0a;
const byteOrderMark = Buffer.from("\ufeff");

export class SseReader {
  #pending = Buffer.alloc(0);
  // How far the pending line is known to hold no line end.
  #scanned = 0;
  #isAtStart = true;
  #swallowsLf = false;
  #block = emptyBlock();
  /** The committed last event id: what a reconnect must send. */
  lastEventId;

  constructor({ lastEventId = "" } = {}) {
    this.lastEventId = lastEventId;
    this.idBuffer = lastEventId;
  }

  /** Takes the next bytes; returns the blocks they complete. `data` is undefined in a block that dispatches nothing. */
  feed(bytes) {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    if (this.#isAtStart) {
      if (
        this.#pending.length < byteOrderMark.length &&
        byteOrderMark.subarray(0, this.#pending.length).equals(this.#pending)
      )
        return [];
      this.#isAtStart = false;
      if (this.#pending.subarray(0, byteOrderMark.length).equals(byteOrderMark))
        this.#pending = this.#pending.subarray(byteOrderMark.length);
    }
    const blocks = [];
    let start = 0;
    for (let index = this.#scanned; index < this.#pending.length; index += 1) {
      const byte = this.#pending[index];
      if (byte === LF && this.#swallowsLf) {
        this.#swallowsLf = false;
        start = index + 1;
        continue;
      }
      this.#swallowsLf = byte === CR;
      if (byte !== CR && byte !== LF) continue;
      const block = this.#line(this.#pending.toString("utf8", start, index));
      if (block) blocks.push(block);
      start = index + 1;
    }
    this.#pending = this.#pending.subarray(start);
    this.#scanned = this.#pending.length;
    return blocks;
  }

  #line(line) {
    if (line === "") return this.#endBlock();
    const colon = line.indexOf(":");
    if (colon === 0) {
      this.#block.comments.push(line.slice(1));
      return undefined;
    }
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#block.data.push(value);
    else if (name === "event") this.#block.event = value;
    else if (name === "id" && !value.includes("\0")) this.#block.id = this.idBuffer = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.#block.retry = Number(value);
    return undefined;
  }

  #endBlock() {
    const { id, event, data, retry, comments } = this.#block;
    this.#block = emptyBlock();
    this.lastEventId = this.idBuffer;
    return {
      id,
      event: event || "message",
      data: data.length > 0 ? data.join("\n") : undefined,
      retry,
      comments,
      lastEventId: this.lastEventId,
    };
  }
}

const emptyBlock = () => ({ id: undefined, event: "", data: [], retry: undefined, comments: [] });
