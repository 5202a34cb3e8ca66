// The chat's page for reading: all stored messages first, then each new one as it is sent.
import { addLine, follow, readMessage } from "./stream.js";

const log = document.querySelector("#log");

function connect() {
  log.replaceChildren();
  const source = new EventSource("messages");
  source.onopen = () => addLine(log, { tag: "open", text: "The stream is open.", kind: "open" });
  source.onmessage = (event) => {
    const { name, text } = readMessage(event.data);
    addLine(log, { tag: "message", text: name ? `${name}: ${text}` : text ?? event.data, note: event.lastEventId });
  };
  source.onerror = () => addLine(log, { tag: "error", text: "The stream broke; the browser asks again.", kind: "error" });
  follow(source, connect, (reason) => addLine(log, { tag: "gap", text: `Messages may be missing here (${reason}).`, kind: "gap" }));
}

connect();
