// `EventSource` over `fetch`, as WHATWG HTML 9.2 has it, for places without one, for request headers,
// and for servers behind proxies that answer 502 during a deploy.

import { SseParser } from "./parser.js";
import { essenceOf, headerText } from "./request.js";

export interface EventSourceOptions {
  /** Cookies go along to other origins. */
  readonly withCredentials?: boolean;
  /** More header fields. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Tries again after a 5xx or 429, where the standard gives up for good. */
  readonly persistent?: boolean;
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** What engines wait before they ask again, unless the stream says otherwise, in milliseconds. */
const RETRY_DEFAULT = 3_000;
const TIMER_MAX = 2 ** 31 - 1;

type Callback<Type extends Event> = ((this: EventSource, event: Type) => unknown) | null;

export class EventSource extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readonly url: string;
  readonly withCredentials: boolean;
  readonly #options: EventSourceOptions;
  readonly #callbacks = new Map<string, Callback<never>>();
  readonly #parser: SseParser;
  #readyState: 0 | 1 | 2 = 0;
  #retry = RETRY_DEFAULT;
  #origin = "";
  #request = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string | URL, options: EventSourceOptions = {}) {
    super();
    const base = globalThis.document?.baseURI ?? globalThis.location?.href;
    if (!URL.canParse(String(url), base)) throw new DOMException(`${url} is not a URL`, "SyntaxError");
    this.url = new URL(url, base).href;
    this.withCredentials = options.withCredentials ?? false;
    this.#options = options;
    this.#parser = new SseParser({
      onEvent: ({ type, data, id }) => {
        if (this.#readyState === this.CLOSED) return;
        this.dispatchEvent(new MessageEvent(type, { data, lastEventId: id, origin: this.#origin }));
      },
      onRetry: (ms) => (this.#retry = ms),
    });
    void this.#connect();
  }

  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  get onopen(): Callback<Event> {
    return this.#callback("open");
  }
  set onopen(callback: Callback<Event>) {
    this.#setCallback("open", callback);
  }

  get onmessage(): Callback<MessageEvent<string>> {
    return this.#callback("message");
  }
  set onmessage(callback: Callback<MessageEvent<string>>) {
    this.#setCallback("message", callback);
  }

  get onerror(): Callback<Event> {
    return this.#callback("error");
  }
  set onerror(callback: Callback<Event>) {
    this.#setCallback("error", callback);
  }

  close(): void {
    this.#readyState = this.CLOSED;
    clearTimeout(this.#timer);
    this.#request.abort();
  }

  #callback(type: string): never {
    return (this.#callbacks.get(type) ?? null) as never;
  }

  /** One listener stands for the callback, at the place where it was set first. */
  #setCallback(type: string, callback: Callback<never>): void {
    if (!this.#callbacks.has(type)) {
      this.addEventListener(type, (event) => this.#callbacks.get(type)?.call(this, event as never));
    }
    this.#callbacks.set(type, typeof callback === "function" ? callback : null);
  }

  async #connect(): Promise<void> {
    const request = (this.#request = new AbortController());
    this.#parser.reset();
    const id = this.#parser.lastEventId;
    const headers: Record<string, string> = { ...this.#options.headers, Accept: "text/event-stream" };
    if (id !== "") headers["Last-Event-ID"] = headerText(id);
    const credentials = this.withCredentials ? "include" : "same-origin";
    try {
      const send = this.#options.fetch ?? fetch;
      const { signal } = request;
      const response = await send(this.url, { headers, credentials, cache: "no-store", signal });
      if (!this.#accept(response)) return;
      const reader = response.body?.getReader();
      for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
        if (signal.aborted) return;
        this.#parser.feed(read.value);
      }
    } catch {
      // The network failed, or it was closed; both are told below. Where no network is asked,
      // another try is futile.
      if (!this.url.startsWith("http")) return this.#fail();
    }
    this.#reconnect();
  }

  /** Whether the answer is a stream. */
  #accept(response: Response): boolean {
    if (this.#readyState === this.CLOSED) return false;
    const type = essenceOf(response.headers.get("Content-Type") ?? "");
    if (response.status !== 200 || type !== "text/event-stream") {
      this.#request.abort();
      const mayPass = response.status >= 500 || response.status === 429;
      if (this.#options.persistent && mayPass) this.#reconnect();
      else this.#fail();
      return false;
    }
    // That of the last redirect.
    this.#origin = new URL(response.url || this.url).origin;
    this.#readyState = this.OPEN;
    this.dispatchEvent(new Event("open"));
    return true;
  }

  #fail(): void {
    if (this.#readyState === this.CLOSED) return;
    this.#readyState = this.CLOSED;
    this.dispatchEvent(new Event("error"));
  }

  #reconnect(): void {
    if (this.#readyState === this.CLOSED) return;
    this.#readyState = this.CONNECTING;
    this.dispatchEvent(new Event("error"));
    // A listener may have closed it.
    if (this.#readyState !== this.CONNECTING) return;
    this.#timer = setTimeout(() => void this.#connect(), Math.min(this.#retry, TIMER_MAX));
  }
}
