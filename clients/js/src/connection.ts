// One stream that is kept open: drives the machine with requests, timers and wake-ups.

import { asHubError, HubError } from "./error.js";
import { GAP_TYPE, type HubEvent, isPattern, ofBlock, ofEnvelope, OPEN_TYPE } from "./event.js";
import { IDLE, type Input, type Machine, type Reason, RETRY, type RetryPolicy, type Status, step } from "./machine.js";
import { placeOf } from "./page.js";
import { SseParser } from "./parser.js";
import { type Form, headerText, type RequestOptions, send, streamOf } from "./request.js";

/** Where the last id is kept between connections. */
export interface ResumeStore {
  get(): string | undefined | null;
  set(id: string): void;
}

export interface ConnectionOptions extends RequestOptions {
  /** Where the last id is kept: here, for the life of the tab, or where you say. */
  readonly resume?: "memory" | "session" | ResumeStore;
  /** When to try again after a loss. */
  readonly retry?: Partial<RetryPolicy>;
  /** Silence in milliseconds after which a stream counts as lost; `auto` takes 2.5 heartbeats of the hub. */
  readonly idle?: "auto" | number | false;
  /** What becomes of the stream while the page is hidden. */
  readonly hidden?: "keep" | { readonly pauseAfter: number };
  /** Where a first stream begins: `all`, a number of events, or an age such as `10m`. */
  readonly history?: string | number;
}

/** Who hears what a connection receives. */
export interface Sink {
  event(event: HubEvent): unknown;
  status(status: Status): unknown;
  comment?(text: string): void;
}

/** Patience with a server that announces no heartbeat: three of a usual one. */
const IDLE_DEFAULT = 45_000;
const HEARTBEATS = 2.5;
/** The share of that patience after which a page that wakes up asks anew: more than one heartbeat. */
const WAKE_SHARE = 0.5;
/** Time for the head of an answer. */
const HEAD_WITHIN = 30_000;
/** The longest that a timer of every engine can be set to. */
const TIMER_MAX = 2 ** 31 - 1;

export class Connection {
  /** The position: everything of the topics up to here was handed on. */
  lastId: string;
  readonly #url: URL;
  readonly #options: ConnectionOptions;
  readonly #sink: Sink;
  readonly #policy: RetryPolicy;
  #topics: readonly string[] = [];
  /** The stream lacks topics, and is asked for anew once it has said where it is. */
  #lacksTopics = false;
  #machine: Machine = IDLE;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #request: AbortController | undefined;
  /** When something came last, a heartbeat included. */
  #heardAt = 0;
  #idleMs = IDLE_DEFAULT;
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;

  /** `url` is a hub's, when topics are asked for, or else that of one stream. */
  constructor(url: URL, options: ConnectionOptions, sink: Sink) {
    this.#url = url;
    this.#options = options;
    this.#sink = sink;
    this.#policy = { ...RETRY, ...options.retry };
    this.lastId = this.#store?.get() ?? "";
  }

  get status(): Status {
    return this.#machine.status;
  }

  /** Opens the stream, or opens it anew when it does not have these topics. */
  want(topics: readonly string[]): void {
    const isNew = topics.some((topic) => !this.#topics.includes(topic));
    this.#topics = topics;
    const { state } = this.#machine.status;
    if (state === "idle") {
      this.#watchPage(true);
      this.#step({ type: "start" });
    } else if (isNew && state === "open" && this.lastId === "") {
      // A stream in its place would begin later, and what came between would be lost.
      this.#lacksTopics = true;
    } else if (isNew && (state === "connecting" || state === "open")) {
      this.#connect();
    }
  }

  /** Leaves the stream and asks for it anew. */
  restart(): void {
    const { state } = this.#machine.status;
    if (state === "open" || state === "connecting") this.#connect();
  }

  /** Ends it for good. */
  close(error?: HubError): void {
    this.#step(error ? { type: "close", error } : { type: "close" });
  }

  /** Something woke the page: a wait is cut short, and a stream that was silent for long is asked anew. */
  readonly wake = (): void => {
    clearTimeout(this.#hiddenTimer);
    const { status } = this.#machine;
    if (status.state === "paused") this.#step({ type: "start" });
    else if (status.state === "open" && this.#silence() > this.#idleMs * WAKE_SHARE) this.#lose("the page slept");
    this.#step({ type: "wake" });
  };

  readonly #seen = (): void => {
    if (document.visibilityState === "visible") return this.wake();
    const { hidden } = this.#options;
    if (typeof hidden !== "object") return;
    this.#hiddenTimer = setTimeout(() => this.#step({ type: "pause" }), hidden.pauseAfter);
  };

  get #store(): ResumeStore | undefined {
    const { resume } = this.#options;
    if (typeof resume === "object") return resume;
    if (resume !== "session" || typeof sessionStorage === "undefined") return undefined;
    const key = `fanfare ${this.#url.href}`;
    return { get: () => sessionStorage.getItem(key), set: (id) => sessionStorage.setItem(key, id) };
  }

  #watchPage(isWatched: boolean): void {
    if (typeof document === "undefined") return;
    const change = isWatched ? "addEventListener" : "removeEventListener";
    document[change]("visibilitychange", this.#seen);
    globalThis[change]("pageshow", this.wake);
    globalThis[change]("online", this.wake);
  }

  /** Moves the machine, and does what its new state asks for. */
  #step(input: Input): void {
    const before = this.#machine;
    this.#machine = step(before, input, Date.now(), this.#policy);
    const { status } = this.#machine;
    if (status === before.status) return;
    clearTimeout(this.#timer);
    if (status.state === "connecting") this.#connect();
    else if (status.state !== "open") this.#request?.abort();
    if (status.state === "waiting") {
      const wait = Math.min(TIMER_MAX, status.nextAttemptAt - Date.now());
      this.#timer = setTimeout(() => this.#step({ type: "due" }), wait);
    }
    if (status.state === "closed") {
      clearTimeout(this.#hiddenTimer);
      this.#watchPage(false);
    }
    this.#sink.status(status);
  }

  #lose(error: unknown): void {
    this.#step({ type: "lost", error: asHubError(error), dice: Math.random() });
  }

  #silence(): number {
    return Date.now() - this.#heardAt;
  }

