// The ticker's page: everything a browser tells about a stream, until the page closes it after 10 s.
import { connect as connectClient } from "./client.js";
import { addLine, follow } from "./stream.js";

const OPEN_FOR_S = 10;
const log = document.querySelector("#log");
const start = document.querySelector("#start");
const left = document.querySelector("#left");
const clientLog = document.querySelector("#client-log");
const clientPill = document.querySelector("#client-connection");
let source;
let client;
let clock;
let until = 0;

function tell(tag, text, kind) {
  addLine(log, { tag, text, note: `readyState ${source.readyState}`, kind });
  [...document.querySelectorAll("#states li")].forEach((state, at) =>
    at === source.readyState ? state.setAttribute("aria-current", "true") : state.removeAttribute("aria-current"));
}

function connect() {
  source = new EventSource("events");
  source.onopen = () => tell("onopen", "The stream is open.", "open");
  source.onmessage = (event) => tell("onmessage", event.data);
  source.onerror = () => tell("onerror", "The stream broke; the browser asks again.", "error");
  source.addEventListener("customEvent", (event) => tell("customEvent", event.data, "custom"));
  follow(source, () => performance.now() < until && connect());
  tell("new", "EventSource made.");
}

/** What the pill says of each state, and how it looks. */
const STATES = {
  idle: ["Closed", "closed"],
  connecting: ["Connecting", "connecting"],
  open: ["Open", "open"],
  waiting: ["Reconnecting", "connecting"],
  paused: ["Paused", "closed"],
  closed: ["Closed", "closed"],
};

function showStatus(status) {
  [clientPill.textContent, clientPill.dataset.state] = STATES[status.state];
  const wait = status.state === "waiting" ? Math.round(status.nextAttemptAt - Date.now()) : 0;
  const text = status.error ? `${status.error.message}; the next attempt is in ${wait} ms` : "";
  addLine(clientLog, { tag: status.state, text, note: "status", kind: status.error ? "error" : "open" });
}

function connectWithClient() {
  client = connectClient(new URL("events", location.href), { share: false });
  client.onStatus(showStatus);
  client.on((event) => addLine(clientLog, {
    tag: event.type,
    text: event.data,
    note: event.id,
    kind: event.type === "customEvent" ? "custom" : undefined,
  }));
}

function close() {
  clearInterval(clock);
  client.close();
  source.close();
  tell("close", `Closed by this page after ${OPEN_FOR_S} s.`);
  document.querySelector("#connection").textContent = "Closed";
  document.querySelector("#connection").dataset.state = "closed";
  start.disabled = false;
}

function begin() {
  log.replaceChildren();
  clientLog.replaceChildren();
  start.disabled = true;
  until = performance.now() + OPEN_FOR_S * 1000;
  clock = setInterval(() => {
    left.value = OPEN_FOR_S - Math.max(0, until - performance.now()) / 1000;
    if (performance.now() >= until) close();
  }, 100);
  connect();
  connectWithClient();
}

start.addEventListener("click", begin);
begin();
