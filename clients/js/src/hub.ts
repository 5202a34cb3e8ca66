// The client as its users see it: a hub, its topics, who listens, and what is published.

import { type Channel, type ChannelOptions, channelOf, type Subscriber } from "./channel.js";
import { asHubError, HubError } from "./error.js";
import { type Gap, GAP_TYPE, type HubEvent, isAfter, LAPSE_TYPE } from "./event.js";
import { RETRY, type Status } from "./machine.js";
import { page } from "./page.js";
import { publish, type Published, type PublishOptions } from "./publish.js";
import { Queue } from "./queue.js";

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

/** Milliseconds within which pages that could not be fetched are asked for again. */
const AGAIN = 3_000;

type Listener<Event> = (event: Event) => void;

/** Somebody's view of some topics: listeners, and what they are told first. */
export class Subscription<Types extends Schemas = Schemas> {
  readonly topics: readonly string[];
  protected readonly hub: Shared;
  readonly #history: string | number | undefined;
  readonly #listeners = new Set<{ type: string | undefined; call: Listener<HubEvent<never>>; end(error?: HubError): void }>();
  readonly #resets = new Set<Listener<Gap>>();
  #remove: (() => void) | undefined;
  /** Events that came while history is fetched; `undefined` when they are handed on at once. */
  #held: HubEvent[] | undefined;
  /** For whom pages are being fetched: nobody asks twice. */
  #fetching: HubEvent[] | undefined;
  /** What history told last: nothing up to here is told again. */
  #toldTo = "";

  constructor(hub: Shared, topics: readonly string[], options: TopicOptions = {}) {
    this.hub = hub;
    this.topics = topics;
    this.#history = options.history;
  }

  /** Where the connection stands. */
  get status(): Status {
    return this.hub.channel.status;
  }

