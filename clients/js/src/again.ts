// Asking again until it works.

import { asHubError, type HubError } from "./error.js";
import { RETRY, spanOf } from "./machine.js";

/** Does it until it works, or until an error is final; `max` is the cap of the waits between. */
export async function again<Result>(
  work: (attempt: number) => Promise<Result>,
  isFinal: (error: HubError, attempt: number) => unknown,
  max = RETRY.max,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt);
    } catch (cause) {
      const error = asHubError(cause);
      if (isFinal(error, attempt)) throw error;
      const wait = (error.retryAfter ?? 0) + spanOf({ ...RETRY, max }, attempt - 1) * Math.random();
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
