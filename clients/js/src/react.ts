// React over a hub: nothing is opened while rendering, so that servers render and StrictMode counts
// once; what components show is an external store.

import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { HubError } from "./error.js";
import type { Gap, HubEvent } from "./event.js";
import type { Hub, Schemas, Subscription, TopicOptions } from "./hub.js";
import type { Status } from "./machine.js";
import type { PublishOptions } from "./publish.js";

type Follows<Types extends Schemas> = Hub<Types> | Subscription<Types>;

/** Calls the newest `listener` for each event, while the component is there. */
export function useEvents<Types extends Schemas>(
  from: Follows<Types>,
  listener: (event: HubEvent) => void,
  type?: string,
): void {
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => {
    const call = (event: HubEvent) => newest.current(event);
    return type === undefined ? from.on(call) : from.on(type, call);
  }, [from, type]);
}

const IDLE: Status = { state: "idle" };

/** Where the connection stands. */
export function useStatus(from: Follows<Schemas>): Status {
  const subscribe = useCallback((changed: () => void) => from.onStatus(changed), [from]);
  return useSyncExternalStore(subscribe, () => from.status, () => IDLE);
}

/** An event that has been published here and has not come back yet: its `id` is empty. */
export type StateEvent = HubEvent & { readonly isPending: boolean };

export interface TopicStateOptions<State> extends TopicOptions {
  /** The state before the first event; what servers render. */
  readonly initial: State;
  /** The state after an event. Pure: it runs again when an event that was shown early is refused. */
  reduce(state: State, event: StateEvent): State;
  /** How long something that was published shows before it comes back, in milliseconds. */
  readonly timeout?: number;
}

/** Publishes to the topic, and shows the event at once. Rejects, and takes it back, when the hub refuses it. */
export type Send = (data: unknown, options?: PublishOptions) => Promise<void>;

const TIMEOUT = 30_000;

/**
 * State that is made of a topic's events, history included, with what is published here shown early.
 * The third is why it was begun anew, once events were missing.
 */
export function useTopicState<State>(
  hub: Hub,
  topic: string,
  options: TopicStateOptions<State>,
): [State, Send, Gap | undefined] {
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  const store = useMemo(() => new TopicStore(hub, topic, () => newest.current), [hub, topic]);
  const { state, gap } = useSyncExternalStore(store.subscribe, store.get, store.get);
  return [state, store.send, gap];
}

class TopicStore<State> {
  readonly #hub: Hub;
  readonly #topic: string;
  readonly #options: () => TopicStateOptions<State>;
  readonly #watchers = new Set<() => void>();
  readonly #from: Subscription;
  #ends: (() => void)[] = [];
  #pending: { readonly raw: string; readonly type: string }[] = [];
  /** What has come. */
  #base: State;
  /** The same with what is pending, and the last gap. */
  #shown: { readonly state: State; readonly gap: Gap | undefined };

  constructor(hub: Hub, topic: string, options: () => TopicStateOptions<State>) {
    this.#hub = hub;
    this.#topic = topic;
    this.#options = options;
    const { initial, history = "all" } = options();
    this.#base = initial;
    this.#shown = { state: initial, gap: undefined };
    this.#from = hub.topic(topic, { history });
  }

  readonly get = (): { readonly state: State; readonly gap: Gap | undefined } => this.#shown;

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) this.#begin();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) for (const end of this.#ends.splice(0)) end();
    };
  };

  readonly send: Send = async (data, options = {}) => {
    const raw = typeof data === "string" ? data : JSON.stringify(data);
    const entry = { raw, type: options.type ?? "message" };
    this.#pending = [...this.#pending, entry];
    this.#show();
    const { timeout = TIMEOUT } = this.#options();
    const patience = AbortSignal.timeout(timeout);
    const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
    try {
      await this.#hub.topic(this.#topic).publish(data, { ...options, signal });
    } catch (error) {
      this.#drop(entry);
      throw patience.aborted ? new HubError(`the hub did not answer within ${timeout} ms`) : error;
    }
    // It is stored, so that it will come back; a stream that is lost brings it later.
    setTimeout(() => this.#drop(entry), timeout);
  };

  /** History comes again whenever somebody watches anew. */
  #begin(): void {
    const { initial } = this.#options();
    this.#base = initial;
    this.#ends = [
      this.#from.onReset((gap) => {
        this.#base = initial;
        this.#show(gap);
      }),
      this.#from.on((event) => {
        // What comes back first is what was published first.
        const echo = this.#pending.findIndex(({ raw, type }) => raw === event.raw && type === event.type);
        if (echo !== -1) this.#pending = this.#pending.toSpliced(echo, 1);
        this.#base = this.#options().reduce(this.#base, { ...event, isPending: false });
        this.#show();
      }),
    ];
  }

  #drop(entry: object): void {
    const left = this.#pending.filter((pending) => pending !== entry);
    if (left.length === this.#pending.length) return;
    this.#pending = left;
    this.#show();
  }

  #show(gap = this.#shown.gap): void {
    const { reduce } = this.#options();
    const early = ({ raw, type }: { raw: string; type: string }): StateEvent => ({
      type, raw, data: raw, id: "", topic: this.#topic, isPending: true,
    });
    this.#shown = { state: this.#pending.reduce((state, entry) => reduce(state, early(entry)), this.#base), gap };
    for (const watcher of this.#watchers) watcher();
  }
}