  /** Calls a listener for each event of a type, or of any; the returned function ends that. */
  on<Type extends string & keyof Types>(type: Type, listener: Listener<HubEvent<DataOf<Types, Type>>>): () => void;
  on(type: string, listener: Listener<HubEvent>): () => void;
  on(listener: Listener<HubEvent>): () => void;
  /** Events as they come, for `for await`; `break` ends it. */
  on<Type extends string & keyof Types>(type: Type): AsyncIterableIterator<HubEvent<DataOf<Types, Type>>>;
  on(type?: string): AsyncIterableIterator<HubEvent>;
  on(first?: string | Listener<HubEvent>, listener?: Listener<HubEvent<never>>): unknown {
    const type = typeof first === "string" ? first : undefined;
    const call = typeof first === "function" ? first : listener;
    if (call) return this.#listen({ type, call: call as Listener<HubEvent<never>>, end() {} });
    const queue = new Queue<HubEvent>(() => leave());
    const leave = this.#listen({ type, call: (event) => queue.push(event), end: (error) => queue.end(error) });
    return queue;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<HubEvent> {
    return this.on();
  }

  /** Calls a listener when events are missing and what was made of them has to be begun anew. */
  onReset(listener: Listener<Gap>): () => void {
    return keep(this.#resets, listener);
  }

  /** Calls a listener when the connection's status changes. */
  onStatus(listener: Listener<Status>): () => void {
    return this.hub.channel.watch(listener);
  }

  /** Publishes to the topic; resolves once the hub has stored it. */
  publish(data: unknown, options?: PublishOptions): Promise<Published> {
    const [topic] = this.topics;
    if (topic === undefined) throw new HubError("say where: hub.topic(name).publish(data)");
    return publish(this.hub.url, topic, data, this.hub.options, options);
  }

  /** Ends all listeners. */
  close(error?: HubError): void {
    for (const listener of [...this.#listeners]) listener.end(error);
    this.#listeners.clear();
    this.#leave();
  }

  #leave(): void {
    this.hub.views.delete(this);
    this.#remove?.();
    this.#remove = this.#held = undefined;
  }

  #listen(listener: { type: string | undefined; call: Listener<HubEvent<never>>; end(error?: HubError): void }): () => void {
    this.#listeners.add(listener);
    if (!this.#remove) this.#join();
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#leave();
    };
  }

  #join(): void {
    // Who comes late to a stream that is open already must not be told what came before, either.
    const isShared = this.hub.options.share === "tabs" || this.hub.channel.status.state !== "idle";
    const isLate = this.topics.length > 0 && isShared;
    this.#toldTo = "";
    if (this.#history !== undefined || isLate) this.#held = [];
    const subscriber: Subscriber = {
      topics: this.topics,
      event: (event) => this.#take(event),
      status: (status) => this.#changed(status),
    };
    this.hub.views.add(this);
    this.#remove = this.hub.channel.add(subscriber);
    if (this.status.state === "open") this.#fetch();
  }

  #changed(status: Status): void {
    if (status.state === "open") this.#fetch();
    if (status.state === "closed") this.close(status.error);
  }

  /** Tells what is there, and then what came meanwhile. */
  #fetch(): void {
    const held = this.#held;
    if (!held || this.#fetching === held) return;
    this.#fetching = held;
    const handOn = (): void => {
      if (this.#held !== held) return;
      this.#held = undefined;
      for (const event of held) this.#take(event);
    };
    this.#pages().then(handOn, (cause: unknown) => {
      if (this.#held !== held) return;
      const error = asHubError(cause);
      this.hub.report(error);
      this.#fetching = undefined;
      // Who wants no history is rather told too much than too little.
      if (this.#history === undefined) handOn();
      else if (RETRY.giveUp(error)) this.close(error);
      else setTimeout(() => this.#held === held && this.#fetch(), (error.retryAfter ?? 0) + AGAIN * Math.random());
    });
  }

  async #pages(): Promise<void> {
    const held = this.#held;
    for (let isMore = true; isMore;) {
      const after = this.#toldTo;
      const from = after === "" ? { history: this.#history ?? 1 } : { after };
      const events = await page(this.hub.url, this.topics, this.hub.options, from);
      if (this.#held !== held) return;
      isMore = events.isMore;
      for (const event of events.list) {
        // Retention was faster than this.
        if (event.type === GAP_TYPE) return this.#reset(event);
        this.#toldTo = event.id;
        if (this.#history !== undefined) this.#tell(event);
      }
    }
  }

  #take(event: HubEvent): void {
    // The stream ends; the next one is asked for with another token.
    if (event.type === LAPSE_TYPE) return;
    if (event.type === GAP_TYPE) return this.#reset(event);
    if (this.#held) this.#held.push(event);
    else if (this.#toldTo === "" || event.id === "" || isAfter(event.id, this.#toldTo)) this.#tell(event);
  }

  #reset(event: HubEvent): void {
    this.#toldTo = "";
    for (const listener of this.#resets) this.#call(listener, { reason: reasonOf(event), id: event.id });
    if (this.#history === undefined) return;
    this.#held = [];
    this.#fetch();
  }

  #tell(event: HubEvent): void {
    const typed = this.hub.typed(event);
    if (!typed) return;
    for (const { type, call } of [...this.#listeners]) {
      if (type === undefined || type === event.type) this.#call(call, typed as HubEvent<never>);
    }
  }

  /** A listener that throws harms no other one, and not the stream that all of them share. */
  #call<Event>(listener: Listener<Event>, event: Event): void {
    try {
      listener(event);
    } catch (cause) {
      this.hub.report(new HubError(`a listener threw: ${asHubError(cause).message}`, { cause }));
    }
  }
}

/** What all views of a hub share. */
interface Shared {
  readonly url: URL;
  readonly options: HubOptions;
  readonly channel: Channel;
  /** Who has listeners. */
  readonly views: Set<Subscription>;
  typed(event: HubEvent): HubEvent<unknown> | undefined;
  report(error: HubError): void;
}

/** A hub, or any server of event streams. */
export class Hub<Types extends Schemas = Schemas> extends Subscription<Types> {
  readonly #errors = new Set<Listener<HubError>>();

  constructor(url: URL, options: HubOptions<Types>) {
    const { topics = [], events = {}, signal, history, ...channel } = options;
    // A stream that is no topic's has no pages, so that its own request asks for history.
    const first = topics.length === 0 && history !== undefined ? { history } : {};
    const shared: Shared = {
      url,
      options,
      channel: channelOf(url, { ...channel, ...first }),
      views: new Set(),
      typed: (event) => this.#typed(event, events),
      report: (error) => this.#report(error),
    };
    super(shared, topics, history === undefined || topics.length === 0 ? {} : { history });
    signal?.addEventListener("abort", () => this.close(), { once: true });
  }

  /** Ends all listeners, those of its topics, too. */
  override close(error?: HubError): void {
    for (const view of [...this.hub.views]) if (view !== (this as Subscription)) view.close(error);
    super.close(error);
  }

  /** A view of one topic or pattern, over the same connection. */
  topic(name: string, options?: TopicOptions): Subscription<Types> {
    return new Subscription(this.hub, [name], options);
  }

  /** Calls a listener for what is no reason to end: data that its schema refuses, history that could not be fetched. */
  onError(listener: Listener<HubError>): () => void {
    return keep(this.#errors, listener);
  }

  #typed(event: HubEvent, events: Schemas): HubEvent<unknown> | undefined {
    const schema = Object.hasOwn(events, event.type) ? events[event.type] : undefined;
    if (!schema) return event;
    try {
      const result = schema["~standard"].validate(JSON.parse(event.raw));
      if ("value" in result) return { ...event, data: result.value };
      const issues = "issues" in result ? result.issues.map(({ message }) => message) : ["its schema is asynchronous"];
      throw new HubError(issues.join("; "));
    } catch (error) {
      this.#report(new HubError(`${event.type} ${event.id}: ${asHubError(error).message}`, { cause: error }));
      return undefined;
    }
  }

  #report(error: HubError): void {
    if (this.#errors.size === 0) console.error(error);
    for (const listener of this.#errors) listener(error);
  }
}

/** Opens nothing yet: the connection comes with the first listener, and goes with the last. */
export function connect<Types extends Schemas = Schemas>(url: string | URL, options: HubOptions<Types> = {}): Hub<Types> {
  return new Hub(new URL(url, globalThis.location?.href), options);
}

function reasonOf(gap: HubEvent): string {
  try {
    return String((JSON.parse(gap.raw) as { reason?: unknown }).reason);
  } catch {
    return "unknown";
  }
}

function keep<Item>(set: Set<Item>, item: Item): () => void {
  set.add(item);
  return () => void set.delete(item);
}
