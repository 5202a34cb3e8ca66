// The client as its users see it: a hub, its topics, who listens, and what is published.

import { again } from "./again.js";
import { type Channel, type ChannelOptions, channelOf, keep } from "./channel.js";
import { asHubError, HubError } from "./error.js";
import { type Gap, GAP_TYPE, type HubEvent, isAfter, LAPSE_TYPE } from "./event.js";
import { RETRY, type Status } from "./machine.js";
import { page } from "./page.js";
import { publish, type Published, type PublishOptions } from "./publish.js";
import { queue } from "./queue.js";
import { type Ask, asker } from "./request.js";

/** A schema of Zod, Valibot, ArkType and others (standardschema.dev). */
export interface Schema<Output = unknown> {
  readonly "~standard": {
    validate(value: unknown): { value: Output; issues?: undefined } | { issues: readonly { message: string }[] } | Promise<unknown>;
    readonly types?: { readonly output: Output } | undefined;
  };
}

/** Schemas by event type. */
export type Schemas = Readonly<Record<string, Schema>>;

/** The data of an event type: what its schema makes of the JSON, or text. */
export type DataOf<Types extends Schemas, Type extends string> = Types[Type] extends Schema<infer Output> ? Output : string;

export interface HubOptions<Types extends Schemas = Schemas> extends ChannelOptions {
  /** Topics and patterns of a Fanfare hub; without any, the URL is that of a stream. */
  readonly topics?: readonly string[];
  /** What the data of these event types is: checked, parsed and typed. */
  readonly events?: Types;
  /** Ends everything. */
  readonly signal?: AbortSignal;
}

export interface TopicOptions {
  /** Tell what is there first: `all`, so many events, or an age such as `10m`. */
  readonly history?: string | number;
}

/** The longest wait in milliseconds before pages that could not be fetched are asked for again. */
const AGAIN = 3_000;

/** What a view says of itself while the stream is open and it does not know yet where it begins. */
const JOINING: Status = { state: "connecting", attempt: 1, reason: "first" };

type Listener<Event> = (event: Event) => void;

/** Somebody's view of some topics: listeners, and what they are told first. */
export interface Subscription<Types extends Schemas = Schemas> extends AsyncIterable<HubEvent> {
  readonly topics: readonly string[];
  /** Where the connection stands. */
  readonly status: Status;
  /** Calls a listener for each event of a type, or of any; the returned function ends that. */
  on<Type extends string & keyof Types>(type: Type, listener: Listener<HubEvent<DataOf<Types, Type>>>): () => void;
  on(type: string, listener: Listener<HubEvent>): () => void;
  on(listener: Listener<HubEvent>): () => void;
  /** Events as they come, for `for await`; `break` ends it. */
  on<Type extends string & keyof Types>(type: Type): AsyncIterableIterator<HubEvent<DataOf<Types, Type>>>;
  on(type?: string): AsyncIterableIterator<HubEvent>;
  /** Calls a listener when events are missing and what was made of them has to be begun anew. */
  onReset(listener: Listener<Gap>): () => void;
  /** Calls a listener when the connection's status changes. */
  onStatus(listener: Listener<Status>): () => void;
  /** Publishes to the topic; resolves once the hub has stored it. */
  publish(data: unknown, options?: PublishOptions): Promise<Published>;
  /** Ends all listeners. */
  close(error?: HubError): void;
  [Symbol.asyncIterator](): AsyncIterableIterator<HubEvent>;
}

/** A hub, or any server of event streams. To close it closes its topics, too. */
export interface Hub<Types extends Schemas = Schemas> extends Subscription<Types> {
  /** A view of one topic or pattern, over the same connection. */
  topic(name: string, options?: TopicOptions): Subscription<Types>;
  /** Calls a listener for what is no reason to end: data that its schema refuses, history that could not be fetched. */
  onError(listener: Listener<HubError>): () => void;
}

/** What all views of a hub share. */
interface Shared {
  readonly ask: Ask;
  readonly options: HubOptions;
  readonly channel: Channel;
  /** How to close those that have listeners. */
  readonly open: Set<Subscription["close"]>;
  typed(event: HubEvent): HubEvent<unknown> | undefined;
  report(error: HubError): void;
}

/** Calls `call` for events of a type, or of any when there is none. */
interface Wish {
  readonly type: string | undefined;
  call(event: HubEvent<unknown>): void;
  end?(error?: HubError): void;
}

