// One page of history (PROTOCOL.md 4.4).

import { HubError } from "./error.js";
import { type HubEvent, ofEnvelope } from "./event.js";
import { type RequestOptions, send } from "./request.js";

/** Events of a page: as many as are worth a request. */
const LIMIT = 1_000;

/** Events of topics and patterns, from a start or after an id. */
export async function page(
  hub: URL,
  topics: readonly string[],
  options: RequestOptions,
  from: { history: string | number } | { after: string },
): Promise<{ list: HubEvent[]; isMore: boolean }> {
  const url = placeOf(hub, ...topics);
  url.searchParams.set("limit", String(LIMIT));
  if ("after" in from) url.searchParams.set("last_event_id", from.after);
  else url.searchParams.set("history", String(from.history));
  const response = await send(url, options, { attempt: 1, reason: "first" }, { headers: { Accept: "application/json" } });
  if (!response.ok) throw await HubError.of(response);
  const envelopes = (await response.json()) as Parameters<typeof ofEnvelope>[0][];
  // Pages are bounded by bytes, too: only the hub knows whether there is more.
  return { list: envelopes.map(ofEnvelope), isMore: envelopes.length > 0 && /rel="?next/.test(response.headers.get("Link") ?? "") };
}

/** The URL of topics of a hub. */
export function placeOf(hub: URL, first = "", ...more: readonly string[]): URL {
  const url = new URL(hub);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${first.split("/").map(encodeURIComponent).join("/")}`;
  for (const topic of more) url.searchParams.append("topic", topic);
  return url;
}
