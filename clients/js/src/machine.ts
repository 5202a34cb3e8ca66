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
  | { readonly type: "start" | "opened" | "due" | "wake" | "pause" }
  | { readonly type: "lost"; readonly error: HubError; readonly dice: number }
  | { readonly type: "advised"; readonly ms: number }
  | { readonly type: "close"; readonly error?: HubError };

export const IDLE: Machine = { status: { state: "idle" }, failures: 0, advised: 0, wasRefused: false, attempts: 0 };

/** The machine after an input. Inputs that mean nothing in a state leave it as it is. */
export function step(machine: Machine, input: Input, now: number, policy: RetryPolicy = RETRY): Machine {
  const { status } = machine;
  if (status.state === "closed") return machine;
  switch (input.type) {
    case "start":
      return status.state === "idle" || status.state === "paused" ? connecting(machine, "first") : machine;
    case "opened":
      return status.state === "connecting" ? enter(machine, { state: "open", since: now }) : machine;
    case "due":
    case "wake":
      return status.state === "waiting" ? connecting(machine, "again") : machine;
    case "lost":
      return status.state === "connecting" || status.state === "open" ? lost(machine, input, now, policy) : machine;
    case "advised":
      return { ...machine, advised: Math.min(input.ms, ADVICE_MAX) };
    case "pause":
      return status.state === "idle" ? machine : enter(machine, { state: "paused" });
    case "close":
      return enter(machine, input.error ? { state: "closed", error: input.error } : { state: "closed" });
  }
}

function enter(machine: Machine, status: Status): Machine {
  return { ...machine, status };
}

function connecting(machine: Machine, reason: Reason): Machine {
  const attempt = machine.attempts + 1;
  return { ...machine, attempts: attempt, status: { state: "connecting", attempt, reason } };
}

function lost(machine: Machine, input: { error: HubError; dice: number }, now: number, policy: RetryPolicy): Machine {
  const { status } = machine;
  const { error, dice } = input;
  const wasOpen = status.state === "open";
  const isHealthy = wasOpen && now - status.since >= HEALTHY_AFTER;
  const wasRefused = !wasOpen && machine.wasRefused;
  const failures = isHealthy ? 0 : machine.failures;
  const before = { ...machine, wasRefused, attempts: isHealthy ? 0 : machine.attempts };
  // Credentials may have expired on the way: fresh ones are tried once, and at once.
  if ((error.status === 401 || error.status === 403) && !wasRefused) {
    return connecting({ ...before, wasRefused: true }, "refused");
  }
  if (policy.giveUp(error)) return enter(before, { state: "closed", error });
  const span = Math.min(policy.max, policy.min * 2 ** failures);
  const floor = Math.min(ADVICE_MAX, Math.max(machine.advised, error.retryAfter ?? 0));
  const nextAttemptAt = now + floor + span * dice;
  return { ...before, failures: failures + 1, status: { state: "waiting", nextAttemptAt, error } };
}
