// Publishing over HTTP, safe to repeat.

import { again } from "./again.js";
import { RETRY } from "./machine.js";
import type { Ask } from "./request.js";

export interface PublishOptions {
  /** The event type. */
  readonly type?: string;
  /** Makes the request safe to repeat (PROTOCOL.md 3.3); made up when there is none. */
  readonly key?: string;
  /** How often it is tried when no answer comes or the hub cannot store. */
  readonly tries?: number;
  readonly signal?: AbortSignal;
}

/** What the hub says of a stored event. */
export interface Published {
  readonly topic: string;
  /** The id under which subscribers get it. */
  readonly id: string;
  readonly count: number;
  /** What it survives: `memory`, `written` or `disk`. */
  readonly durability: string;
}

const TRIES = 5;

/** Publishes text as it is, and anything else as JSON. The same key goes with each try, so that the event is stored once. */
export function publish(
  ask: Ask,
  topic: string,
  data: unknown,
  { type, key = crypto.randomUUID(), tries = TRIES, signal }: PublishOptions = {},
): Promise<Published> {
  const isText = typeof data === "string";
  const headers = {
    // A text/event-stream or NDJSON would be several events; neither of these is.
    "Content-Type": isText ? "text/plain" : "application/json",
    "Idempotency-Key": key,
  };
  const init = { method: "POST", body: isText ? data : JSON.stringify(data), signal };
  const query = type === undefined ? {} : { event: type };
  return again(
    async (attempt) => (await ask([topic], query, { attempt, reason: "publish" }, headers, init)).json() as Promise<Published>,
    (error, attempt) => attempt >= tries || signal?.aborted || RETRY.giveUp(error),
  );
}