function view(hub: Shared, topics: readonly string[], history?: string | number): Subscription {
  const { ask, options, channel } = hub;
  const wishes = new Set<Wish>();
  const resets = new Set<Listener<Gap>>();
  const watchers = new Set<Listener<Status>>();
  let remove: (() => void) | undefined;
  /** Events that came while history is fetched; `undefined` when they are handed on at once. */
  let held: HubEvent[] | undefined;
  /** For whom pages are being fetched: nobody asks twice. */
  let fetching: HubEvent[] | undefined;
  /** What history told last: nothing up to here is told again. */
  let toldTo = "";

  function close(error?: HubError): void {
    for (const { end } of [...wishes]) end?.(error);
    wishes.clear();
    leave();
  }

  function leave(): void {
    hub.open.delete(close);
    remove?.();
    remove = held = undefined;
  }

  function listen(wish: Wish): () => void {
    wishes.add(wish);
    if (!remove) join();
    return () => {
      if (wishes.delete(wish) && wishes.size === 0) leave();
    };
  }

  function join(): void {
    // Who comes late to a stream that is open already must not be told what came before, either.
    const isShared = options.share === "tabs" || channel.status.state !== "idle";
    toldTo = "";
    if (history !== undefined || (topics.length > 0 && isShared)) held = [];
    hub.open.add(close);
    remove = channel.add({ topics, event: take, status: changed });
    changed(channel.status);
  }

  function changed({ state, error }: { readonly state: Status["state"]; readonly error?: HubError }): void {
    if (state === "open") void fetchHeld();
    if (state === "closed") close(error);
  }

  /** Tells what is there, and then what came meanwhile. */
  async function fetchHeld(): Promise<void> {
    const mine = held;
    if (!mine || fetching === mine) return;
    fetching = mine;
    const isFinal = (error: HubError): boolean => {
      if (held === mine) hub.report(error);
      return held !== mine || history === undefined || RETRY.giveUp(error);
    };
    try {
      await again(() => pages(mine), isFinal, AGAIN);
    } catch (error) {
      // Who wants no history is rather told too much than too little.
      if (held === mine && history !== undefined) close(error as HubError);
    }
    if (held !== mine) return;
    held = undefined;
    for (const watcher of watchers) watcher(status());
    mine.forEach(take);
  }

  /**
   * Whoever publishes because this is open gets it: what the hub has by then is what came before.
   */
  function status(): Status {
    return held && history === undefined && channel.status.state === "open" ? JOINING : channel.status;
  }

  async function pages(mine: HubEvent[]): Promise<void> {
    for (let isMore = true; isMore && held === mine;) {
      const query: Record<string, string> = toldTo === "" ? { history: String(history ?? 1) } : { last_event_id: toldTo };
      const events = await page(ask, topics, query);
      if (held !== mine) return;
      ({ isMore } = events);
      for (const event of events.list) {
        // Retention was faster than this.
        if (event.type === GAP_TYPE) return reset(event);
        toldTo = event.id;
        if (history !== undefined) tell(event);
      }
    }
  }

  function take(event: HubEvent): void {
    // The stream ends; the next one is asked for with another token.
    if (event.type === LAPSE_TYPE) return;
    if (event.type === GAP_TYPE) return reset(event);
    if (held) held.push(event);
    else if (toldTo === "" || event.id === "" || isAfter(event.id, toldTo)) tell(event);
  }

  function reset({ raw, id }: HubEvent): void {
    toldTo = "";
    for (const listener of resets) call(listener, { reason: reasonOf(raw), id });
    if (history === undefined) return;
    held = [];
    void fetchHeld();
  }

  function tell(event: HubEvent): void {
    const typed = hub.typed(event);
    if (!typed) return;
    for (const wish of [...wishes]) {
      if (wish.type === undefined || wish.type === event.type) call(wish.call, typed);
    }
  }

  /** A listener that throws harms no other one, and not the stream that all of them share. */
  function call<Event>(listener: Listener<Event>, event: Event): void {
    try {
      listener(event);
    } catch (cause) {
      hub.report(asHubError(cause, "a listener threw: "));
    }
  }

  function on(type?: string | Wish["call"], listener?: Wish["call"]): unknown {
    if (typeof type === "function") return listen({ type: undefined, call: type });
    if (listener) return listen({ type, call: listener });
    const { loop, push, end } = queue<HubEvent<unknown>>(() => stop());
    const stop = listen({ type, call: push, end });
    return loop;
  }

  return {
    topics,
    get status() {
      return status();
    },
    on: on as Subscription["on"],
    [Symbol.asyncIterator]: () => on() as AsyncIterableIterator<HubEvent>,
    onReset: (listener) => keep(resets, listener),
    onStatus(listener) {
      const forget = [keep(watchers, listener), channel.watch(() => listener(status()))];
      return () => forget.forEach((call) => call());
    },
    async publish(data, about) {
      const [topic] = topics;
      if (topic === undefined) throw new HubError("say where: hub.topic(name).publish(data)");
      return publish(ask, topic, data, about);
    },
    close,
  };
}

/** Opens nothing yet: the connection comes with the first listener, and goes with the last. */
export function connect<Types extends Schemas = Schemas>(address: string | URL, options: HubOptions<Types> = {}): Hub<Types> {
  const url = new URL(address, globalThis.location?.href);
  const { topics = [], events = {}, signal, history, ...channel } = options;
  const errors = new Set<Listener<HubError>>();
  const open: Shared["open"] = new Set();
  const isOfTopics = topics.length > 0;
  // A stream that is no topic's has no pages, so that its own request asks for history.
  if (!isOfTopics && history !== undefined) Object.assign(channel, { history });

  function typed(event: HubEvent): HubEvent<unknown> | undefined {
    const schema = Object.hasOwn(events, event.type) && (events as Schemas)[event.type];
    if (!schema) return event;
    try {
      const result = schema["~standard"].validate(JSON.parse(event.raw));
      if ("value" in result) return { ...event, data: result.value };
      const issues = "issues" in result ? result.issues.map(({ message }) => message) : ["its schema is asynchronous"];
      throw new HubError(issues.join("; "));
    } catch (cause) {
      report(asHubError(cause, `${event.type} ${event.id}: `));
      return undefined;
    }
  }

  function report(error: HubError): void {
    if (errors.size === 0) console.error(error);
    for (const listener of errors) listener(error);
  }

  function close(error?: HubError): void {
    for (const end of [...open]) end(error);
  }

  const shared: Shared = { ask: asker(url, options), options, channel: channelOf(url, channel), open, typed, report };
  signal?.addEventListener("abort", () => close(), { once: true });
  return Object.assign(view(shared, topics, isOfTopics ? history : undefined) as Subscription<Types>, {
    close,
    topic: (name: string, about: TopicOptions = {}) => view(shared, [name], about.history) as Subscription<Types>,
    onError: (listener: Listener<HubError>) => keep(errors, listener),
  });
}

function reasonOf(gap: string): string {
  try {
    return String((JSON.parse(gap) as { reason?: unknown }).reason);
  } catch {
    return "unknown";
  }
}
