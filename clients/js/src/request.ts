// One request for a stream: what is asked, and what makes an answer a stream (sse-spec H1-H3, H6).

import { HubError } from "./error.js";
import type { Reason } from "./machine.js";

/** Credentials and fields that go with each request. */
export interface RequestOptions {
  /** A bearer token for each attempt, so that none is stale; called again when one was refused. */
  readonly auth?: (about: { attempt: number; reason: Reason | "publish" }) => string | undefined | Promise<string | undefined>;
  /** More header fields. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether cookies go along to other origins. */
  readonly credentials?: RequestCredentials;
  /** How the stream is asked for, where GET is not the way; it is asked again with the same body. */
  readonly method?: string;
  readonly body?: string;
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** Makes a request with the credentials of the moment. */
export async function send(
  url: URL,
  options: RequestOptions,
  about: { attempt: number; reason: Reason | "publish" },
  init: RequestInit & { headers: Record<string, string> },
): Promise<Response> {
  const token = await options.auth?.(about);
  const headers = { ...options.headers, ...init.headers };
  if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
  const request: RequestInit = { cache: "no-store", ...init, headers };
  if (options.credentials !== undefined) request.credentials = options.credentials;
  return (options.fetch ?? fetch)(url, request);
}

/** Forms of a stream. */
export type Form = "text/event-stream" | "application/x-ndjson";

/** The body of an answer that is a stream of that form; `undefined` when it is over for good. */
export async function streamOf(response: Response, form: Form): Promise<ReadableStream<Uint8Array> | undefined> {
  if (response.status === 204) return undefined;
  if (response.status !== 200) throw await HubError.of(response);
  const type = response.headers.get("Content-Type") ?? "";
  if (type.split(";")[0]?.trim().toLowerCase() === form && response.body) return response.body;
  await response.body?.cancel();
  throw new HubError(`the answer is ${type === "" ? "of no type" : type}, not ${form}: check the URL`, { status: 406 });
}

/** Header fields carry bytes; an id is text. */
export function headerText(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
