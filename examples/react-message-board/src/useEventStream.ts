// A native EventSource as React state: what came, whether it is open, and what it said is missing.
import { useEffect, useReducer } from "react";

/** How long a stream that was refused for good rests before a new one is asked for. */
const ASK_AGAIN_AFTER_MS = 3000;

export type StreamState = "connecting" | "open" | "reconnecting";

export interface Received {
  readonly id: string;
  readonly text: string;
}

export interface EventStream {
  readonly state: StreamState;
  readonly received: readonly Received[];
  /** Why events are missing, if the stream said so. */
  readonly gap: string | null;
}

type Action =
  | { type: "started" }
  | { type: "opened" }
  | { type: "broke" }
  | { type: "received"; event: Received }
  | { type: "gap"; reason: string };

const NOTHING: EventStream = { state: "connecting", received: [], gap: null };

function reduce(stream: EventStream, action: Action): EventStream {
  switch (action.type) {
    case "started":
      return NOTHING;
    case "opened":
      return { ...stream, state: "open" };
    case "broke":
      return { ...stream, state: "reconnecting" };
    case "received":
      return { ...stream, received: [...stream.received, action.event] };
    case "gap":
      return { ...stream, gap: action.reason };
  }
}

function gapReason(data: string): string {
  const gap: unknown = JSON.parse(data);
  return typeof gap === "object" && gap !== null && "reason" in gap ? String(gap.reason) : "unknown";
}

/** Follows a stream as long as the component is there. */
export function useEventStream(url: string): EventStream {
  const [stream, dispatch] = useReducer(reduce, NOTHING);
  useEffect(() => {
    let source: EventSource;
    let again: ReturnType<typeof setTimeout> | undefined;
    const connect = () => {
      dispatch({ type: "started" });
      source = new EventSource(url);
      source.onopen = () => dispatch({ type: "opened" });
      source.onmessage = (event: MessageEvent<string>) =>
        dispatch({ type: "received", event: { id: event.lastEventId, text: event.data } });
      source.addEventListener("fanfare.gap", (event: MessageEvent<string>) =>
        dispatch({ type: "gap", reason: gapReason(event.data) }));
      source.onerror = () => {
        dispatch({ type: "broke" });
        // The browser asks again after a lost connection, but never after a refusal such as a 503.
        if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, ASK_AGAIN_AFTER_MS);
      };
    };
    connect();
    return () => {
      clearTimeout(again);
      source.close();
    };
  }, [url]);
  return stream;
}
