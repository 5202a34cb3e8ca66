/** Why a request or a stream failed. */
export class HubError extends Error {
  override readonly name = "HubError";
  /** The status of the answer; absent when there was none. */
  readonly status: number | undefined;
  /** The stable code of the hub's refusal (PROTOCOL.md 8), such as `topic_ended`. */
  readonly code: string | undefined;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(message: string, about: { status?: number; code?: string; retryAfter?: number; cause?: unknown } = {}) {
    super(message, about.cause === undefined ? undefined : { cause: about.cause });
    this.status = about.status;
    this.code = about.code;
    this.retryAfter = about.retryAfter;
  }

  /** Reads what a server says of its refusal: a problem document (RFC 9457), or the status alone. */
  static async of(response: Response): Promise<HubError> {
    const { status } = response;
    const seconds = Number(response.headers.get("Retry-After") ?? NaN);
    const text = await response.text().catch(() => "");
    let problem: { code?: unknown; detail?: unknown } = {};
    try {
      problem = Object(JSON.parse(text));
    } catch {
      // Not JSON: a proxy in between speaks in pages.
    }
    return new HubError(
      typeof problem.detail === "string" ? problem.detail : `the server answered ${status}`,
      {
        status,
        ...(typeof problem.code === "string" && { code: problem.code }),
        ...(seconds >= 0 && { retryAfter: seconds * 1000 }),
      },
    );
  }
}

/** Whatever was thrown, as one of ours. */
export function asHubError(error: unknown): HubError {
  if (error instanceof HubError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new HubError(message, { cause: error });
}
