// Compares what a client handed out with what was published: the same events, once each, in order, byte for byte.

import { asReceived } from "./corpus.mjs";

const seqOf = (id) => Number(/-(\d+)$/.exec(id)?.[1]);

/** Each known deviation takes the client's lines and gives back those that must be right. */
const deviations = {
  // One event without data, with the id the stream opened at, first on each connection that brought any.
  "opening-block-dispatched": (lines, published, faults) => {
    let position = `${published[0].id.split("-")[0]}-${seqOf(published[0].id) - 1}`;
    let isFirst = false;
    return lines.filter((line) => {
      if (line.open) {
        isFirst = true;
        return true;
      }
      const isExpectedHere = isFirst && line.id !== undefined;
      const isExtra =
        isExpectedHere && line.data === "" && line.event === "message" && line.id === position;
      if (isExpectedHere && !isExtra)
        faults.push(
          `the known deviation has changed: the connection after ${position} began with ${JSON.stringify(line)}`,
        );
      if (line.id !== undefined) {
        isFirst = false;
        position = line.id;
      }
      return !isExtra;
    });
  },
};

export function judge({ client, lines, published, endId, connections, cutsDone, cutsPlanned }) {
  const faults = [];
  let events = lines;
  for (const { kind } of client.deviations) events = deviations[kind](events, published, faults);
  events = events.filter((line) => line.id !== undefined || line.event !== undefined);
  const counts = compare(events, published, endId, faults);

  if (cutsDone !== cutsPlanned) faults.push(`${cutsDone} cuts of ${cutsPlanned} happened`);
  const over = lines.find((line) => line.over)?.over ?? "never";
  if (over !== client.over)
    faults.push(`who stops after the 204 has changed: expected ${client.over}, was ${over}`);
  faults.push(...resumeFaults(client, connections, published), ...sharingFaults(client, lines));
  return { ...counts, cuts: cutsDone, connections: connections.length, faults };
}

function compare(events, published, endId, faults) {
  const indexOf = new Map(published.map(({ id }, index) => [id, index]));
  const seen = new Set();
  const counts = { events: 0, lost: 0, repeated: 0, disordered: 0, different: 0 };
  let highest = -1;
  let hasEnded = false;
  const fault = (text, line) => faults.push(`${text}: ${JSON.stringify(line)}`);
  for (const line of events) {
    const index = indexOf.get(line.id);
    if (line.event === "fanfare.end" && line.id === endId && !hasEnded) {
      hasEnded = true;
      continue;
    }
    if (index === undefined) {
      fault("an event that nobody published", line);
      continue;
    }
    counts.events += 1;
    if (hasEnded) fault("an event after the end", line);
    if (seen.has(index)) counts.repeated += 1;
    else if (index < highest) counts.disordered += 1;
    seen.add(index);
    highest = Math.max(highest, index);
    const { type, data } = published[index];
    const isSame =
      line.event === type && Buffer.from(asReceived(data)).equals(Buffer.from(line.data));
    if (!isSame) {
      counts.different += 1;
      if (counts.different === 1)
        fault(`expected ${JSON.stringify({ event: type, data: asReceived(data) })}`, line);
    }
  }
  counts.lost = published.length - seen.size;
  if (counts.lost > 0)
    fault(
      "the first lost event",
      published.find((_, index) => !seen.has(index)),
    );
  if (!hasEnded) faults.push("the end of the topic was not handed out");
  for (const name of ["repeated", "disordered", "different"]) {
    if (counts[name] > 0) faults.push(`${counts[name]} events ${name}`);
  }
  return counts;
}

// A client that has seen an event must come back with its id; without this, a lucky `history=all` could hide a broken resume.
function resumeFaults(client, connections, published) {
  if (client.is_encrypted) return [];
  const known = new Set(published.map(({ id }) => id));
  return connections
    .slice(2)
    .map(({ requestHead }) => /^last-event-id: *([^\r\n]*)/im.exec(requestHead)?.[1])
    .filter(
      (id) =>
        id === undefined ||
        !(
          known.has(id) ||
          seqOf(id) === seqOf(published[0].id) - 1 ||
          seqOf(id) === seqOf(published.at(-1).id) + 1
        ),
    )
    .map((id) => `a reconnect resumed from ${id ?? "nothing"}`);
}

// A browser does not say which HTTP it speaks to another origin. A second stream that comes back after
// a cut, too, was on the same connection, and only HTTP/2 carries two streams.
function sharingFaults(client, lines) {
  const isBrowserOverHttp2 = client.browser && client.is_encrypted;
  const opens = lines.filter((line) => line.sibling_open).length;
  return isBrowserOverHttp2 && opens < 2
    ? [`two streams did not share a connection: the second opened ${opens} times`]
    : [];
}
