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

// dist/tabs.js
var tabs_exports = {};
__export(tabs_exports, {
  tabs: () => tabs
});
function tabs(name, connect2, sink, core) {
  const canShare = globalThis.navigator?.locks && globalThis.BroadcastChannel;
  return canShare ? new Tabs(name, connect2, sink, core) : connect2(sink);
}
var GATHER, SUSPECT, ANSWER_WITHIN, Tabs;
var init_tabs = __esm({
  "dist/tabs.js"() {
    "use strict";
    GATHER = 100;
    SUSPECT = 2e4;
    ANSWER_WITHIN = 3e3;
    Tabs = class {
      #sink;
      #connect;
      #core;
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
      constructor(name, connect2, sink, core) {
        this.#core = core;
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
            if (at !== "" && (from === "" || this.#core.isAfter(from, at)))
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
          const set = (id) => {
            if (!this.#isNew(id))
              return;
            this.#at = id;
            this.#report();
          };
          this.#connection = this.#connect(relay, { resume: { get: () => from, set } });
          this.#connection.want(this.#union());
        }, GATHER);
      }
      /** Leads no longer, but watches whoever does. */
      #retire() {
        this.#suspect();
        clearTimeout(this.#gathering);
        const connection2 = this.#connection;
        this.#connection = void 0;
        connection2?.close();
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
        this.#tell(complaint === void 0 ? status : { ...status, error: new this.#core.HubError(complaint) });
      }
      /** Hands an event on, unless it was handed on before the lead changed. */
      #take(event) {
        if (event.id !== "") {
          if (!this.#isNew(event.id))
            return;
          this.#at = event.id;
        }
        this.#sink.event(event);
      }
      #isNew(id) {
        return this.#at === "" || this.#core.isAfter(id, this.#at);
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

// dist/error.js
var HubError = class extends Error {
  name = "HubError";
  constructor(message, about = {}) {
    super(message, about);
    Object.assign(this, about);
  }
};
async function refusalOf(response) {
  const { status } = response;
  const { code, detail } = Object(await response.json().catch(() => {
  }));
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return new HubError(typeof detail === "string" ? detail : `the server answered ${status}`, {
    status,
    ...typeof code === "string" && { code },
    ...seconds >= 0 && { retryAfter: seconds * 1e3 }
  });
}
function asHubError(cause, before = "") {
  if (cause instanceof HubError && before === "")
    return cause;
  return new HubError(before + (cause instanceof Error ? cause.message : String(cause)), { cause });
}

// dist/machine.js
var RETRY = {
  min: 500,
  max: 3e4,
  giveUp: ({ status }) => status !== void 0 && status < 500 && ![408, 425, 429].includes(status)
};
var HEALTHY_AFTER = 1e4;
var ADVICE_MAX = 36e5;
var IDLE = { status: { state: "idle" }, failures: 0, advised: 0, wasRefused: false, attempts: 0 };
var MEANS = {
  go: ["idle", "paused", "waiting"],
  opened: ["connecting"],
  advised: ["open"],
  lost: ["connecting", "open"],
  pause: ["connecting", "open", "waiting"],
  close: ["idle", "paused", "connecting", "open", "waiting"]
};
function step(machine, input, now, policy = RETRY) {
  const { state } = machine.status;
  if (!MEANS[input.type].includes(state))
    return machine;
  switch (input.type) {
    case "go":
      return connecting(machine, state === "waiting" ? "again" : "first");
    case "opened":
      return { ...machine, status: { state: "open", since: now } };
    case "advised":
      return { ...machine, advised: input.ms };
    case "lost":
      return lost(machine, input, now, policy);
    case "pause":
      return { ...machine, status: { state: "paused" } };
    case "close":
      return { ...machine, status: { state: "closed" } };
  }
}
function connecting(machine, reason) {
  const attempt = machine.attempts + 1;
  return { ...machine, attempts: attempt, status: { state: "connecting", attempt, reason } };
}
function lost(machine, input, now, policy) {
  const { status } = machine;
  const { error, dice } = input;
  const isHealthy = status.state === "open" && now - status.since >= HEALTHY_AFTER;
  const wasRefused = status.state !== "open" && machine.wasRefused;
  const before = { ...machine, wasRefused, ...isHealthy && { failures: 0, attempts: 0 } };
  if ((error.status === 401 || error.status === 403) && !wasRefused) {
    return connecting({ ...before, wasRefused: true }, "refused");
  }
  if (policy.giveUp(error))
    return { ...before, status: { state: "closed", error } };
  const floor = Math.min(ADVICE_MAX, Math.max(machine.advised, error.retryAfter ?? 0));
  const nextAttemptAt = now + floor + spanOf(policy, before.failures) * dice;
  return { ...before, failures: before.failures + 1, status: { state: "waiting", nextAttemptAt, error } };
}
function spanOf({ min, max }, failures) {
  return Math.min(max, min * 2 ** failures);
}

// dist/again.js
async function again(work, isFinal, max = RETRY.max) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt);
    } catch (cause) {
      const error = asHubError(cause);
      if (isFinal(error, attempt))
        throw error;
      const wait = (error.retryAfter ?? 0) + spanOf({ ...RETRY, max }, attempt - 1) * Math.random();
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

// dist/event.js
var OPEN_TYPE = "fanfare.open";
var GAP_TYPE = "fanfare.gap";
var LAPSE_TYPE = "fanfare.lapse";
function ofBlock({ type, data, id }, topic) {
  return { type, data, raw: data, id, topic };
}
function ofEnvelope({ event: type, data, id, topic }) {
  return ofBlock({ type, data, id }, topic);
}
function isAfter(id, other) {
  const at = id.lastIndexOf("-") + 1;
  const ahead = Number(id.slice(at)) - Number(other.slice(at));
  const isSameEpoch = other.startsWith(id.slice(0, at)) && !Number.isNaN(ahead);
  return isSameEpoch ? ahead > 0 : id !== other;
}
function takesIn(pattern, topic) {
  const [wanted, given] = [pattern.split("/"), topic.split("/")];
  const isOfLength = wanted.length === given.length || wanted.at(-1) === "**" && wanted.length < given.length;
  return isOfLength && wanted.every((segment, at) => segment === given[at] || isWild(segment));
}
function isPattern(topic) {
  return topic.split("/").some(isWild);
}
function isWild(segment) {
  return segment === "*" || segment === "**";
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

// dist/request.js
function asker(url, options) {
  return async ([first, ...more], query, about, headers, init) => {
    const { auth, credentials, fetch = globalThis.fetch } = options;
    const address = new URL(url);
    if (first !== void 0) {
      address.pathname = `${address.pathname.replace(/\/$/, "")}/${first.split("/").map(encodeURIComponent).join("/")}`;
    }
    for (const topic of more)
      address.searchParams.append("topic", topic);
    for (const name in query)
      address.searchParams.set(name, query[name]);
    const token = await auth?.(about);
    const all = { ...options.headers, ...headers, ...token !== void 0 && { Authorization: `Bearer ${token}` } };
    const response = await fetch(address, { cache: "no-store", credentials, ...init, headers: all });
    if (!response.ok)
      throw await refusalOf(response);
    return response;
  };
}
async function streamOf({ status, headers, body }, form) {
  if (status === 204)
    return void 0;
  const type = headers.get("Content-Type") ?? "nothing";
  if (body && status === 200 && essenceOf(type) === form)
    return body;
  await body?.cancel();
  throw new HubError(`the answer is ${status} ${type}, not ${form}: check the URL`, { status: 406 });
}
function essenceOf(type) {
  return type.split(";", 1)[0].trim().toLowerCase();
}
function headerText(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

// dist/connection.js
var IDLE_DEFAULT = 45e3;
var HEARTBEATS = 2.5;
var WAKE_SHARE = 0.5;
var HEAD_WITHIN = 3e4;
var TIMER_MAX = 2 ** 31 - 1;
function connection(url, options, sink) {
  const store = storeOf(url, options.resume);
  const asks = asker(url, options);
  const policy = { ...RETRY, ...options.retry };
  let lastId = store?.get() ?? "";
  let topics = [];
  let lacksTopics = false;
  let machine = IDLE;
  let timer;
  let hiddenTimer;
  let request;
  let heardAt = 0;
  let patience = IDLE_DEFAULT;
  function move(input) {
    const before = machine.status;
    machine = step(machine, input, Date.now(), policy);
    const { status } = machine;
    const { state } = status;
    if (status === before)
      return;
    clearTimeout(timer);
    if (state === "connecting")
      ask();
    else if (state !== "open")
      request?.abort();
    if (state === "waiting")
      at(() => status.nextAttemptAt, () => move({ type: "go" }));
    if (state === "closed")
      watchPage("removeEventListener");
    sink.status(status);
  }
  function lose(cause) {
    move({ type: "lost", error: asHubError(cause), dice: Math.random() });
  }
  function at(moment, then) {
    clearTimeout(timer);
    const look = () => moment() > Date.now() ? at(moment, then) : then();
    timer = setTimeout(look, Math.min(TIMER_MAX, moment() - Date.now()));
  }
  function expect(within, complaint) {
    at(() => heardAt + within, () => lose(new HubError(complaint)));
  }
  function ask() {
    request?.abort();
    lacksTopics = false;
    const { signal } = request = new AbortController();
    heardAt = Date.now();
    expect(HEAD_WITHIN, "the server does not answer");
    read(signal).catch((error) => {
      if (!signal.aborted)
        lose(error);
    });
  }
  function restart() {
    const { state } = machine.status;
    if (state === "open" || state === "connecting")
      ask();
  }
  async function read(signal) {
    const { status } = machine;
    const about = status.state === "connecting" ? status : { attempt: 1, reason: "again" };
    const { history, method, body, idle } = options;
    const form = topics.length > 1 || topics.some(isPattern) ? "application/x-ndjson" : "text/event-stream";
    const headers = { Accept: form };
    const query = {};
    if (topics.length > 0 && lastId !== "")
      query["last_event_id"] = lastId;
    else if (lastId !== "")
      headers["Last-Event-ID"] = headerText(lastId);
    else if (history !== void 0)
      query["history"] = String(history);
    const response = await asks(topics, query, about, headers, { signal, method, body });
    const stream = await streamOf(response, form);
    if (signal.aborted)
      return;
    if (!stream)
      return move({ type: "close" });
    move({ type: "opened" });
    if (signal.aborted)
      return;
    const announced = Number(response.headers.get("Fanfare-Heartbeat")) * HEARTBEATS;
    patience = typeof idle === "number" ? idle : announced || IDLE_DEFAULT;
    heardAt = Date.now();
    if (idle !== false)
      expect(patience, "the stream went silent");
    const feed = form === "text/event-stream" ? blocks(signal) : lines((line) => hand(ofEnvelope(JSON.parse(line)), signal));
    const reader = stream.getReader();
    for (let read2 = await reader.read(); !signal.aborted; read2 = await reader.read()) {
      if (read2.done)
        throw new HubError("the server ended the stream");
      heardAt = Date.now();
      feed(read2.value);
    }
  }
  function hand(event, signal) {
    if (signal.aborted)
      return;
    if (event.type !== OPEN_TYPE)
      sink.event(event);
    pass(event.id);
  }
  function blocks(signal) {
    const topic = topics[0] ?? "";
    const parser = new SseParser({
      onEvent: (event) => hand(ofBlock(event, topic), signal),
      onRetry: (ms) => move({ type: "advised", ms }),
      onComment: sink.comment,
      onTooLarge: (max) => {
        const data = JSON.stringify({ reason: "too_large", max });
        hand(ofBlock({ type: GAP_TYPE, data, id: parser.lastEventId }, topic), signal);
      }
    });
    parser.lastEventId = lastId;
    return (bytes) => {
      parser.feed(bytes);
      if (!signal.aborted)
        pass(parser.lastEventId);
    };
  }
  function pass(id) {
    if (id === lastId)
      return;
    lastId = id;
    store?.set(id);
    if (lacksTopics)
      ask();
  }
  function turn({ type }) {
    const { hidden } = options;
    const isHidden = document.visibilityState === "hidden";
    clearTimeout(hiddenTimer);
    if (isHidden && typeof hidden === "object") {
      hiddenTimer = setTimeout(() => move({ type: "pause" }), hidden.pauseAfter);
    } else if (!isHidden || type !== "visibilitychange") {
      if (machine.status.state === "open" && Date.now() - heardAt > patience * WAKE_SHARE)
        lose("the page slept");
      move({ type: "go" });
    }
  }
  function watchPage(change) {
    clearTimeout(hiddenTimer);
    if (typeof document === "undefined")
      return;
    for (const type of ["visibilitychange", "pageshow", "online"])
      globalThis[change](type, turn);
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
        lacksTopics = true;
      } else if (isNew) {
        restart();
      }
    },
    restart,
    close: () => move({ type: "close" })
  };
}
function storeOf({ href }, resume) {
  if (typeof resume === "object")
    return resume;
  if (resume !== "session" || typeof sessionStorage === "undefined")
    return void 0;
  const key = `fanfare ${href}`;
  return { get: () => sessionStorage.getItem(key), set: (id) => sessionStorage.setItem(key, id) };
}
function lines(take) {
  const utf8 = new TextDecoder();
  let cut = "";
  return (bytes) => {
    const whole = utf8.decode(bytes, { stream: true }).split("\n");
    whole[0] = cut + whole[0];
    cut = whole.pop();
    whole.filter(Boolean).forEach(take);
  };
}

// dist/channel.js
var LINGER = 200;
function channel(url, options) {
  const subscribers = /* @__PURE__ */ new Set();
  const watchers = /* @__PURE__ */ new Set();
  let link;
  let linger;
  let isDue = false;
  let current = { state: "idle" };
  function close() {
    clearTimeout(linger);
    void link?.then((source) => source.close());
    link = void 0;
    status({ state: "idle" });
  }
  function arrange() {
    if (isDue)
      return;
    isDue = true;
    queueMicrotask(async () => {
      isDue = false;
      if (subscribers.size === 0)
        return;
      const mine = link ??= open();
      const source = await mine;
      if (link === mine)
        source.want([...new Set([...subscribers].flatMap(({ topics }) => topics))].sort());
    });
  }
  function open() {
    const connect2 = (to, more) => connection(url, { ...options, ...more }, to);
    const isMine = () => link === mine;
    const sink = {
      event: (told) => isMine() && event(told),
      status: (told) => isMine() && status(told)
    };
    const alone = () => connect2(sink);
    const mine = options.share === "tabs" ? Promise.resolve().then(() => (init_tabs(), tabs_exports)).then(({ tabs: tabs2 }) => tabs2(url.href, connect2, sink, { HubError, isAfter }), alone) : Promise.resolve(alone());
    return mine;
  }
  function event(event2) {
    for (const subscriber of [...subscribers]) {
      const { topics } = subscriber;
      const isFor = event2.topic === "" || topics.length === 0 || topics.some((topic) => takesIn(topic, event2.topic));
      if (isFor)
        subscriber.event(event2);
    }
  }
  function status(status2) {
    if (status2 === current)
      return;
    current = status2;
    for (const watcher of [...watchers])
      watcher(status2);
  }
  return {
    get status() {
      return current;
    },
    watch: (watcher) => keep(watchers, watcher),
    add(subscriber) {
      if (current.state === "closed")
        close();
      const forget = keep(watchers, subscriber.status);
      subscribers.add(subscriber);
      clearTimeout(linger);
      arrange();
      return () => {
        forget();
        if (subscribers.delete(subscriber) && subscribers.size === 0)
          linger = setTimeout(close, LINGER);
      };
    }
  };
}
var known = [];
function channelOf(url, options) {
  if (options.share === false)
    return channel(url, options);
  const { href } = url;
  known = known.filter(({ ref }) => ref.deref());
  const isSame = (other) => Object.keys({ ...other, ...options }).every((key) => Object.is(other[key], options[key]));
  const found = known.find((entry) => entry.href === href && isSame(entry.options))?.ref.deref();
  if (found)
    return found;
  const made = channel(url, options);
  known.push({ href, options, ref: new WeakRef(made) });
  return made;
}
function keep(set, item) {
  set.add(item);
  return () => void set.delete(item);
}

// dist/page.js
var limit = "1000";
async function page(ask, topics, query) {
  const response = await ask(topics, { ...query, limit }, { attempt: 1, reason: "first" }, { Accept: "application/json" });
  const envelopes = await response.json();
  const isMore = envelopes.length > 0 && /rel="?next/.test(response.headers.get("Link") ?? "");
  return { list: envelopes.map(ofEnvelope), isMore };
}

// dist/publish.js
var TRIES = 5;
function publish(ask, topic, data, { type, key = crypto.randomUUID(), tries = TRIES, signal } = {}) {
  const isText = typeof data === "string";
  const headers = {
    // A text/event-stream or NDJSON would be several events; neither of these is.
    "Content-Type": isText ? "text/plain" : "application/json",
    "Idempotency-Key": key
  };
  const init = { method: "POST", body: isText ? data : JSON.stringify(data), signal };
  const query = type === void 0 ? {} : { event: type };
  return again(async (attempt) => (await ask([topic], query, { attempt, reason: "publish" }, headers, init)).json(), (error, attempt) => attempt >= tries || signal?.aborted || RETRY.giveUp(error));
}

// dist/queue.js
var QUEUE_MAX = 4096;
function queue(leave) {
  const items = [];
  let over;
  let wake = () => {
  };
  const push = (item) => {
    if (over)
      return;
    if (items.push(item) > QUEUE_MAX) {
      end(new HubError(`the loop lies ${QUEUE_MAX} events behind: take them faster, or with a callback`));
    }
    wake();
  };
  const end = (error) => {
    if (over)
      return;
    over = { error };
    leave();
    wake();
  };
  async function* take() {
    for (; ; ) {
      if (items.length > 0)
        yield items.shift();
      else if (!over)
        await new Promise((resolve) => wake = resolve);
      else if (over.error === void 0)
        return;
      else
        throw over.error;
    }
  }
  const loop = take();
  const leaveLoop = loop.return;
  loop.return = (value) => {
    items.length = 0;
    end();
    return leaveLoop.call(loop, value);
  };
  return { loop, push, end };
}

// dist/hub.js
var AGAIN = 3e3;
var JOINING = { state: "connecting", attempt: 1, reason: "first" };
function view(hub, topics, history) {
  const { ask, options, channel: channel2 } = hub;
  const wishes = /* @__PURE__ */ new Set();
  const resets = /* @__PURE__ */ new Set();
  const watchers = /* @__PURE__ */ new Set();
  let remove;
  let held;
  let fetching;
  let toldTo = "";
  function close(error) {
    for (const { end } of [...wishes])
      end?.(error);
    wishes.clear();
    leave();
  }
  function leave() {
    hub.open.delete(close);
    remove?.();
    remove = held = void 0;
  }
  function listen(wish) {
    wishes.add(wish);
    if (!remove)
      join();
    return () => {
      if (wishes.delete(wish) && wishes.size === 0)
        leave();
    };
  }
  function join() {
    const isShared = options.share === "tabs" || channel2.status.state !== "idle";
    toldTo = "";
    if (history !== void 0 || topics.length > 0 && isShared)
      held = [];
    hub.open.add(close);
    remove = channel2.add({ topics, event: take, status: changed });
    changed(channel2.status);
  }
  function changed({ state, error }) {
    if (state === "open")
      void fetchHeld();
    if (state === "closed")
      close(error);
  }
  async function fetchHeld() {
    const mine = held;
    if (!mine || fetching === mine)
      return;
    fetching = mine;
    const isFinal = (error) => {
      if (held === mine)
        hub.report(error);
      return held !== mine || history === void 0 || RETRY.giveUp(error);
    };
    try {
      await again(() => pages(mine), isFinal, AGAIN);
    } catch (error) {
      if (held === mine && history !== void 0)
        close(error);
    }
    if (held !== mine)
      return;
    held = void 0;
    for (const watcher of watchers)
      watcher(status());
    mine.forEach(take);
  }
  function status() {
    return held && history === void 0 && channel2.status.state === "open" ? JOINING : channel2.status;
  }
  async function pages(mine) {
    for (let isMore = true; isMore && held === mine; ) {
      const query = toldTo === "" ? { history: String(history ?? 1) } : { last_event_id: toldTo };
      const events = await page(ask, topics, query);
      if (held !== mine)
        return;
      ({ isMore } = events);
      for (const event of events.list) {
        if (event.type === GAP_TYPE)
          return reset(event);
        toldTo = event.id;
        if (history !== void 0)
          tell(event);
      }
    }
  }
  function take(event) {
    if (event.type === LAPSE_TYPE)
      return;
    if (event.type === GAP_TYPE)
      return reset(event);
    if (held)
      held.push(event);
    else if (toldTo === "" || event.id === "" || isAfter(event.id, toldTo))
      tell(event);
  }
  function reset({ raw, id }) {
    toldTo = "";
    for (const listener of resets)
      call(listener, { reason: reasonOf(raw), id });
    if (history === void 0)
      return;
    held = [];
    void fetchHeld();
  }
  function tell(event) {
    const typed = hub.typed(event);
    if (!typed)
      return;
    for (const wish of [...wishes]) {
      if (wish.type === void 0 || wish.type === event.type)
        call(wish.call, typed);
    }
  }
  function call(listener, event) {
    try {
      listener(event);
    } catch (cause) {
      hub.report(asHubError(cause, "a listener threw: "));
    }
  }
  function on(type, listener) {
    if (typeof type === "function")
      return listen({ type: void 0, call: type });
    if (listener)
      return listen({ type, call: listener });
    const { loop, push, end } = queue(() => stop());
    const stop = listen({ type, call: push, end });
    return loop;
  }
  return {
    topics,
    get status() {
      return status();
    },
    on,
    [Symbol.asyncIterator]: () => on(),
    onReset: (listener) => keep(resets, listener),
    onStatus(listener) {
      const forget = [keep(watchers, listener), channel2.watch(() => listener(status()))];
      return () => forget.forEach((call2) => call2());
    },
    async publish(data, about) {
      const [topic] = topics;
      if (topic === void 0)
        throw new HubError("say where: hub.topic(name).publish(data)");
      return publish(ask, topic, data, about);
    },
    close
  };
}
function connect(address, options = {}) {
  const url = new URL(address, globalThis.location?.href);
  const { topics = [], events = {}, signal, history, ...channel2 } = options;
  const errors = /* @__PURE__ */ new Set();
  const open = /* @__PURE__ */ new Set();
  const isOfTopics = topics.length > 0;
  if (!isOfTopics && history !== void 0)
    Object.assign(channel2, { history });
  function typed(event) {
    const schema = Object.hasOwn(events, event.type) && events[event.type];
    if (!schema)
      return event;
    try {
      const result = schema["~standard"].validate(JSON.parse(event.raw));
      if ("value" in result)
        return { ...event, data: result.value };
      const issues = "issues" in result ? result.issues.map(({ message }) => message) : ["its schema is asynchronous"];
      throw new HubError(issues.join("; "));
    } catch (cause) {
      report(asHubError(cause, `${event.type} ${event.id}: `));
      return void 0;
    }
  }
  function report(error) {
    if (errors.size === 0)
      console.error(error);
    for (const listener of errors)
      listener(error);
  }
  function close(error) {
    for (const end of [...open])
      end(error);
  }
  const shared = { ask: asker(url, options), options, channel: channelOf(url, channel2), open, typed, report };
  signal?.addEventListener("abort", () => close(), { once: true });
  return Object.assign(view(shared, topics, isOfTopics ? history : void 0), {
    close,
    topic: (name, about = {}) => view(shared, [name], about.history),
    onError: (listener) => keep(errors, listener)
  });
}
function reasonOf(gap) {
  try {
    return String(JSON.parse(gap).reason);
  } catch {
    return "unknown";
  }
}
export {
  connect
};
