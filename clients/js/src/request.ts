// One request: what is asked, and what makes an answer a stream (sse-spec H1-H3, H6).

import { HubError, refusalOf } from "./error.js";
import type { Reason } from "./machine.js";

/** What a request is for. */
export interface Attempt {
  readonly attempt: number;
  readonly reason: Reason | "publish";
}

/** Credentials and fields that go with each request. */
export interface RequestOptions {
  /** A bearer token for each attempt, so that none is stale; called again when one was refused. */
  readonly auth?: (about: Attempt) => string | undefined | Promise<string | undefined>;
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

/** As that of `fetch`, for which a member that is undefined is one that is absent. */
type Init = { readonly [Key in keyof RequestInit]: RequestInit[Key] | undefined };

/** Makes a request for topics of a hub, or for the stream at `url` when there are none. */
export type Ask = (
  topics: readonly string[],
  query: Readonly<Record<string, string>>,
  about: Attempt,
  headers: Readonly<Record<string, string>>,
  init?: Init,
) => Promise<Response>;

/** Makes requests with the credentials of the moment; refusals are errors. */
export function asker(url: URL, options: RequestOptions): Ask {
  return async ([first, ...more], query, about, headers, init) => {
    const { auth, credentials, fetch = globalThis.fetch } = options;
    const address = new URL(url);
    if (first !== undefined) {
      address.pathname = `${address.pathname.replace(/\/$/, "")}/${first.split("/").map(encodeURIComponent).join("/")}`;
    }
    for (const topic of more) address.searchParams.append("topic", topic);
    for (const name in query) address.searchParams.set(name, query[name]!);
    const token = await auth?.(about);
    const all = { ...options.headers, ...headers, ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(address, { cache: "no-store", credentials, ...init, headers: all } as RequestInit);
    if (!response.ok) throw await refusalOf(response);
    return response;
  };
}

/** Forms of a stream. */
export type Form = "text/event-stream" | "application/x-ndjson";

/** The body of an answer that is a stream of that form; `undefined` when it is over for good. */
export async function streamOf({ status, headers, body }: Response, form: Form): Promise<ReadableStream<Uint8Array> | undefined> {
  if (status === 204) return undefined;
  const type = headers.get("Content-Type") ?? "nothing";
  if (body && status === 200 && essenceOf(type) === form) return body;
  await body?.cancel();
  throw new HubError(`the answer is ${status} ${type}, not ${form}: check the URL`, { status: 406 });
}

/** A media type without its parameters. */
export function essenceOf(type: string): string {
  return type.split(";", 1)[0]!.trim().toLowerCase();
}

/** Header fields carry bytes; an id is text. */
export function headerText(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
