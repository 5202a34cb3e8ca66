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
export function ofEnvelope(envelope: { id: string; topic: string; event: string; data: string }): HubEvent {
  const { id, topic, event, data } = envelope;
  return { type: event, data, raw: data, id, topic };
}

/** Whether an id lies behind another. Where ids cannot be compared, another one is a later one. */
export function isAfter(id: string, other: string): boolean {
  const [epoch, seq] = split(id);
  const [otherEpoch, otherSeq] = split(other);
  if (epoch !== otherEpoch || Number.isNaN(seq - otherSeq)) return id !== other;
  return seq > otherSeq;
}

function split(id: string): [string, number] {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash + 1), Number(id.slice(dash + 1))];
}

/** Whether a topic or pattern takes in a topic (PROTOCOL.md 2). */
export function takesIn(pattern: string, topic: string): boolean {
  if (pattern === topic) return true;
  const [wanted, given] = [pattern.split("/"), topic.split("/")];
  const isOpen = wanted.at(-1) === "**";
  if (isOpen ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every((segment, at) => segment === "*" || (isOpen && at === wanted.length - 1) || segment === given[at]);
}

export function isPattern(topic: string): boolean {
  return topic.split("/").some((segment) => segment === "*" || segment === "**");
}
