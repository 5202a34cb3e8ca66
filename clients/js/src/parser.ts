// Reads `text/event-stream` that comes in chunks of any size (WHATWG HTML 9.2.5 and 9.2.6). Cases:
// conformance/sse/decoder.json.

/** One dispatched event. */
export interface SseEvent {
  /** The event type, `message` when the block names none. */
  readonly type: string;
  /** The data, its lines joined by LF. */
  readonly data: string;
  /** The last event id at dispatch, which an earlier block may have set; empty when there is none. */
  readonly id: string;
}

/** What a parser calls, in the order of the stream. */
export interface SseSink {
  onEvent(event: SseEvent): void;
  /** A reconnection time in milliseconds. It applies at once and needs no event. */
  onRetry?(ms: number): void;
  /** A comment, without the colon and one space after it. */
  onComment?: ((text: string) => void) | undefined;
  /** A block outgrew the limit: it fires no event, its id and retry still count. */
  onTooLarge?(maxEventSize: number): void;
}

/** UTF-16 units of data and event type that one event may have: 16 Mi, as the Rust client. */
export const MAX_EVENT_SIZE = 16 * 1024 * 1024;

/** Longest field name with colon and space: beyond value and this, a cut line cannot fit any more. */
const NAME_SIZE_MAX = "event: ".length;

/** A parser of one stream, or of several that follow each other. Time is linear in what it is fed. */
export class SseParser {
  /** The id that a blank line committed last: what a client sends as `Last-Event-ID`. */
  lastEventId = "";
  readonly #on: SseSink;
  readonly #max: number;
  /** Strips one byte order mark, replaces bad bytes, and keeps characters that a chunk cut. */
  #utf8 = new TextDecoder();
  /** The start of the line that the last chunk cut. */
  #cut = "";
  /** What is still to come of that line is dropped. */
  #dropsCut = false;
  /** The last chunk ended in CR: a LF at the start of the next belongs to it. */
  #skipsLf = false;
  #type = "";
  #data: string | undefined;
  #id: string | undefined;
  #size = 0;

  constructor(sink: SseSink, maxEventSize = MAX_EVENT_SIZE) {
    this.#on = sink;
    this.#max = maxEventSize;
  }

  /** Makes ready for a new stream: forgets all but the last event id. */
  reset(): void {
    this.#utf8 = new TextDecoder();
    this.#cut = "";
    this.#dropsCut = this.#skipsLf = false;
    this.#clear();
  }

  /** Takes the next bytes and calls the sink for what they complete. */
  feed(bytes: Uint8Array): void {
    const text = this.#utf8.decode(bytes, { stream: true });
    if (text === "") return;
    let at = this.#skipsLf && text.startsWith("\n") ? 1 : 0;
    this.#skipsLf = false;
    let lf = text.indexOf("\n", at);
    let cr = text.indexOf("\r", at);
    for (;;) {
      const isCr = cr !== -1 && (lf === -1 || cr < lf);
      const end = isCr ? cr : lf;
      if (end === -1) break;
      if (this.#cut !== "" || this.#dropsCut) this.#endCut(text.slice(at, end));
      else if (end === at) this.#dispatch();
      // What most lines are, without looking for their parts.
      else if (text.startsWith("data: ", at)) this.#addData(text.slice(at + 6, end));
      else if (text.charCodeAt(at) !== 58 || this.#on.onComment) this.#line(text.slice(at, end));
      at = end + 1;
      if (isCr) {
        // The line ends now; waiting for a LF would hold an event back.
        if (at === text.length) this.#skipsLf = true;
        else if (lf === at) at += 1;
        cr = text.indexOf("\r", at);
      }
      if (lf !== -1 && lf < at) lf = text.indexOf("\n", at);
    }
    this.#keep(text.slice(at));
  }

  #endCut(rest: string): void {
    const line = this.#cut + rest;
    const isDropped = this.#dropsCut;
    this.#cut = "";
    this.#dropsCut = false;
    if (!isDropped) this.#line(line);
  }

  /** Keeps the start of a line, unless it cannot become anything. */
  #keep(rest: string): void {
    if (this.#dropsCut) return;
    this.#cut += rest;
    if (this.#cut.length <= this.#max + NAME_SIZE_MAX) return;
    if (/^(data|event|id):/.test(this.#cut)) this.#fits(Infinity);
    this.#cut = "";
    this.#dropsCut = true;
  }

  #line(line: string): void {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const begin = line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1;
    const value = colon === -1 ? "" : line.slice(begin);
    const isTooLong = value.length > this.#max;
    if (name === "data") {
      this.#addData(value);
    } else if (name === "event") {
      if (this.#fits(value.length)) this.#type = value;
    } else if (name === "id") {
      if (isTooLong) this.#fits(Infinity);
      else if (!value.includes("\0")) this.#id = value;
    } else if (name === "retry") {
      if (/^[0-9]+$/.test(value)) this.#on.onRetry?.(Math.min(Number(value), Number.MAX_SAFE_INTEGER));
    } else if (name === "" && !isTooLong) {
      this.#on.onComment?.(value);
    }
  }

  #addData(value: string): void {
    const isFirst = this.#data === undefined;
    if (!this.#fits(value.length + (isFirst ? 0 : 1))) return;
    this.#data = isFirst ? value : `${this.#data}\n${value}`;
  }

  /** Counts data or event type against the limit, and says whether the block still fits. */
  #fits(size: number): boolean {
    const didFit = this.#size <= this.#max;
    this.#size += size;
    if (this.#size <= this.#max) return true;
    this.#data = undefined;
    if (didFit) this.#on.onTooLarge?.(this.#max);
    return false;
  }

  #dispatch(): void {
    const [type, data] = [this.#type || "message", this.#data];
    if (this.#id !== undefined) this.lastEventId = this.#id;
    // Before the call: a sink that throws leaves nothing behind for the next block.
    if (this.#size > 0 || data !== undefined || this.#id !== undefined) this.#clear();
    if (data !== undefined) this.#on.onEvent({ type, data, id: this.lastEventId });
  }

  #clear(): void {
    this.#type = "";
    this.#data = this.#id = undefined;
    this.#size = 0;
  }
}

/** Yields the events of a body, such as `response.body`. Leaving the loop cancels the body. */
export async function* parseSSE(
  body: ReadableStream<Uint8Array> | Response,
  maxEventSize = MAX_EVENT_SIZE,
): AsyncGenerator<SseEvent, void, undefined> {
  const stream = body instanceof Response ? body.body : body;
  const events: SseEvent[] = [];
  const tooLarge = () => {
    throw new RangeError(`an event is larger than ${maxEventSize}`);
  };
  const parser = new SseParser({ onEvent: (event) => events.push(event), onTooLarge: tooLarge }, maxEventSize);
  const reader = stream?.getReader();
  try {
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
      parser.feed(read.value);
      yield* events.splice(0);
    }
  } finally {
    await reader?.cancel().catch(() => {});
  }
}
