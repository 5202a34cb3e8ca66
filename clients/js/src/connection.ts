// One stream that is kept open: drives the machine with requests, timers and wake-ups.

import { asHubError, HubError } from "./error.js";
import { GAP_TYPE, type HubEvent, isPattern, ofBlock, ofEnvelope, OPEN_TYPE } from "./event.js";
import { IDLE, type Input, RETRY, type RetryPolicy, type Status, step } from "./machine.js";
import { SseParser } from "./parser.js";
import { asker, type Attempt, headerText, type RequestOptions, streamOf } from "./request.js";

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

/** Where events come from: a connection of this page's own, or one that tabs share. */
export interface Source {
  readonly status: Status;
  /** Delivers these topics, all other ones no longer. */
  want(topics: readonly string[]): void;
  /** Ends it for good. */
  close(): void;
}

/** Makes a connection with some options of its own. */
export type Connect = (sink: Sink, options?: ConnectionOptions) => Source;

/** Who hears what a connection receives. */
export interface Sink {
  event(event: HubEvent): unknown;
  status(status: Status): unknown;
  comment?(text: string): void;
}

/** One stream that is kept open. */
export interface Connection extends Source {
  /** Leaves the stream and asks for it anew. */
  restart(): void;
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

type Timer = ReturnType<typeof setTimeout> | undefined;

/** A connection that opens once topics are wanted. `url` is a hub's, when there are any, or else that of one stream. */
export function connection(url: URL, options: ConnectionOptions, sink: Sink): Connection {
  const store = storeOf(url, options.resume);
  const asks = asker(url, options);
  const policy = { ...RETRY, ...options.retry };
  /** The position: everything of the topics up to here was handed on. */
  let lastId = store?.get() ?? "";
  let topics: readonly string[] = [];
  /** The stream lacks topics, and is asked for anew once it has said where it is. */
  let lacksTopics = false;
  let machine = IDLE;
  let timer: Timer;
  let hiddenTimer: Timer;
  let request: AbortController | undefined;
  /** When something came last, a heartbeat included. */
  let heardAt = 0;
  let patience = IDLE_DEFAULT;

  /** Moves the machine, and does what its new state asks for. */
  function move(input: Input): void {
    const before = machine.status;
    machine = step(machine, input, Date.now(), policy);
    const { status } = machine;
    const { state } = status;
    if (status === before) return;
    clearTimeout(timer);
    if (state === "connecting") ask();
    else if (state !== "open") request?.abort();
    if (state === "waiting") at(() => status.nextAttemptAt, () => move({ type: "go" }));
    if (state === "closed") watchPage("removeEventListener");
    sink.status(status);
  }

  function lose(cause: unknown): void {
    move({ type: "lost", error: asHubError(cause), dice: Math.random() });
  }

  /** Does something at a moment, which may be put off until then. */
  function at(moment: () => number, then: () => void): void {
    clearTimeout(timer);
    const look = (): void => (moment() > Date.now() ? at(moment, then) : then());
    timer = setTimeout(look, Math.min(TIMER_MAX, moment() - Date.now()));
  }

  /** Loses the stream after so much silence. */
  function expect(within: number, complaint: string): void {
    at(() => heardAt + within, () => lose(new HubError(complaint)));
  }

  /** Asks, in place of whatever was asked before. */
  function ask(): void {
    request?.abort();
    lacksTopics = false;
    const { signal } = (request = new AbortController());
    heardAt = Date.now();
    expect(HEAD_WITHIN, "the server does not answer");
    read(signal).catch((error: unknown) => {
      if (!signal.aborted) lose(error);
    });
  }

  function restart(): void {
    const { state } = machine.status;
    if (state === "open" || state === "connecting") ask();
  }

  async function read(signal: AbortSignal): Promise<void> {
    const { status } = machine;
    const about: Attempt = status.state === "connecting" ? status : { attempt: 1, reason: "again" };
    const { history, method, body, idle } = options;
    // One topic is a plain stream; several have to be told apart.
    const form = topics.length > 1 || topics.some(isPattern) ? "application/x-ndjson" : "text/event-stream";
    const headers: Record<string, string> = { Accept: form };
    // In the query, where it costs pages of other origins no preflight.
    const query: Record<string, string> = {};
    if (topics.length > 0 && lastId !== "") query["last_event_id"] = lastId;
    else if (lastId !== "") headers["Last-Event-ID"] = headerText(lastId);
    else if (history !== undefined) query["history"] = String(history);
    const response = await asks(topics, query, about, headers, { signal, method, body });
    const stream = await streamOf(response, form);
    if (signal.aborted) return;
    if (!stream) return move({ type: "close" });
    move({ type: "opened" });
    if (signal.aborted) return;
    const announced = Number(response.headers.get("Fanfare-Heartbeat")) * HEARTBEATS;
    patience = typeof idle === "number" ? idle : announced || IDLE_DEFAULT;
    heardAt = Date.now();
    if (idle !== false) expect(patience, "the stream went silent");
    const feed = form === "text/event-stream" ? blocks(signal) : lines((line) => hand(ofEnvelope(JSON.parse(line)), signal));
    const reader = stream.getReader();
    for (let read = await reader.read(); !signal.aborted; read = await reader.read()) {
      if (read.done) throw new HubError("the server ended the stream");
      heardAt = Date.now();
      feed(read.value);
    }
  }

  /** Nothing is handed on once the stream was left. */
  function hand(event: HubEvent, signal: AbortSignal): void {
    if (signal.aborted) return;
    if (event.type !== OPEN_TYPE) sink.event(event);
    pass(event.id);
  }

  /** What takes the bytes of a new stream of one topic. */
  function blocks(signal: AbortSignal): (bytes: Uint8Array) => void {
    const topic = topics[0] ?? "";
    const parser = new SseParser({
      onEvent: (event) => hand(ofBlock(event, topic), signal),
      onRetry: (ms) => move({ type: "advised", ms }),
      onComment: sink.comment,
      onTooLarge: (max) => {
        const data = JSON.stringify({ reason: "too_large", max });
        hand(ofBlock({ type: GAP_TYPE, data, id: parser.lastEventId }, topic), signal);
      },
    });
    parser.lastEventId = lastId;
    return (bytes) => {
      parser.feed(bytes);
      // A block without data moves the position, too.
      if (!signal.aborted) pass(parser.lastEventId);
    };
  }

  function pass(id: string): void {
    if (id === lastId) return;
    lastId = id;
    store?.set(id);
    if (lacksTopics) ask();
  }

  /** The page is hidden, or something woke it: a wait is cut short, and a stream that was silent for long is asked anew. */
  function turn({ type }: Event): void {
    const { hidden } = options;
    const isHidden = document.visibilityState === "hidden";
    clearTimeout(hiddenTimer);
    if (isHidden && typeof hidden === "object") {
      hiddenTimer = setTimeout(() => move({ type: "pause" }), hidden.pauseAfter);
    } else if (!isHidden || type !== "visibilitychange") {
      if (machine.status.state === "open" && Date.now() - heardAt > patience * WAKE_SHARE) lose("the page slept");
      move({ type: "go" });
    }
  }

  function watchPage(change: "addEventListener" | "removeEventListener"): void {
    clearTimeout(hiddenTimer);
    if (typeof document === "undefined") return;
    for (const type of ["visibilitychange", "pageshow", "online"]) globalThis[change](type, turn);
  }

  return {
    get status() {
      return machine.status;
    },
    want(wanted) {
      const isNew = wanted.some((topic) => !topics.includes(topic));
      topics = wanted;
      const { state } = machine.status;
      if (state === "idle") {
        watchPage("addEventListener");
        move({ type: "go" });
      } else if (isNew && state === "open" && lastId === "") {
        // A stream in its place would begin later, and what came between would be lost.
        lacksTopics = true;
      } else if (isNew) {
        restart();
      }
    },
    restart,
    close: () => move({ type: "close" }),
  };
}

/** Where the last id is kept; nowhere, when it is kept in memory alone. */
function storeOf({ href }: URL, resume: ConnectionOptions["resume"]): ResumeStore | undefined {
  if (typeof resume === "object") return resume;
  if (resume !== "session" || typeof sessionStorage === "undefined") return undefined;
  const key = `fanfare ${href}`;
  return { get: () => sessionStorage.getItem(key), set: (id) => sessionStorage.setItem(key, id) };
}

/** Takes lines that end in LF out of chunks, but for empty ones, which are heartbeats. */
function lines(take: (line: string) => void): (bytes: Uint8Array) => void {
  const utf8 = new TextDecoder();
  let cut: string | undefined = "";
  return (bytes) => {
    const whole = utf8.decode(bytes, { stream: true }).split("\n");
    whole[0] = cut + whole[0]!;
    cut = whole.pop();
    whole.filter(Boolean).forEach(take);
  };
}
