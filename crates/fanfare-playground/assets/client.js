// fanfare-client, written by `npm run playground` in clients/js.
// tidy: allow(file-size): one file out of many, which nobody edits
var __defProp = Object.defineProperty;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __esm = (fn, res) => function __init() {
  return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
};
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};

// dist/error.js
function asHubError(error) {
  if (error instanceof HubError)
    return error;
  const message = error instanceof Error ? error.message : String(error);
  return new HubError(message, { cause: error });
}
var HubError;
var init_error = __esm({
  "dist/error.js"() {
    "use strict";
    HubError = class _HubError extends Error {
      name = "HubError";
      /** The status of the answer; absent when there was none. */
      status;
      /** The stable code of the hub's refusal (PROTOCOL.md 8), such as `topic_ended`. */
      code;
      /** How long the server asks to wait, in milliseconds. */
      retryAfter;
      constructor(message, about = {}) {
        super(message, about.cause === void 0 ? void 0 : { cause: about.cause });
        this.status = about.status;
        this.code = about.code;
        this.retryAfter = about.retryAfter;
      }
      /** Reads what a server says of its refusal: a problem document (RFC 9457), or the status alone. */
      static async of(response) {
        const { status } = response;
        const seconds = Number(response.headers.get("Retry-After") ?? NaN);
        const text = await response.text().catch(() => "");
        let problem = {};
        try {
          problem = Object(JSON.parse(text));
        } catch {
        }
        return new _HubError(typeof problem.detail === "string" ? problem.detail : `the server answered ${status}`, {
          status,
          ...typeof problem.code === "string" && { code: problem.code },
          ...seconds >= 0 && { retryAfter: seconds * 1e3 }
        });
      }
    };
  }
});

// dist/event.js
function ofBlock({ type, data, id }, topic) {
  return { type, data, raw: data, id, topic };
}
function ofEnvelope(envelope) {
  const { id, topic, event, data } = envelope;
  return { type: event, data, raw: data, id, topic };
}
function isAfter(id, other) {
  const [epoch, seq] = split(id);
  const [otherEpoch, otherSeq] = split(other);
  if (epoch !== otherEpoch || Number.isNaN(seq - otherSeq))
    return id !== other;
  return seq > otherSeq;
}
function split(id) {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash + 1), Number(id.slice(dash + 1))];
}
function takesIn(pattern, topic) {
  if (pattern === topic)
    return true;
  const [wanted, given] = [pattern.split("/"), topic.split("/")];
  const isOpen = wanted.at(-1) === "**";
  if (isOpen ? given.length < wanted.length : given.length !== wanted.length)
    return false;
  return wanted.every((segment, at) => segment === "*" || isOpen && at === wanted.length - 1 || segment === given[at]);
}
function isPattern(topic) {
  return topic.split("/").some((segment) => segment === "*" || segment === "**");
}
var OPEN_TYPE, GAP_TYPE, LAPSE_TYPE;
var init_event = __esm({
  "dist/event.js"() {
    "use strict";
    OPEN_TYPE = "fanfare.open";
    GAP_TYPE = "fanfare.gap";
    LAPSE_TYPE = "fanfare.lapse";
  }
});

