// Events of a hub, the order of their ids, and which topics they belong to.

import type { SseEvent } from "./parser.js";

/** An event as a listener gets it. */
export interface HubEvent<Data = string> {
  /** The event type, `message` unless the publisher named one. */
  readonly type: string;
  /** The data: text, or what the schema of its type made of it. */
  readonly data: Data;
  /** The text of the data. */
  readonly raw: string;
  /** Its place in the log, opaque; empty when the server sends none. */
  readonly id: string;
  /** Where it was published; empty when the stream does not say. */
  readonly topic: string;
}

/** Events are missing: what was derived from them has to be fetched anew. */
export interface Gap {
  /** What happened (PROTOCOL.md 4.5), such as `trimmed`. */
  readonly reason: string;
  /** The position after which the stream goes on. */
  readonly id: string;
}

/** Types by which the hub itself speaks. */
export const OPEN_TYPE = "fanfare.open";
export const GAP_TYPE = "fanfare.gap";
export const LAPSE_TYPE = "fanfare.lapse";

/** An event of a plain stream, which belongs to the only topic that was asked for. */
export function ofBlock({ type, data, id }: SseEvent, topic: string): HubEvent {
  return { type, data, raw: data, id, topic };
}

/** An event of a line of NDJSON (PROTOCOL.md 4.3). */
export function ofEnvelope({ event: type, data, id, topic }: { id: string; topic: string; event: string; data: string }): HubEvent {
  return ofBlock({ type, data, id }, topic);
}

/** Whether an id lies behind another. Where ids cannot be compared, another one is a later one. */
export function isAfter(id: string, other: string): boolean {
  const at = id.lastIndexOf("-") + 1;
  const ahead = Number(id.slice(at)) - Number(other.slice(at));
  const isSameEpoch = other.startsWith(id.slice(0, at)) && !Number.isNaN(ahead);
  return isSameEpoch ? ahead > 0 : id !== other;
}

/** Whether a topic or pattern takes in a topic (PROTOCOL.md 2). */
export function takesIn(pattern: string, topic: string): boolean {
  const [wanted, given] = [pattern.split("/"), topic.split("/")];
  const isOfLength = wanted.length === given.length || (wanted.at(-1) === "**" && wanted.length < given.length);
  return isOfLength && wanted.every((segment, at) => segment === given[at] || isWild(segment));
}

export function isPattern(topic: string): boolean {
  return topic.split("/").some(isWild);
}

function isWild(segment: string): boolean {
  return segment === "*" || segment === "**";
}
