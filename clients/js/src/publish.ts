// Publishing over HTTP, safe to repeat.

import { asHubError, HubError } from "./error.js";
import { RETRY } from "./machine.js";
import { placeOf } from "./page.js";
import { type RequestOptions, send } from "./request.js";

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
export async function publish(
  hub: URL,
  topic: string,
  data: unknown,
  options: RequestOptions,
  { type, key, tries = TRIES, signal }: PublishOptions = {},
): Promise<Published> {
  const url = placeOf(hub, topic);
  if (type !== undefined) url.searchParams.set("event", type);
  const isText = typeof data === "string";
  const headers = {
    // A text/event-stream or NDJSON would be several events; neither of these is.
    "Content-Type": isText ? "text/plain" : "application/json",
    "Idempotency-Key": key ?? crypto.randomUUID(),
  };
  const body = isText ? data : JSON.stringify(data);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const init = { method: "POST", headers, body, ...(signal && { signal }) };
      const response = await send(url, options, { attempt, reason: "publish" }, init);
      if (response.ok) return (await response.json()) as Published;
      throw await HubError.of(response);
    } catch (cause) {
      const error = asHubError(cause);
      if (attempt >= tries || signal?.aborted || RETRY.giveUp(error)) throw error;
      const span = Math.min(RETRY.max, RETRY.min * 2 ** (attempt - 1));
      await new Promise((resolve) => setTimeout(resolve, (error.retryAfter ?? 0) + span * Math.random()));
    }
  }
}
