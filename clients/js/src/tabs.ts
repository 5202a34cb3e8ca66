// One connection for all tabs of an origin: Web Locks elect the tab that has it, BroadcastChannel
// carries what it receives, and whoever takes over goes on where the slowest tab stands.

import type { Connect, Sink, Source } from "./connection.js";
import type { HubError } from "./error.js";
import type { HubEvent, isAfter } from "./event.js";
import type { Status } from "./machine.js";

type Message =
  /** A tab wants these topics, and has everything up to its position. */
  | { readonly type: "want"; readonly tab: string; readonly topics: readonly string[]; readonly at: string }
  /** A tab closes. */
  | { readonly type: "bye"; readonly tab: string }
  /** A tab leads from now on, and wants to know what the others want. */
  | { readonly type: "lead" }
  /** Does the leader live? */
  | { readonly type: "ping" }
  /** Where the leader's connection stands. */
  | { readonly type: "status"; readonly status: Status; readonly complaint: string | undefined; readonly at: string }
  | { readonly type: "event"; readonly event: HubEvent };

/** Until tabs have told a new leader where they stand. */
const GATHER = 100;
/** Silence after which a leader is asked whether it lives; hubs send something more often. */
const SUSPECT = 20_000;
/** Time for its answer. Messages reach hidden tabs at once, frozen ones not at all. */
const ANSWER_WITHIN = 3_000;

/** What is needed of the core. */
interface Core {
  readonly HubError: typeof HubError;
  readonly isAfter: typeof isAfter;
}

/** What tabs share, or a connection of this one's own where they cannot. */
export function tabs(name: string, connect: Connect, sink: Sink, core: Core): Source {
  const canShare = globalThis.navigator?.locks && globalThis.BroadcastChannel;
  return canShare ? new Tabs(name, connect, sink, core) : connect(sink);
}

