// The message board: the same as the hub's own playground shows, from another origin.
import { connect } from "fanfare-client";
import { type StateEvent, useStatus, useTopicState } from "fanfare-client/react";
import { useState } from "react";

const HUB_URL = (import.meta.env.VITE_HUB_URL as string | undefined) ?? "http://127.0.0.1:4000";
const BOARD_URL = new URL("/-/playground/board/", HUB_URL);

const hub = connect(HUB_URL);
const append = (list: readonly StateEvent[], event: StateEvent) => [...list, event];
const NOTHING: readonly StateEvent[] = [];

const LINES = [
  "React renders it, the hub delivers it.",
  "This page and its stream come from different origins.",
  "State is what the stream has told so far.",
  "All components share one connection; the last to go away closes it.",
  "Strict mode mounts twice, and the hub sees one stream.",
] as const;

const WORDS = {
  idle: "Connecting",
  connecting: "Connecting",
  open: "Open",
  waiting: "Reconnecting",
  paused: "Paused",
  closed: "Closed",
} as const;

async function post(message: object): Promise<string> {
  const response = await fetch(new URL("message", BOARD_URL), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(message),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`the hub refused it with ${response.status}`);
  return JSON.stringify(answer);
}

/** The words of a message; whoever publishes to the topic directly may have sent no JSON. */
function wordsOf(text: string): string {
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message === "object" && message !== null && "text" in message) return String(message.text);
  } catch {
    // Not JSON: shown as it came.
  }
  return text;
}

export function Board() {
  const [received, , gap] = useTopicState(hub, "playground/board", { initial: NOTHING, reduce: append });
  const { state } = useStatus(hub);
  const [answer, setAnswer] = useState("none yet");

  async function send() {
    const text = LINES[Math.floor(Math.random() * LINES.length)];
    try {
      setAnswer(await post({ text }));
    } catch (error) {
      setAnswer(`Not sent: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  return (
    <main>
      <header>
        <h1>Message board, in React</h1>
        <p>
          This page comes from <code>{location.origin}</code>, its stream from <code>{BOARD_URL.origin}</code>.
        </p>
      </header>
      <section className="card" aria-label="The message board">
        <div className="row">
          <button type="button" onClick={() => void send()}>Get message</button>
          <span className={`pill ${WORDS[state].toLowerCase()}`} role="status">{WORDS[state]}</span>
        </div>
        {gap && <p className="notice" role="status">Events may be missing: {gap.reason}.</p>}
        <p>
          <output className="figure">{received.length}</output>{" "}
          {received.length === 1 ? "message in total" : "messages in total"}
        </p>
        <ol aria-label="Messages" aria-live="polite">
          {received.toReversed().map(({ id, data }) => (
            <li key={id}>{wordsOf(data)}<small>{id}</small></li>
          ))}
        </ol>
        <p className="answer">Server's answer: <code>{answer}</code></p>
      </section>
    </main>
  );
}