// dist/tabs.js
var tabs_exports = {};
__export(tabs_exports, {
  Tabs: () => Tabs
});
var GATHER, SUSPECT, ANSWER_WITHIN, Tabs;
var init_tabs = __esm({
  "dist/tabs.js"() {
    "use strict";
    init_error();
    init_event();
    GATHER = 100;
    SUSPECT = 2e4;
    ANSWER_WITHIN = 3e3;
    Tabs = class {
      #sink;
      #connect;
      #name;
      #tab = crypto.randomUUID();
      #channel;
      #over = new AbortController();
      /** What the other tabs want; only of use to a leader. */
      #others = /* @__PURE__ */ new Map();
      #topics = [];
      #status = { state: "idle" };
      /** The position: everything up to here was handed on in this tab. */
      #at = "";
      #connection;
      #resign;
      /** Until a new leader has heard where the others stand. */
      #gathering;
      /** Until a silent leader is asked, and then until it has to have answered. */
      #suspicion;
      constructor(name, connect2, sink) {
        this.#name = `fanfare ${name}`;
        this.#connect = connect2;
        this.#sink = sink;
        this.#channel = new BroadcastChannel(this.#name);
        this.#channel.onmessage = ({ data }) => this.#hear(data);
        globalThis.addEventListener("pagehide", this.#leave);
        globalThis.addEventListener("pageshow", this.#announce);
      }
      get status() {
        return this.#status;
      }
      want(topics) {
        const isFirst = this.#status.state === "idle";
        this.#topics = topics;
        if (isFirst) {
          this.#tell({ state: "connecting", attempt: 1, reason: "first" });
          this.#stand({ signal: this.#over.signal });
          this.#suspect();
        }
        this.#announce();
        this.#connection?.want(this.#union());
      }
      close() {
        this.#over.abort();
        this.#leave();
        this.#retire();
        clearTimeout(this.#suspicion);
        this.#channel.close();
        globalThis.removeEventListener("pagehide", this.#leave);
        globalThis.removeEventListener("pageshow", this.#announce);
      }
      #leave = () => this.#post({ type: "bye", tab: this.#tab });
      #announce = () => {
        this.#post({ type: "want", tab: this.#tab, topics: this.#topics, at: this.#at });
      };
      #post(message) {
        this.#channel.postMessage(message);
      }
      /**
       * Stands for the lead, and has it for as long as the lock is held. Each tab stands once at all
       * times; who takes the lead from another one does so besides.
       */
      #stand(how) {
        const lead = () => new Promise((resolve) => {
          this.#resign = resolve;
          this.#lead();
        });
        const ended = () => {
          this.#retire();
          if (!how.steal && !this.#over.signal.aborted)
            this.#stand({ signal: this.#over.signal });
        };
        navigator.locks.request(this.#name, how, lead).then(ended, ended);
      }
      #lead() {
        clearTimeout(this.#suspicion);
        this.#others.clear();
        this.#post({ type: "lead" });
        this.#gathering = setTimeout(() => {
          let from = this.#at;
          for (const { at } of this.#others.values()) {
            if (at !== "" && (from === "" || isAfter(from, at)))
              from = at;
          }
          const relay = {
            event: (event) => {
              this.#take(event);
              this.#post({ type: "event", event });
            },
            status: (status) => {
              if (!this.#connection)
                return;
              this.#tell(status);
              this.#report();
            }
          };
          this.#connection = this.#connect(relay, {
            get: () => from,
            set: (id) => {
              if (id === this.#at)
                return;
              this.#at = id;
              this.#report();
            }
          });
          this.#connection.want(this.#union());
        }, GATHER);
      }
      /** Leads no longer, but watches whoever does. */
      #retire() {
        this.#suspect();
        clearTimeout(this.#gathering);
        const connection = this.#connection;
        this.#connection = void 0;
        connection?.close();
        this.#resign?.();
        this.#resign = void 0;
      }
      #union() {
        const others = [...this.#others.values()].flatMap(({ topics }) => topics);
        return [.../* @__PURE__ */ new Set([...this.#topics, ...others])].sort();
      }
      #report() {
        if (!this.#connection)
          return;
        const { status } = this.#connection;
        const complaint = "error" in status ? status.error?.message : void 0;
        const bare = "error" in status ? { ...status, error: void 0 } : status;
        this.#post({ type: "status", status: bare, complaint, at: this.#at });
      }
      #hear(message) {
        if (message.type === "want") {
          this.#others.set(message.tab, message);
          this.#connection?.want(this.#union());
          this.#report();
        } else if (message.type === "bye") {
          this.#others.delete(message.tab);
        } else if (message.type === "lead") {
          this.#retire();
          this.#announce();
        } else if (message.type === "ping") {
          this.#report();
        } else if (!this.#resign) {
          if (message.type === "event")
            this.#take(message.event);
          else
            this.#follow(message);
          this.#suspect();
        }
      }
      #follow({ status, complaint, at }) {
        if (this.#at === "")
          this.#at = at;
        this.#tell(complaint === void 0 ? status : { ...status, error: new HubError(complaint) });
      }
      /** Hands an event on, unless it was handed on before the lead changed. */
      #take(event) {
        if (event.id !== "" && this.#at !== "" && !isAfter(event.id, this.#at))
          return;
        if (event.id !== "")
          this.#at = event.id;
        this.#sink.event(event);
      }
      #tell(status) {
        if (status.state === this.#status.state && status.state === "open")
          return;
        this.#status = status;
        this.#sink.status(status);
      }
      /** Takes the lead from a tab that is silent and does not answer. */
      #suspect() {
        clearTimeout(this.#suspicion);
        this.#suspicion = setTimeout(() => {
          this.#post({ type: "ping" });
          this.#suspicion = setTimeout(() => this.#stand({ steal: true }), ANSWER_WITHIN);
        }, SUSPECT);
      }
    };
  }
});

// dist/connection.js
init_error();
init_event();

// dist/machine.js
var RETRY = {
  min: 500,
  max: 3e4,
  giveUp: ({ status }) => status !== void 0 && status < 500 && ![408, 425, 429].includes(status)
};
var HEALTHY_AFTER = 1e4;
var ADVICE_MAX = 36e5;
var IDLE = { status: { state: "idle" }, failures: 0, advised: 0, wasRefused: false, attempts: 0 };
function step(machine, input, now, policy = RETRY) {
  const { status } = machine;
  if (status.state === "closed")
    return machine;
  switch (input.type) {
    case "start":
      return status.state === "idle" || status.state === "paused" ? connecting(machine, "first") : machine;
    case "opened":
      return status.state === "connecting" ? enter(machine, { state: "open", since: now }) : machine;
    case "due":
    case "wake":
      return status.state === "waiting" ? connecting(machine, "again") : machine;
    case "lost":
      return status.state === "connecting" || status.state === "open" ? lost(machine, input, now, policy) : machine;
    case "advised":
      return { ...machine, advised: Math.min(input.ms, ADVICE_MAX) };
    case "pause":
      return status.state === "idle" ? machine : enter(machine, { state: "paused" });
    case "close":
      return enter(machine, input.error ? { state: "closed", error: input.error } : { state: "closed" });
  }
}
function enter(machine, status) {
  return { ...machine, status };
}
function connecting(machine, reason) {
  const attempt = machine.attempts + 1;
  return { ...machine, attempts: attempt, status: { state: "connecting", attempt, reason } };
}
function lost(machine, input, now, policy) {
  const { status } = machine;
  const { error, dice } = input;
  const wasOpen = status.state === "open";
  const isHealthy = wasOpen && now - status.since >= HEALTHY_AFTER;
  const wasRefused = !wasOpen && machine.wasRefused;
  const failures = isHealthy ? 0 : machine.failures;
  const before = { ...machine, wasRefused, attempts: isHealthy ? 0 : machine.attempts };
  if ((error.status === 401 || error.status === 403) && !wasRefused) {
    return connecting({ ...before, wasRefused: true }, "refused");
  }
  if (policy.giveUp(error))
    return enter(before, { state: "closed", error });
  const span = Math.min(policy.max, policy.min * 2 ** failures);
  const floor = Math.min(ADVICE_MAX, Math.max(machine.advised, error.retryAfter ?? 0));
  const nextAttemptAt = now + floor + span * dice;
  return { ...before, failures: failures + 1, status: { state: "waiting", nextAttemptAt, error } };
}

// dist/page.js
init_error();
init_event();

// dist/request.js
init_error();
async function send(url, options, about, init) {
  const token = await options.auth?.(about);
  const headers = { ...options.headers, ...init.headers };
  if (token !== void 0)
    headers["Authorization"] = `Bearer ${token}`;
  const request = { cache: "no-store", ...init, headers };
  if (options.credentials !== void 0)
    request.credentials = options.credentials;
  return (options.fetch ?? fetch)(url, request);
}
async function streamOf(response, form) {
  if (response.status === 204)
    return void 0;
  if (response.status !== 200)
    throw await HubError.of(response);
  const type = response.headers.get("Content-Type") ?? "";
  if (type.split(";")[0]?.trim().toLowerCase() === form && response.body)
    return response.body;
  await response.body?.cancel();
  throw new HubError(`the answer is ${type === "" ? "of no type" : type}, not ${form}: check the URL`, { status: 406 });
}
function headerText(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

// dist/page.js
var LIMIT = 1e3;
async function page(hub, topics, options, from) {
  const url = placeOf(hub, ...topics);
  url.searchParams.set("limit", String(LIMIT));
  if ("after" in from)
    url.searchParams.set("last_event_id", from.after);
  else
    url.searchParams.set("history", String(from.history));
  const response = await send(url, options, { attempt: 1, reason: "first" }, { headers: { Accept: "application/json" } });
  if (!response.ok)
    throw await HubError.of(response);
  const envelopes = await response.json();
  return { list: envelopes.map(ofEnvelope), isMore: envelopes.length > 0 && /rel="?next/.test(response.headers.get("Link") ?? "") };
}
function placeOf(hub, first = "", ...more) {
  const url = new URL(hub);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${first.split("/").map(encodeURIComponent).join("/")}`;
  for (const topic of more)
    url.searchParams.append("topic", topic);
  return url;
}

// dist/parser.js
var MAX_EVENT_SIZE = 16 * 1024 * 1024;
var NAME_SIZE_MAX = "event: ".length;
var SseParser = class {
  /** The id that a blank line committed last: what a client sends as `Last-Event-ID`. */
  lastEventId = "";
  #on;
  #max;
  /** Strips one byte order mark, replaces bad bytes, and keeps characters that a chunk cut. */
  #utf8 = new TextDecoder();
  /** The start of the line that the last chunk cut. */
  #cut = "";
  /** What is still to come of that line is dropped. */
  #dropsCut = false;
  /** The last chunk ended in CR: a LF at the start of the next belongs to it. */
  #skipsLf = false;
  #type = "";
  #data;
  #id;
  #size = 0;
  constructor(sink, maxEventSize = MAX_EVENT_SIZE) {
    this.#on = sink;
    this.#max = maxEventSize;
  }
  /** Makes ready for a new stream: forgets all but the last event id. */
  reset() {
    this.#utf8 = new TextDecoder();
    this.#cut = "";
    this.#dropsCut = this.#skipsLf = false;
    this.#clear();
  }
  /** Takes the next bytes and calls the sink for what they complete. */
  feed(bytes) {
    const text = this.#utf8.decode(bytes, { stream: true });
    if (text === "")
      return;
    let at = this.#skipsLf && text.startsWith("\n") ? 1 : 0;
    this.#skipsLf = false;
    let lf = text.indexOf("\n", at);
    let cr = text.indexOf("\r", at);
    for (; ; ) {
      const isCr = cr !== -1 && (lf === -1 || cr < lf);
      const end = isCr ? cr : lf;
      if (end === -1)
        break;
      if (this.#cut !== "" || this.#dropsCut)
        this.#endCut(text.slice(at, end));
      else if (end === at)
        this.#dispatch();
      else if (text.startsWith("data: ", at))
        this.#addData(text.slice(at + 6, end));
      else if (text.charCodeAt(at) !== 58 || this.#on.onComment)
        this.#line(text.slice(at, end));
      at = end + 1;
      if (isCr) {
        if (at === text.length)
          this.#skipsLf = true;
        else if (lf === at)
          at += 1;
        cr = text.indexOf("\r", at);
      }
      if (lf !== -1 && lf < at)
        lf = text.indexOf("\n", at);
    }
    this.#keep(text.slice(at));
  }
  #endCut(rest) {
    const line = this.#cut + rest;
    const isDropped = this.#dropsCut;
    this.#cut = "";
    this.#dropsCut = false;
    if (!isDropped)
      this.#line(line);
  }
  /** Keeps the start of a line, unless it cannot become anything. */
  #keep(rest) {
    if (this.#dropsCut)
      return;
    this.#cut += rest;
    if (this.#cut.length <= this.#max + NAME_SIZE_MAX)
      return;
    if (/^(data|event|id):/.test(this.#cut))
      this.#fits(Infinity);
    this.#cut = "";
    this.#dropsCut = true;
  }
  #line(line) {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const begin = line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1;
    const value = colon === -1 ? "" : line.slice(begin);
    const isTooLong = value.length > this.#max;
    if (name === "data") {
      this.#addData(value);
    } else if (name === "event") {
      if (this.#fits(value.length))
        this.#type = value;
    } else if (name === "id") {
      if (isTooLong)
        this.#fits(Infinity);
      else if (!value.includes("\0"))
        this.#id = value;
    } else if (name === "retry") {
      if (/^[0-9]+$/.test(value))
        this.#on.onRetry?.(Math.min(Number(value), Number.MAX_SAFE_INTEGER));
    } else if (name === "" && !isTooLong) {
      this.#on.onComment?.(value);
    }
  }
  #addData(value) {
    const isFirst = this.#data === void 0;
    if (!this.#fits(value.length + (isFirst ? 0 : 1)))
      return;
    this.#data = isFirst ? value : `${this.#data}
${value}`;
  }
  /** Counts data or event type against the limit, and says whether the block still fits. */
  #fits(size) {
    const didFit = this.#size <= this.#max;
    this.#size += size;
    if (this.#size <= this.#max)
      return true;
    this.#data = void 0;
    if (didFit)
      this.#on.onTooLarge?.(this.#max);
    return false;
  }
  #dispatch() {
    const [type, data] = [this.#type || "message", this.#data];
    if (this.#id !== void 0)
      this.lastEventId = this.#id;
    if (this.#size > 0 || data !== void 0 || this.#id !== void 0)
      this.#clear();
    if (data !== void 0)
      this.#on.onEvent({ type, data, id: this.lastEventId });
  }
  #clear() {
    this.#type = "";
    this.#data = this.#id = void 0;
    this.#size = 0;
  }
};

// dist/connection.js
var IDLE_DEFAULT = 45e3;
var HEARTBEATS = 2.5;
var WAKE_SHARE = 0.5;
var HEAD_WITHIN = 3e4;
var TIMER_MAX = 2 ** 31 - 1;
var Connection = class {
  /** The position: everything of the topics up to here was handed on. */
  lastId;
  #url;
  #options;
  #sink;
  #policy;
  #topics = [];
  /** The stream lacks topics, and is asked for anew once it has said where it is. */
  #lacksTopics = false;
  #machine = IDLE;
  #timer;
  #request;
  /** When something came last, a heartbeat included. */
  #heardAt = 0;
  #idleMs = IDLE_DEFAULT;
  #hiddenTimer;
  /** `url` is a hub's, when topics are asked for, or else that of one stream. */
  constructor(url, options, sink) {
    this.#url = url;
    this.#options = options;
    this.#sink = sink;
    this.#policy = { ...RETRY, ...options.retry };
    this.lastId = this.#store?.get() ?? "";
  }
  get status() {
    return this.#machine.status;
  }
  /** Opens the stream, or opens it anew when it does not have these topics. */
  want(topics) {
    const isNew = topics.some((topic) => !this.#topics.includes(topic));
    this.#topics = topics;
    const { state } = this.#machine.status;
    if (state === "idle") {
      this.#watchPage(true);
      this.#step({ type: "start" });
    } else if (isNew && state === "open" && this.lastId === "") {
      this.#lacksTopics = true;
    } else if (isNew && (state === "connecting" || state === "open")) {
      this.#connect();
    }
  }
  /** Leaves the stream and asks for it anew. */
  restart() {
    const { state } = this.#machine.status;
    if (state === "open" || state === "connecting")
      this.#connect();
  }
  /** Ends it for good. */
  close(error) {
    this.#step(error ? { type: "close", error } : { type: "close" });
  }
  /** Something woke the page: a wait is cut short, and a stream that was silent for long is asked anew. */
  wake = () => {
    clearTimeout(this.#hiddenTimer);
    const { status } = this.#machine;
    if (status.state === "paused")
      this.#step({ type: "start" });
    else if (status.state === "open" && this.#silence() > this.#idleMs * WAKE_SHARE)
      this.#lose("the page slept");
    this.#step({ type: "wake" });
  };
  #seen = () => {
    if (document.visibilityState === "visible")
      return this.wake();
    const { hidden } = this.#options;
    if (typeof hidden !== "object")
      return;
    this.#hiddenTimer = setTimeout(() => this.#step({ type: "pause" }), hidden.pauseAfter);
  };
  get #store() {
    const { resume } = this.#options;
    if (typeof resume === "object")
      return resume;
    if (resume !== "session" || typeof sessionStorage === "undefined")
      return void 0;
    const key = `fanfare ${this.#url.href}`;
    return { get: () => sessionStorage.getItem(key), set: (id) => sessionStorage.setItem(key, id) };
  }
  #watchPage(isWatched) {
    if (typeof document === "undefined")
      return;
    const change = isWatched ? "addEventListener" : "removeEventListener";
    document[change]("visibilitychange", this.#seen);
    globalThis[change]("pageshow", this.wake);
    globalThis[change]("online", this.wake);
  }
  /** Moves the machine, and does what its new state asks for. */
  #step(input) {
    const before = this.#machine;
    this.#machine = step(before, input, Date.now(), this.#policy);
    const { status } = this.#machine;
    if (status === before.status)
      return;
    clearTimeout(this.#timer);
    if (status.state === "connecting")
      this.#connect();
    else if (status.state !== "open")
      this.#request?.abort();
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
  #lose(error) {
    this.#step({ type: "lost", error: asHubError(error), dice: Math.random() });
  }
  #silence() {
    return Date.now() - this.#heardAt;
  }
  /** Asks, in place of whatever was asked before. */
  #connect() {
    this.#request?.abort();
    this.#lacksTopics = false;
    const request = this.#request = new AbortController();
    const isCurrent = () => this.#request === request && !request.signal.aborted;
    this.#heardAt = Date.now();
    this.#watch(HEAD_WITHIN, "the server does not answer");
    this.#read(request.signal, isCurrent).catch((error) => {
      if (isCurrent())
        this.#lose(error);
      request.abort();
    });
  }
  /** Loses the stream after so much silence; what is heard puts that off without setting a timer. */
  #watch(patience, complaint) {
    clearTimeout(this.#timer);
    const look = () => {
      const left = patience - this.#silence();
      if (left > 0)
        this.#timer = setTimeout(look, Math.min(left, TIMER_MAX));
      else
        this.#lose(new HubError(complaint));
    };
    look();
  }
  async #read(signal, isCurrent) {
    const { status } = this.#machine;
    const about = status.state === "connecting" ? status : { attempt: 1, reason: "again" };
    const form = this.#form();
    const { method, body: asked } = this.#options;
    const response = await send(this.#place(), this.#options, about, {
      headers: this.#head(form),
      signal,
      ...method !== void 0 && { method },
      ...asked !== void 0 && { body: asked }
    });
    const body = await streamOf(response, form);
    if (!isCurrent())
      return;
    if (!body)
      return this.close();
    this.#step({ type: "opened" });
    clearTimeout(this.#timer);
    this.#heardAt = Date.now();
    const { idle } = this.#options;
    const announced = Number(response.headers.get("Fanfare-Heartbeat")) * HEARTBEATS;
    this.#idleMs = typeof idle === "number" ? idle : announced || IDLE_DEFAULT;
    if (idle !== false)
      this.#watch(this.#idleMs, "the stream went silent");
    const feed = this.#reader(form, isCurrent);
    const reader = body.getReader();
    for (let read = await reader.read(); isCurrent(); read = await reader.read()) {
      if (read.done)
        throw new HubError("the server ended the stream");
      this.#heardAt = Date.now();
      feed(read.value);
    }
  }
  /** One topic is a plain stream; several have to be told apart. */
  #form() {
    const [first = "", ...more] = this.#topics;
    return more.length > 0 || isPattern(first) ? "application/x-ndjson" : "text/event-stream";
  }
  #place() {
    const isOfHub = this.#topics.length > 0;
    const url = isOfHub ? placeOf(this.#url, ...this.#topics) : new URL(this.#url);
    const { history } = this.#options;
    if (isOfHub && this.lastId !== "")
      url.searchParams.set("last_event_id", this.lastId);
    else if (this.lastId === "" && history !== void 0)
      url.searchParams.set("history", String(history));
    return url;
  }
  #head(form) {
    const isOfHub = this.#topics.length > 0;
    if (isOfHub || this.lastId === "")
      return { Accept: form };
    return { Accept: form, "Last-Event-ID": headerText(this.lastId) };
  }
  /** What takes the bytes of a new stream. Nothing is handed on once the stream was left. */
  #reader(form, isCurrent) {
    const hand = (event) => {
      if (!isCurrent())
        return;
      if (event.type !== OPEN_TYPE)
        this.#sink.event(event);
      this.#pass(event.id);
    };
    if (form === "application/x-ndjson")
      return lines((line) => hand(ofEnvelope(JSON.parse(line))));
    const topic = this.#topics[0] ?? "";
    const parser = new SseParser({
      onEvent: (event) => hand(ofBlock(event, topic)),
      onRetry: (ms) => this.#step({ type: "advised", ms }),
      onComment: (text) => this.#sink.comment?.(text),
      onTooLarge: (size) => hand({ type: GAP_TYPE, ...tooLarge(size), id: parser.lastEventId, topic })
    });
    parser.lastEventId = this.lastId;
    return (bytes) => {
      parser.feed(bytes);
      if (isCurrent())
        this.#pass(parser.lastEventId);
    };
  }
  #pass(id) {
    if (id === this.lastId)
      return;
    this.lastId = id;
    this.#store?.set(id);
    if (this.#lacksTopics)
      this.#connect();
  }
};
function tooLarge(size) {
  const raw = JSON.stringify({ reason: "too_large", max: size });
  return { data: raw, raw };
}
function lines(take) {
  const utf8 = new TextDecoder();
  let cut = "";
  return (bytes) => {
    const [rest = "", ...whole] = utf8.decode(bytes, { stream: true }).split("\n").reverse();
    for (const line of whole.reverse()) {
      const text = cut + line;
      cut = "";
      if (text !== "")
        take(text);
    }
    cut += rest;
  };
}

