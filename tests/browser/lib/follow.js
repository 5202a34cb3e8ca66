// What pages of any browser do with the client, and what a test sees of it from outside.
import assert from "node:assert/strict";

export async function publish(hub, topic, data) {
  const response = await fetch(`${hub.url}/${topic}`, { method: "POST", body: data });
  assert.equal(response.status, 201);
}

/** Publishes numbers until it is told to end; gives back how many there were. */
export function publishing(hub, topic) {
  let isOver = false;
  const count = (async () => {
    let count = 0;
    for (; !isOver; count += 1) {
      await publish(hub, topic, String(count));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return count;
  })();
  return () => {
    isOver = true;
    return count;
  };
}

/** Streams that the hub has open. */
export async function streams(hub) {
  const text = await (await fetch(`${hub.url}/-/metrics`)).text();
  const lines = text.split("\n").filter((line) => /^fanfare_(subscribers|streams)\{?/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Waits until a condition holds. */
export async function until(what, holds) {
  for (let looks = 0; !(await holds()); looks += 1) {
    assert.ok(looks < 1_000, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Follows a topic in a page; what it is told is in `window.told`. */
export const follow = (page, hub, topic, options = {}) =>
  page.evaluate(
    ([url, topic, options]) => {
      window.told = [];
      window.states = [];
      window.resets = [];
      window.hub = fanfare.connect(url, { topics: [topic], retry: { min: 50, max: 200 }, ...options });
      window.hub.onReset(({ reason }) => window.resets.push(reason));
      window.hub.onStatus(({ state }) => window.states.push(state));
      window.hub.on((event) => window.told.push(event.data));
    },
    [hub.url, topic, options],
  );

export const told = (page) => page.evaluate(() => window.told);

/** Takes the tab that holds the lock of those that share a connection out of a list of pages. */
export async function takeLeader(pages) {
  const leads = await Promise.all(pages.map((page) => page.evaluate(isLeader)));
  assert.deepEqual(leads.filter(Boolean), [true]);
  const [leader] = pages.splice(leads.indexOf(true), 1);
  return leader;
}

async function isLeader() {
  const { held } = await navigator.locks.query();
  const lock = held.find(({ name }) => name.startsWith("fanfare "));
  const mine = crypto.randomUUID();
  return navigator.locks.request(mine, async () => {
    const { held } = await navigator.locks.query();
    return lock !== undefined && held.find(({ name }) => name === mine).clientId === lock.clientId;
  });
}
