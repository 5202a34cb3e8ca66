// A live list as a newcomer writes it, under StrictMode; `window.renders` and the list are what tests look at.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "../../dist/index.js";
import { useStatus, useTopicState } from "../../dist/react.js";

const { searchParams } = new URL(location.href);
const hub = connect(searchParams.get("hub"));
const topic = searchParams.get("topic");
const append = (list, event) => [...list, event];

function Chat() {
  const [events, send] = useTopicState(hub, topic, { initial: [], reduce: append, history: "all", timeout: 2000 });
  const { state } = useStatus(hub);
  window.send = send;
  return (
    <main>
      <p id="state">{state}</p>
      <ul>{events.map((event, at) => <li key={at} className={event.isPending ? "pending" : "told"}>{event.data}</li>)}</ul>
    </main>
  );
}

function Twice() {
  return searchParams.has("twice") ? <><Chat /><Chat /></> : <Chat />;
}

createRoot(document.body.appendChild(document.createElement("div"))).render(<StrictMode><Twice /></StrictMode>);
