/** What is known of a failure. */
interface About {
  readonly status?: number;
  readonly code?: string;
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/** Why a request or a stream failed. */
export class HubError extends Error {
  override readonly name = "HubError";
  /** The status of the answer; absent when there was none. */
  declare readonly status: number | undefined;
  /** The stable code of the hub's refusal (PROTOCOL.md 8), such as `topic_ended`. */
  declare readonly code: string | undefined;
  /** How long the server asks to wait, in milliseconds. */
  declare readonly retryAfter: number | undefined;

  constructor(message: string, about: About = {}) {
    super(message, about);
    Object.assign(this, about);
  }
}

/** Reads what a server says of its refusal: a problem document (RFC 9457), or the status alone. */
export async function refusalOf(response: Response): Promise<HubError> {
  const { status } = response;
  // Not JSON: a proxy in between speaks in pages.
  const { code, detail } = Object(await response.json().catch(() => {})) as { code?: unknown; detail?: unknown };
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return new HubError(typeof detail === "string" ? detail : `the server answered ${status}`, {
    status,
    ...(typeof code === "string" && { code }),
    ...(seconds >= 0 && { retryAfter: seconds * 1000 }),
  });
}

/** Whatever was thrown, as one of ours; with a word before it, a new one. */
export function asHubError(cause: unknown, before = ""): HubError {
  if (cause instanceof HubError && before === "") return cause;
  return new HubError(before + (cause instanceof Error ? cause.message : String(cause)), { cause });
}