// dist/channel.js
init_event();
var LINGER = 200;
var Channel = class {
  #url;
  #options;
  #subscribers = /* @__PURE__ */ new Set();
  #watchers = /* @__PURE__ */ new Set();
  #link;
  #linger;
  #due = false;
  #status = { state: "idle" };
  constructor(url, options) {
    this.#url = url;
    this.#options = options;
  }
  get status() {
    return this.#status;
  }
  /** Calls a listener when the status changes, whoever listens to events. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
  /** Adds a listener; the returned function takes it away again. */
  add(subscriber) {
    if (this.#status.state === "closed")
      this.close();
    this.#subscribers.add(subscriber);
    clearTimeout(this.#linger);
    this.#arrange();
    return () => {
      if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0)
        return;
      this.#linger = setTimeout(() => this.close(), LINGER);
    };
  }
  close() {
    clearTimeout(this.#linger);
    const link = this.#link;
    this.#link = void 0;
    void link?.source.then((source) => source.close());
    this.#tell({ state: "idle" });
  }
  /** Asks for what everybody wants, once for all who come at the same moment. */
  #arrange() {
    if (this.#due)
      return;
    this.#due = true;
    queueMicrotask(async () => {
      this.#due = false;
      if (this.#subscribers.size === 0)
        return;
      const link = this.#link ??= this.#open();
      const source = await link.source;
      if (this.#link !== link)
        return;
      source.want([...new Set([...this.#subscribers].flatMap(({ topics }) => topics))].sort());
    });
  }
  #open() {
    const isMine = () => this.#link === link;
    const link = {
      source: this.#reach({
        event: (event) => isMine() && this.#event(event),
        status: (status) => isMine() && this.#tell(status)
      })
    };
    return link;
  }
  async #reach(sink) {
    if (this.#options.share === "tabs" && globalThis.navigator?.locks && globalThis.BroadcastChannel) {
      const { Tabs: Tabs2 } = await Promise.resolve().then(() => (init_tabs(), tabs_exports));
      const connect2 = (to, resume) => new Connection(this.#url, { ...this.#options, resume }, to);
      return new Tabs2(this.#url.href, connect2, sink);
    }
    return new Connection(this.#url, this.#options, sink);
  }
  #event(event) {
    for (const subscriber of [...this.#subscribers]) {
      const { topics } = subscriber;
      const isFor = event.topic === "" || topics.length === 0 || topics.some((topic) => takesIn(topic, event.topic));
      if (isFor)
        subscriber.event(event);
    }
  }
  #tell(status) {
    if (status === this.#status)
      return;
    this.#status = status;
    for (const subscriber of [...this.#subscribers])
      subscriber.status(status);
    for (const watcher of [...this.#watchers])
      watcher(status);
  }
};
var channels = /* @__PURE__ */ new Map();
function channelOf(url, options) {
  if (options.share === false)
    return new Channel(url, options);
  const known = (channels.get(url.href) ?? []).filter(({ channel: channel2 }) => channel2.deref());
  channels.set(url.href, known);
  const isSame = (other) => [.../* @__PURE__ */ new Set([...Object.keys(other), ...Object.keys(options)])].every((key) => Object.is(other[key], options[key]));
  const found = known.find((entry) => isSame(entry.options))?.channel.deref();
  if (found)
    return found;
  const channel = new Channel(url, options);
  known.push({ options, channel: new WeakRef(channel) });
  return channel;
}

// dist/hub.js
init_error();
init_event();

// dist/publish.js
init_error();
var TRIES = 5;
async function publish(hub, topic, data, options, { type, key, tries = TRIES, signal } = {}) {
  const url = placeOf(hub, topic);
  if (type !== void 0)
    url.searchParams.set("event", type);
  const isText = typeof data === "string";
  const headers = {
    // A text/event-stream or NDJSON would be several events; neither of these is.
    "Content-Type": isText ? "text/plain" : "application/json",
    "Idempotency-Key": key ?? crypto.randomUUID()
  };
  const body = isText ? data : JSON.stringify(data);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const init = { method: "POST", headers, body, ...signal && { signal } };
      const response = await send(url, options, { attempt, reason: "publish" }, init);
      if (response.ok)
        return await response.json();
      throw await HubError.of(response);
    } catch (cause) {
      const error = asHubError(cause);
      if (attempt >= tries || signal?.aborted || RETRY.giveUp(error))
        throw error;
      const span = Math.min(RETRY.max, RETRY.min * 2 ** (attempt - 1));
      await new Promise((resolve) => setTimeout(resolve, (error.retryAfter ?? 0) + span * Math.random()));
    }
  }
}

// dist/queue.js
init_error();
var QUEUE_MAX = 4096;
var Queue = class {
  #items = [];
  #waiting;
  #end;
  #leave;
  /** `leave` is called once, when the loop ends or nothing comes any more. */
  constructor(leave) {
    this.#leave = leave;
  }
  push(item) {
    if (this.#end)
      return;
    if (this.#waiting) {
      this.#waiting.resolve({ done: false, value: item });
      this.#waiting = void 0;
    } else if (this.#items.push(item) > QUEUE_MAX) {
      this.end(new HubError(`the loop lies ${QUEUE_MAX} events behind: take them faster, or with a callback`));
    }
  }
  end(error) {
    if (this.#end)
      return;
    this.#end = error === void 0 ? {} : { error };
    this.#leave();
    if (this.#waiting && error !== void 0)
      this.#waiting.reject(error);
    else
      this.#waiting?.resolve({ done: true, value: void 0 });
    this.#waiting = void 0;
  }
  next() {
    if (this.#items.length > 0)
      return Promise.resolve({ done: false, value: this.#items.shift() });
    if (this.#end?.error !== void 0)
      return Promise.reject(this.#end.error);
    if (this.#end)
      return Promise.resolve({ done: true, value: void 0 });
    return new Promise((resolve, reject) => this.#waiting = { resolve, reject });
  }
  return() {
    this.end();
    this.#items = [];
    return Promise.resolve({ done: true, value: void 0 });
  }
  [Symbol.asyncIterator]() {
    return this;
  }
};

// dist/hub.js
var AGAIN = 3e3;
var Subscription = class {
  topics;
  hub;
  #history;
  #listeners = /* @__PURE__ */ new Set();
  #resets = /* @__PURE__ */ new Set();
  #remove;
  /** Events that came while history is fetched; `undefined` when they are handed on at once. */
  #held;
  /** For whom pages are being fetched: nobody asks twice. */
  #fetching;
  /** What history told last: nothing up to here is told again. */
  #toldTo = "";
  constructor(hub, topics, options = {}) {
    this.hub = hub;
    this.topics = topics;
    this.#history = options.history;
  }
  /** Where the connection stands. */
  get status() {
    return this.hub.channel.status;
  }
  on(first, listener) {
    const type = typeof first === "string" ? first : void 0;
    const call = typeof first === "function" ? first : listener;
    if (call)
      return this.#listen({ type, call, end() {
      } });
    const queue = new Queue(() => leave());
    const leave = this.#listen({ type, call: (event) => queue.push(event), end: (error) => queue.end(error) });
    return queue;
  }
  [Symbol.asyncIterator]() {
    return this.on();
  }
  /** Calls a listener when events are missing and what was made of them has to be begun anew. */
  onReset(listener) {
    return keep(this.#resets, listener);
  }
  /** Calls a listener when the connection's status changes. */
  onStatus(listener) {
    return this.hub.channel.watch(listener);
  }
  /** Publishes to the topic; resolves once the hub has stored it. */
  publish(data, options) {
    const [topic] = this.topics;
    if (topic === void 0)
      throw new HubError("say where: hub.topic(name).publish(data)");
    return publish(this.hub.url, topic, data, this.hub.options, options);
  }
  /** Ends all listeners. */
  close(error) {
    for (const listener of [...this.#listeners])
      listener.end(error);
    this.#listeners.clear();
    this.#leave();
  }
  #leave() {
    this.hub.views.delete(this);
    this.#remove?.();
    this.#remove = this.#held = void 0;
  }
  #listen(listener) {
    this.#listeners.add(listener);
    if (!this.#remove)
      this.#join();
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0)
        this.#leave();
    };
  }
  #join() {
    const isShared = this.hub.options.share === "tabs" || this.hub.channel.status.state !== "idle";
    const isLate = this.topics.length > 0 && isShared;
    this.#toldTo = "";
    if (this.#history !== void 0 || isLate)
      this.#held = [];
    const subscriber = {
      topics: this.topics,
      event: (event) => this.#take(event),
      status: (status) => this.#changed(status)
    };
    this.hub.views.add(this);
    this.#remove = this.hub.channel.add(subscriber);
    if (this.status.state === "open")
      this.#fetch();
  }
  #changed(status) {
    if (status.state === "open")
      this.#fetch();
    if (status.state === "closed")
      this.close(status.error);
  }
  /** Tells what is there, and then what came meanwhile. */
  #fetch() {
    const held = this.#held;
    if (!held || this.#fetching === held)
      return;
    this.#fetching = held;
    const handOn = () => {
      if (this.#held !== held)
        return;
      this.#held = void 0;
      for (const event of held)
        this.#take(event);
    };
    this.#pages().then(handOn, (cause) => {
      if (this.#held !== held)
        return;
      const error = asHubError(cause);
      this.hub.report(error);
      this.#fetching = void 0;
      if (this.#history === void 0)
        handOn();
      else if (RETRY.giveUp(error))
        this.close(error);
      else
        setTimeout(() => this.#held === held && this.#fetch(), (error.retryAfter ?? 0) + AGAIN * Math.random());
    });
  }
  async #pages() {
    const held = this.#held;
    for (let isMore = true; isMore; ) {
      const after = this.#toldTo;
      const from = after === "" ? { history: this.#history ?? 1 } : { after };
      const events = await page(this.hub.url, this.topics, this.hub.options, from);
      if (this.#held !== held)
        return;
      isMore = events.isMore;
      for (const event of events.list) {
        if (event.type === GAP_TYPE)
          return this.#reset(event);
        this.#toldTo = event.id;
        if (this.#history !== void 0)
          this.#tell(event);
      }
    }
  }
  #take(event) {
    if (event.type === LAPSE_TYPE)
      return;
    if (event.type === GAP_TYPE)
      return this.#reset(event);
    if (this.#held)
      this.#held.push(event);
    else if (this.#toldTo === "" || event.id === "" || isAfter(event.id, this.#toldTo))
      this.#tell(event);
  }
  #reset(event) {
    this.#toldTo = "";
    for (const listener of this.#resets)
      this.#call(listener, { reason: reasonOf(event), id: event.id });
    if (this.#history === void 0)
      return;
    this.#held = [];
    this.#fetch();
  }
  #tell(event) {
    const typed = this.hub.typed(event);
    if (!typed)
      return;
    for (const { type, call } of [...this.#listeners]) {
      if (type === void 0 || type === event.type)
        this.#call(call, typed);
    }
  }
  /** A listener that throws harms no other one, and not the stream that all of them share. */
  #call(listener, event) {
    try {
      listener(event);
    } catch (cause) {
      this.hub.report(new HubError(`a listener threw: ${asHubError(cause).message}`, { cause }));
    }
  }
};
var Hub = class extends Subscription {
  #errors = /* @__PURE__ */ new Set();
  constructor(url, options) {
    const { topics = [], events = {}, signal, history, ...channel } = options;
    const first = topics.length === 0 && history !== void 0 ? { history } : {};
    const shared = {
      url,
      options,
      channel: channelOf(url, { ...channel, ...first }),
      views: /* @__PURE__ */ new Set(),
      typed: (event) => this.#typed(event, events),
      report: (error) => this.#report(error)
    };
    super(shared, topics, history === void 0 || topics.length === 0 ? {} : { history });
    signal?.addEventListener("abort", () => this.close(), { once: true });
  }
  /** Ends all listeners, those of its topics, too. */
  close(error) {
    for (const view of [...this.hub.views])
      if (view !== this)
        view.close(error);
    super.close(error);
  }
  /** A view of one topic or pattern, over the same connection. */
  topic(name, options) {
    return new Subscription(this.hub, [name], options);
  }
  /** Calls a listener for what is no reason to end: data that its schema refuses, history that could not be fetched. */
  onError(listener) {
    return keep(this.#errors, listener);
  }
  #typed(event, events) {
    const schema = Object.hasOwn(events, event.type) ? events[event.type] : void 0;
    if (!schema)
      return event;
    try {
      const result = schema["~standard"].validate(JSON.parse(event.raw));
      if ("value" in result)
        return { ...event, data: result.value };
      const issues = "issues" in result ? result.issues.map(({ message }) => message) : ["its schema is asynchronous"];
      throw new HubError(issues.join("; "));
    } catch (error) {
      this.#report(new HubError(`${event.type} ${event.id}: ${asHubError(error).message}`, { cause: error }));
      return void 0;
    }
  }
  #report(error) {
    if (this.#errors.size === 0)
      console.error(error);
    for (const listener of this.#errors)
      listener(error);
  }
};
function connect(url, options = {}) {
  return new Hub(new URL(url, globalThis.location?.href), options);
}
function reasonOf(gap) {
  try {
    return String(JSON.parse(gap.raw).reason);
  } catch {
    return "unknown";
  }
}
function keep(set, item) {
  set.add(item);
  return () => void set.delete(item);
}
export {
  connect
};