  /** Asks, in place of whatever was asked before. */
  #connect(): void {
    this.#request?.abort();
    this.#lacksTopics = false;
    const request = (this.#request = new AbortController());
    const isCurrent = () => this.#request === request && !request.signal.aborted;
    this.#heardAt = Date.now();
    this.#watch(HEAD_WITHIN, "the server does not answer");
    this.#read(request.signal, isCurrent).catch((error: unknown) => {
      if (isCurrent()) this.#lose(error);
      request.abort();
    });
  }

  /** Loses the stream after so much silence; what is heard puts that off without setting a timer. */
  #watch(patience: number, complaint: string): void {
    clearTimeout(this.#timer);
    const look = (): void => {
      const left = patience - this.#silence();
      if (left > 0) this.#timer = setTimeout(look, Math.min(left, TIMER_MAX));
      else this.#lose(new HubError(complaint));
    };
    look();
  }

  async #read(signal: AbortSignal, isCurrent: () => boolean): Promise<void> {
    const { status } = this.#machine;
    const about: { attempt: number; reason: Reason } =
      status.state === "connecting" ? status : { attempt: 1, reason: "again" };
    const form = this.#form();
    const { method, body: asked } = this.#options;
    const response = await send(this.#place(), this.#options, about, {
      headers: this.#head(form),
      signal,
      ...(method !== undefined && { method }),
      ...(asked !== undefined && { body: asked }),
    });
    const body = await streamOf(response, form);
    if (!isCurrent()) return;
    if (!body) return this.close();
    this.#step({ type: "opened" });
    clearTimeout(this.#timer);
    this.#heardAt = Date.now();
    const { idle } = this.#options;
    const announced = Number(response.headers.get("Fanfare-Heartbeat")) * HEARTBEATS;
    this.#idleMs = typeof idle === "number" ? idle : announced || IDLE_DEFAULT;
    if (idle !== false) this.#watch(this.#idleMs, "the stream went silent");
    const feed = this.#reader(form, isCurrent);
    const reader = body.getReader();
    for (let read = await reader.read(); isCurrent(); read = await reader.read()) {
      if (read.done) throw new HubError("the server ended the stream");
      this.#heardAt = Date.now();
      feed(read.value);
    }
  }

  /** One topic is a plain stream; several have to be told apart. */
  #form(): Form {
    const [first = "", ...more] = this.#topics;
    return more.length > 0 || isPattern(first) ? "application/x-ndjson" : "text/event-stream";
  }

  #place(): URL {
    const isOfHub = this.#topics.length > 0;
    const url = isOfHub ? placeOf(this.#url, ...this.#topics) : new URL(this.#url);
    const { history } = this.#options;
    // In the query, where it costs pages of other origins no preflight.
    if (isOfHub && this.lastId !== "") url.searchParams.set("last_event_id", this.lastId);
    else if (this.lastId === "" && history !== undefined) url.searchParams.set("history", String(history));
    return url;
  }

  #head(form: Form): Record<string, string> {
    const isOfHub = this.#topics.length > 0;
    if (isOfHub || this.lastId === "") return { Accept: form };
    return { Accept: form, "Last-Event-ID": headerText(this.lastId) };
  }

  /** What takes the bytes of a new stream. Nothing is handed on once the stream was left. */
  #reader(form: Form, isCurrent: () => boolean): (bytes: Uint8Array) => void {
    const hand = (event: HubEvent): void => {
      if (!isCurrent()) return;
      if (event.type !== OPEN_TYPE) this.#sink.event(event);
      this.#pass(event.id);
    };
    if (form === "application/x-ndjson") return lines((line) => hand(ofEnvelope(JSON.parse(line))));
    const topic = this.#topics[0] ?? "";
    const parser = new SseParser({
      onEvent: (event) => hand(ofBlock(event, topic)),
      onRetry: (ms) => this.#step({ type: "advised", ms }),
      onComment: (text) => this.#sink.comment?.(text),
      onTooLarge: (size) => hand({ type: GAP_TYPE, ...tooLarge(size), id: parser.lastEventId, topic }),
    });
    parser.lastEventId = this.lastId;
    return (bytes) => {
      parser.feed(bytes);
      // A block without data moves the position, too.
      if (isCurrent()) this.#pass(parser.lastEventId);
    };
  }

  #pass(id: string): void {
    if (id === this.lastId) return;
    this.lastId = id;
    this.#store?.set(id);
    if (this.#lacksTopics) this.#connect();
  }
}

function tooLarge(size: number): { data: string; raw: string } {
  const raw = JSON.stringify({ reason: "too_large", max: size });
  return { data: raw, raw };
}

/** Takes lines that end in LF out of chunks, but for empty ones, which are heartbeats. */
function lines(take: (line: string) => void): (bytes: Uint8Array) => void {
  const utf8 = new TextDecoder();
  let cut = "";
  return (bytes) => {
    const [rest = "", ...whole] = utf8.decode(bytes, { stream: true }).split("\n").reverse();
    for (const line of whole.reverse()) {
      const text = cut + line;
      cut = "";
      if (text !== "") take(text);
    }
    cut += rest;
  };
}
