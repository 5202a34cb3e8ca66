// A bounded queue between who pushes events and a loop that takes them.

import { HubError } from "./error.js";

/** Events that a loop may lie behind; more are an error, because none is dropped in silence. */
const QUEUE_MAX = 4_096;

export interface Queue<Item> {
  readonly loop: AsyncIterableIterator<Item>;
  push(item: Item): void;
  end(error?: unknown): void;
}

/** `leave` is called once, when the loop ends or nothing comes any more. */
export function queue<Item>(leave: () => void): Queue<Item> {
  const items: Item[] = [];
  let over: { error?: unknown } | undefined;
  let wake = (): void => {};
  const push = (item: Item): void => {
    if (over) return;
    if (items.push(item) > QUEUE_MAX) {
      end(new HubError(`the loop lies ${QUEUE_MAX} events behind: take them faster, or with a callback`));
    }
    wake();
  };
  const end = (error?: unknown): void => {
    if (over) return;
    over = { error };
    leave();
    wake();
  };
  async function* take(): AsyncGenerator<Item, undefined> {
    for (;;) {
      if (items.length > 0) yield items.shift()!;
      else if (!over) await new Promise<void>((resolve) => (wake = resolve));
      else if (over.error === undefined) return;
      else throw over.error;
    }
  }
  const loop = take();
  const leaveLoop = loop.return;
  loop.return = (value) => {
    // A step that waits for an event has to end before the loop can.
    items.length = 0;
    end();
    return leaveLoop.call(loop, value);
  };
  return { loop, push, end };
}
