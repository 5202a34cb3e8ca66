// The page that uses both directions: events come down the stream, data goes up by POST.
import { addLine, follow, postJson } from "./stream.js";

const log = document.querySelector("#log");
const message = document.querySelector("#message");
const answer = document.querySelector("#answer");

function connect() {
  const source = new EventSource("events");
  source.onmessage = (event) => addLine(log, { tag: "message", text: event.data });
  source.addEventListener("customEvent", (event) => addLine(log, { tag: "customEvent", text: event.data, kind: "custom" }));
  follow(source, connect, (reason) => addLine(log, { tag: "gap", text: `Events may be missing here (${reason}).`, kind: "gap" }));
}

document.querySelector("#send").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    answer.textContent = JSON.stringify(await postJson("send-data", { message: message.value }));
    message.value = "";
  } catch (error) {
    answer.textContent = `Not sent: ${error.message}`;
  }
});

connect();
