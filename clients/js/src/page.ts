// One page of history (PROTOCOL.md 4.4).

import { type HubEvent, ofEnvelope } from "./event.js";
import type { Ask } from "./request.js";

/** Events of a page: as many as are worth a request. */
const limit = "1000";

/** Events of topics and patterns, from where the query says. */
export async function page(
  ask: Ask,
  topics: readonly string[],
  query: Readonly<Record<string, string>>,
): Promise<{ list: HubEvent[]; isMore: boolean }> {
  const response = await ask(topics, { ...query, limit }, { attempt: 1, reason: "first" }, { Accept: "application/json" });
  const envelopes = (await response.json()) as Parameters<typeof ofEnvelope>[0][];
  // Pages are bounded by bytes, too: only the hub knows whether there is more.
  const isMore = envelopes.length > 0 && /rel="?next/.test(response.headers.get("Link") ?? "");
  return { list: envelopes.map(ofEnvelope), isMore };
}
