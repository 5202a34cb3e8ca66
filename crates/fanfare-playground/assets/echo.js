// The echo's page: a WebSocket that greets, answers each text, and is opened again when it breaks.
import { addLine, showState } from "./stream.js";

const WAIT_MS_MAX = 5000;
const log = document.querySelector("#log");
const text = document.querySelector("#text");
let socket;
let isWanted = false;
let waitMs = 250;

function connect() {
  showState("connecting");
  // Relative to this page; http becomes ws, https becomes wss.
  const url = new URL("socket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.onopen = () => {
    waitMs = 250;
    showState("open");
    addLine(log, { tag: "open", text: "Connected.", kind: "open" });
  };
  socket.onmessage = (event) => addLine(log, { tag: "server", text: event.data, kind: "custom" });
  socket.onclose = (event) => {
    addLine(log, { tag: "close", text: `Disconnected (code ${event.code}).`, kind: "error" });
    showState(isWanted ? "reconnecting" : "closed");
    if (isWanted) setTimeout(() => isWanted && connect(), waitMs);
    waitMs = Math.min(waitMs * 2, WAIT_MS_MAX);
  };
}

function want(wanted) {
  isWanted = wanted;
  document.querySelector("#connect").disabled = wanted;
  document.querySelector("#disconnect").disabled = !wanted;
  if (wanted) connect();
  else socket.close();
}

document.querySelector("#connect").addEventListener("click", () => want(true));
document.querySelector("#disconnect").addEventListener("click", () => want(false));
document.querySelector("#send").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) {
    addLine(log, { tag: "error", text: "Not connected: nothing was sent.", kind: "error" });
    return;
  }
  socket.send(text.value);
  addLine(log, { tag: "you", text: text.value });
  text.value = "";
});

want(true);