class Tabs implements Source {
  readonly #sink: Sink;
  readonly #connect: Connect;
  readonly #core: Core;
  readonly #name: string;
  readonly #tab = crypto.randomUUID();
  readonly #channel: BroadcastChannel;
  readonly #over = new AbortController();
  /** What the other tabs want; only of use to a leader. */
  readonly #others = new Map<string, { topics: readonly string[]; at: string }>();
  #topics: readonly string[] = [];
  #status: Status = { state: "idle" };
  /** The position: everything up to here was handed on in this tab. */
  #at = "";
  #connection: Source | undefined;
  #resign: (() => void) | undefined;
  /** Until a new leader has heard where the others stand. */
  #gathering: ReturnType<typeof setTimeout> | undefined;
  /** Until a silent leader is asked, and then until it has to have answered. */
  #suspicion: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string, connect: Connect, sink: Sink, core: Core) {
    this.#core = core;
    this.#name = `fanfare ${name}`;
    this.#connect = connect;
    this.#sink = sink;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#hear(data);
    globalThis.addEventListener("pagehide", this.#leave);
    globalThis.addEventListener("pageshow", this.#announce);
  }

  get status(): Status {
    return this.#status;
  }

  want(topics: readonly string[]): void {
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

  close(): void {
    this.#over.abort();
    this.#leave();
    this.#retire();
    clearTimeout(this.#suspicion);
    this.#channel.close();
    globalThis.removeEventListener("pagehide", this.#leave);
    globalThis.removeEventListener("pageshow", this.#announce);
  }

  readonly #leave = (): void => this.#post({ type: "bye", tab: this.#tab });

  readonly #announce = (): void => {
    this.#post({ type: "want", tab: this.#tab, topics: this.#topics, at: this.#at });
  };

  #post(message: Message): void {
    this.#channel.postMessage(message);
  }

  /**
   * Stands for the lead, and has it for as long as the lock is held. Each tab stands once at all
   * times; who takes the lead from another one does so besides.
   */
  #stand(how: LockOptions): void {
    const lead = () =>
      new Promise<void>((resolve) => {
        this.#resign = resolve;
        this.#lead();
      });
    const ended = (): void => {
      // Given up, taken by a tab that had no answer from this one, or closed while it stood in line.
      this.#retire();
      if (!how.steal && !this.#over.signal.aborted) this.#stand({ signal: this.#over.signal });
    };
    navigator.locks.request(this.#name, how, lead).then(ended, ended);
  }

  #lead(): void {
    clearTimeout(this.#suspicion);
    this.#others.clear();
    this.#post({ type: "lead" });
    this.#gathering = setTimeout(() => {
      let from = this.#at;
      for (const { at } of this.#others.values()) {
        if (at !== "" && (from === "" || this.#core.isAfter(from, at))) from = at;
      }
      const relay: Sink = {
        event: (event) => {
          this.#take(event);
          this.#post({ type: "event", event });
        },
        status: (status) => {
          if (!this.#connection) return;
          this.#tell(status);
          this.#report();
        },
      };
      const set = (id: string): void => {
        // Where the slowest tab stands this one has been already.
        if (!this.#isNew(id)) return;
        // No event came with it.
        this.#at = id;
        this.#report();
      };
      this.#connection = this.#connect(relay, { resume: { get: () => from, set } });
      this.#connection.want(this.#union());
    }, GATHER);
  }

  /** Leads no longer, but watches whoever does. */
  #retire(): void {
    this.#suspect();
    clearTimeout(this.#gathering);
    const connection = this.#connection;
    // Its end is nobody's news.
    this.#connection = undefined;
    connection?.close();
    this.#resign?.();
    this.#resign = undefined;
  }

  #union(): readonly string[] {
    const others = [...this.#others.values()].flatMap(({ topics }) => topics);
    return [...new Set([...this.#topics, ...others])].sort();
  }

  #report(): void {
    if (!this.#connection) return;
    const { status } = this.#connection;
    const complaint = "error" in status ? status.error?.message : undefined;
    // Errors lose what they are on the way.
    const bare = "error" in status ? { ...status, error: undefined } : status;
    this.#post({ type: "status", status: bare as Status, complaint, at: this.#at });
  }

  #hear(message: Message): void {
    if (message.type === "want") {
      this.#others.set(message.tab, message);
      this.#connection?.want(this.#union());
      this.#report();
    } else if (message.type === "bye") {
      this.#others.delete(message.tab);
    } else if (message.type === "lead") {
      // A tab that was frozen hears of its successor before it hears what that received.
      this.#retire();
      this.#announce();
    } else if (message.type === "ping") {
      this.#report();
    } else if (!this.#resign) {
      if (message.type === "event") this.#take(message.event);
      else this.#follow(message);
      this.#suspect();
    }
  }

  #follow({ status, complaint, at }: Message & { type: "status" }): void {
    if (this.#at === "") this.#at = at;
    this.#tell(complaint === undefined ? status : ({ ...status, error: new this.#core.HubError(complaint) } as Status));
  }

  /** Hands an event on, unless it was handed on before the lead changed. */
  #take(event: HubEvent): void {
    if (event.id !== "") {
      if (!this.#isNew(event.id)) return;
      this.#at = event.id;
    }
    this.#sink.event(event);
  }

  #isNew(id: string): boolean {
    return this.#at === "" || this.#core.isAfter(id, this.#at);
  }

  #tell(status: Status): void {
    if (status.state === this.#status.state && status.state === "open") return;
    this.#status = status;
    this.#sink.status(status);
  }

  /** Takes the lead from a tab that is silent and does not answer. */
  #suspect(): void {
    clearTimeout(this.#suspicion);
    this.#suspicion = setTimeout(() => {
      this.#post({ type: "ping" });
      this.#suspicion = setTimeout(() => this.#stand({ steal: true }), ANSWER_WITHIN);
    }, SUSPECT);
  }
}
