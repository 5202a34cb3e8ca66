// A bounded queue between who pushes events and a loop that takes them.

import { HubError } from "./error.js";

/** Events that a loop may lie behind; more are an error, because none is dropped in silence. */
const QUEUE_MAX = 4_096;

export class Queue<Item> implements AsyncIterableIterator<Item> {
  #items: Item[] = [];
  #waiting: { resolve(result: IteratorResult<Item>): void; reject(error: unknown): void } | undefined;
  #end: { error?: unknown } | undefined;
  readonly #leave: () => void;

  /** `leave` is called once, when the loop ends or nothing comes any more. */
  constructor(leave: () => void) {
    this.#leave = leave;
  }

  push(item: Item): void {
    if (this.#end) return;
    if (this.#waiting) {
      this.#waiting.resolve({ done: false, value: item });
      this.#waiting = undefined;
    } else if (this.#items.push(item) > QUEUE_MAX) {
      this.end(new HubError(`the loop lies ${QUEUE_MAX} events behind: take them faster, or with a callback`));
    }
  }

  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    this.#leave();
    if (this.#waiting && error !== undefined) this.#waiting.reject(error);
    else this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<Item>> {
    if (this.#items.length > 0) return Promise.resolve({ done: false, value: this.#items.shift()! });
    if (this.#end?.error !== undefined) return Promise.reject(this.#end.error);
    if (this.#end) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  return(): Promise<IteratorResult<Item>> {
    this.end();
    this.#items = [];
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
