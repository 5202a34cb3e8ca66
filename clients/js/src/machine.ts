// The life of a connection as a pure state machine: time and dice are arguments, no timer, no
// request. Each step makes a new state; test/machine.test.js has a row for every cell.

import { HubError } from "./error.js";

/** Why a request is made. */
export type Reason = "first" | "again" | "refused";

/** Where a connection stands. Times are those of `Date.now()`. */
export type Status =
  /** Nobody listens yet. */
  | { readonly state: "idle" }
  /** A request is under way. `refused` means that the credentials before were not accepted. */
  | { readonly state: "connecting"; readonly attempt: number; readonly reason: Reason }
  /** Events may come. */
  | { readonly state: "open"; readonly since: number }
  /** The stream is lost; the next attempt starts by itself. */
  | { readonly state: "waiting"; readonly nextAttemptAt: number; readonly error: HubError }
  /** The page was hidden for too long. */
  | { readonly state: "paused" }
  /** It is over for good: it was closed, all topics have ended, or `error` says why. */
  | { readonly state: "closed"; readonly error?: HubError };

/** When to try again. */
export interface RetryPolicy {
  /** The span of the first random wait in milliseconds; each further one doubles it. */
  readonly min: number;
  /** The cap of that span: a crowd of clients spreads over it. */
  readonly max: number;
  /** Says which errors are final; by default refusals other than 408, 425, 429 and 5xx. */
  giveUp(error: HubError): boolean;
}

export const RETRY: RetryPolicy = {
  min: 500,
  max: 30_000,
  giveUp: ({ status }) => status !== undefined && status < 500 && ![408, 425, 429].includes(status),
};

/** A stream that was open for so long counts as healthy, and waits begin anew. */
const HEALTHY_AFTER = 10_000;
/** The longest wait that a server's advice can cause: a typo there must not park clients for good. */
const ADVICE_MAX = 3_600_000;

export interface Machine {
  readonly status: Status;
  /** Failures in a row, without a healthy stream between them. */
  readonly failures: number;
  /** The last `retry:` of the stream: a floor for every wait. */
  readonly advised: number;
  /** Credentials were refused since the stream was open last. */
  readonly wasRefused: boolean;
  /** Requests so far, since the stream was healthy last. */
  readonly attempts: number;
}

export type Input =
  /** To go on: somebody listens, the wait is over, or the page woke up. */
  | { readonly type: "go" | "opened" | "pause" }
  | { readonly type: "lost"; readonly error: HubError; readonly dice: number }
  | { readonly type: "advised"; readonly ms: number }
  | { readonly type: "close" };

export const IDLE: Machine = { status: { state: "idle" }, failures: 0, advised: 0, wasRefused: false, attempts: 0 };

/** The states in which an input means something; in all other ones nothing happens. */
const MEANS: Record<Input["type"], readonly Status["state"][]> = {
  go: ["idle", "paused", "waiting"],
  opened: ["connecting"],
  advised: ["open"],
  lost: ["connecting", "open"],
  pause: ["connecting", "open", "waiting"],
  close: ["idle", "paused", "connecting", "open", "waiting"],
};

/** The machine after an input. */
export function step(machine: Machine, input: Input, now: number, policy: RetryPolicy = RETRY): Machine {
  const { state } = machine.status;
  if (!MEANS[input.type].includes(state)) return machine;
  switch (input.type) {
    case "go":
      return connecting(machine, state === "waiting" ? "again" : "first");
    case "opened":
      return { ...machine, status: { state: "open", since: now } };
    case "advised":
      return { ...machine, advised: input.ms };
    case "lost":
      return lost(machine, input, now, policy);
    case "pause":
      return { ...machine, status: { state: "paused" } };
    case "close":
      return { ...machine, status: { state: "closed" } };
  }
}

function connecting(machine: Machine, reason: Reason): Machine {
  const attempt = machine.attempts + 1;
  return { ...machine, attempts: attempt, status: { state: "connecting", attempt, reason } };
}

function lost(machine: Machine, input: { error: HubError; dice: number }, now: number, policy: RetryPolicy): Machine {
  const { status } = machine;
  const { error, dice } = input;
  const isHealthy = status.state === "open" && now - status.since >= HEALTHY_AFTER;
  const wasRefused = status.state !== "open" && machine.wasRefused;
  const before = { ...machine, wasRefused, ...(isHealthy && { failures: 0, attempts: 0 }) };
  // Credentials may have expired on the way: fresh ones are tried once, and at once.
  if ((error.status === 401 || error.status === 403) && !wasRefused) {
    return connecting({ ...before, wasRefused: true }, "refused");
  }
  if (policy.giveUp(error)) return { ...before, status: { state: "closed", error } };
  const floor = Math.min(ADVICE_MAX, Math.max(machine.advised, error.retryAfter ?? 0));
  const nextAttemptAt = now + floor + spanOf(policy, before.failures) * dice;
  return { ...before, failures: before.failures + 1, status: { state: "waiting", nextAttemptAt, error } };
}

/** The span of the random wait after so many failures before this one. */
export function spanOf({ min, max }: RetryPolicy, failures: number): number {
  return Math.min(max, min * 2 ** failures);
}
