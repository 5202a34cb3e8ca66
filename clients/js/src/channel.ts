// What a page shares: one connection for everybody on it who listens to the same hub.

import { Connection, type ConnectionOptions, type ResumeStore, type Sink } from "./connection.js";
import { type HubEvent, takesIn } from "./event.js";
import type { Status } from "./machine.js";

/** Where events come from: a connection of this page's own, or one that tabs share. */
export interface Source {
  readonly status: Status;
  /** Delivers these topics, all other ones no longer. */
  want(topics: readonly string[]): void;
  close(): void;
}

/** Somebody who listens to some topics; none are all that the stream has. */
export interface Subscriber extends Sink {
  readonly topics: readonly string[];
}

export interface ChannelOptions extends ConnectionOptions {
  /** Who shares a connection: this page, all tabs of this origin, or nobody. */
  readonly share?: "page" | "tabs" | false;
}

/** Whoever leaves may come back at once, as React's components do. */
const LINGER = 200;

/** A source that is open or opens. */
interface Link {
  readonly source: Promise<Source>;
}

export class Channel {
  readonly #url: URL;
  readonly #options: ChannelOptions;
  readonly #subscribers = new Set<Subscriber>();
  readonly #watchers = new Set<(status: Status) => void>();
  #link: Link | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #due = false;
  #status: Status = { state: "idle" };

  constructor(url: URL, options: ChannelOptions) {
    this.#url = url;
    this.#options = options;
  }

  get status(): Status {
    return this.#status;
  }

  /** Calls a listener when the status changes, whoever listens to events. */
  watch(watcher: (status: Status) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Adds a listener; the returned function takes it away again. */
  add(subscriber: Subscriber): () => void {
    if (this.#status.state === "closed") this.close();
    this.#subscribers.add(subscriber);
    clearTimeout(this.#linger);
    this.#arrange();
    return () => {
      if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return;
      this.#linger = setTimeout(() => this.close(), LINGER);
    };
  }

  close(): void {
    clearTimeout(this.#linger);
    const link = this.#link;
    this.#link = undefined;
    void link?.source.then((source) => source.close());
    this.#tell({ state: "idle" });
  }

  /** Asks for what everybody wants, once for all who come at the same moment. */
  #arrange(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(async () => {
      this.#due = false;
      if (this.#subscribers.size === 0) return;
      const link = (this.#link ??= this.#open());
      const source = await link.source;
      // It may have been closed meanwhile.
      if (this.#link !== link) return;
      source.want([...new Set([...this.#subscribers].flatMap(({ topics }) => topics))].sort());
    });
  }

  #open(): Link {
    // What was left is heard no more.
    const isMine = (): boolean => this.#link === link;
    const link: Link = {
      source: this.#reach({
        event: (event) => isMine() && this.#event(event),
        status: (status) => isMine() && this.#tell(status),
      }),
    };
    return link;
  }

  async #reach(sink: Sink): Promise<Source> {
    if (this.#options.share === "tabs" && globalThis.navigator?.locks && globalThis.BroadcastChannel) {
      const { Tabs } = await import("./tabs.js");
      const connect = (to: Sink, resume: ResumeStore) =>
        new Connection(this.#url, { ...this.#options, resume }, to);
      return new Tabs(this.#url.href, connect, sink);
    }
    return new Connection(this.#url, this.#options, sink);
  }

  #event(event: HubEvent): void {
    // Who is added meanwhile begins behind this event.
    for (const subscriber of [...this.#subscribers]) {
      const { topics } = subscriber;
      // The hub's own words about the whole stream have no topic.
      const isFor = event.topic === "" || topics.length === 0 || topics.some((topic) => takesIn(topic, event.topic));
      if (isFor) subscriber.event(event);
    }
  }

  #tell(status: Status): void {
    if (status === this.#status) return;
    this.#status = status;
    for (const subscriber of [...this.#subscribers]) subscriber.status(status);
    for (const watcher of [...this.#watchers]) watcher(status);
  }
}

/** Channels that are in use on this page, by their URL. */
const channels = new Map<string, { options: ChannelOptions; channel: WeakRef<Channel> }[]>();

/** The channel of this page for the same URL and options, or one of the caller's own. */
export function channelOf(url: URL, options: ChannelOptions): Channel {
  if (options.share === false) return new Channel(url, options);
  const known = (channels.get(url.href) ?? []).filter(({ channel }) => channel.deref());
  channels.set(url.href, known);
  const isSame = (other: ChannelOptions) =>
    [...new Set([...Object.keys(other), ...Object.keys(options)])].every((key) =>
      Object.is(other[key as keyof ChannelOptions], options[key as keyof ChannelOptions]));
  const found = known.find((entry) => isSame(entry.options))?.channel.deref();
  if (found) return found;
  const channel = new Channel(url, options);
  known.push({ options, channel: new WeakRef(channel) });
  return channel;
}
