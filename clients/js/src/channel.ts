// What a page shares: one connection for everybody on it who listens to the same hub.

import { type Connect, connection, type ConnectionOptions, type Sink, type Source } from "./connection.js";
import { HubError } from "./error.js";
import { type HubEvent, isAfter, takesIn } from "./event.js";
import type { Status } from "./machine.js";

/** Somebody who listens to some topics; none are all that the stream has. */
export interface Subscriber extends Sink {
  readonly topics: readonly string[];
}

export interface ChannelOptions extends ConnectionOptions {
  /** Who shares a connection: this page, all tabs of this origin, or nobody. */
  readonly share?: "page" | "tabs" | false;
}

/** One connection, and who listens to it. */
export interface Channel {
  readonly status: Status;
  /** Adds a listener; the returned function takes it away again. */
  add(subscriber: Subscriber): () => void;
  /** Calls a listener when the status changes, whoever listens to events. */
  watch(watcher: (status: Status) => void): () => void;
}

/** Whoever leaves may come back at once, as React's components do. */
const LINGER = 200;

function channel(url: URL, options: ChannelOptions): Channel {
  const subscribers = new Set<Subscriber>();
  const watchers = new Set<(status: Status) => void>();
  /** A source that is open or opens. */
  let link: Promise<Source> | undefined;
  let linger: ReturnType<typeof setTimeout> | undefined;
  let isDue = false;
  let current: Status = { state: "idle" };

  function close(): void {
    clearTimeout(linger);
    void link?.then((source) => source.close());
    link = undefined;
    status({ state: "idle" });
  }

  /** Asks for what everybody wants, once for all who come at the same moment. */
  function arrange(): void {
    if (isDue) return;
    isDue = true;
    queueMicrotask(async () => {
      isDue = false;
      if (subscribers.size === 0) return;
      const mine = (link ??= open());
      const source = await mine;
      // It may have been closed meanwhile.
      if (link === mine) source.want([...new Set([...subscribers].flatMap(({ topics }) => topics))].sort());
    });
  }

  function open(): Promise<Source> {
    const connect: Connect = (to, more) => connection(url, { ...options, ...more }, to);
    // What was left is heard no more.
    const isMine = (): boolean => link === mine;
    const sink: Sink = {
      event: (told) => isMine() && event(told),
      status: (told) => isMine() && status(told),
    };
    const alone = (): Source => connect(sink);
    const mine = options.share === "tabs"
      // Handed over: what two files share would be a third one. It may be out of reach, too.
      ? import("./tabs.js").then(({ tabs }) => tabs(url.href, connect, sink, { HubError, isAfter }), alone)
      : Promise.resolve(alone());
    return mine;
  }

  function event(event: HubEvent): void {
    // Who is added meanwhile begins behind this event.
    for (const subscriber of [...subscribers]) {
      const { topics } = subscriber;
      // The hub's own words about the whole stream have no topic.
      const isFor = event.topic === "" || topics.length === 0 || topics.some((topic) => takesIn(topic, event.topic));
      if (isFor) subscriber.event(event);
    }
  }

  function status(status: Status): void {
    if (status === current) return;
    current = status;
    for (const watcher of [...watchers]) watcher(status);
  }

  return {
    get status() {
      return current;
    },
    watch: (watcher) => keep(watchers, watcher),
    add(subscriber) {
      if (current.state === "closed") close();
      const forget = keep(watchers, subscriber.status);
      subscribers.add(subscriber);
      clearTimeout(linger);
      arrange();
      return () => {
        forget();
        if (subscribers.delete(subscriber) && subscribers.size === 0) linger = setTimeout(close, LINGER);
      };
    },
  };
}

/** Channels that are in use on this page. */
let known: { readonly href: string; readonly options: ChannelOptions; readonly ref: WeakRef<Channel> }[] = [];

/** The channel of this page for the same URL and options, or one of the caller's own. */
export function channelOf(url: URL, options: ChannelOptions): Channel {
  if (options.share === false) return channel(url, options);
  const { href } = url;
  known = known.filter(({ ref }) => ref.deref());
  const isSame = (other: ChannelOptions): boolean =>
    Object.keys({ ...other, ...options }).every((key) =>
      Object.is(other[key as keyof ChannelOptions], options[key as keyof ChannelOptions]));
  const found = known.find((entry) => entry.href === href && isSame(entry.options))?.ref.deref();
  if (found) return found;
  const made = channel(url, options);
  known.push({ href, options, ref: new WeakRef(made) });
  return made;
}

/** Adds to a set; the returned function takes it away again. */
export function keep<Item>(set: Set<Item>, item: Item): () => void {
  set.add(item);
  return () => void set.delete(item);
}
