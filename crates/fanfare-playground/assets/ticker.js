// The ticker's page: everything a browser tells about a stream, until the page closes it after 10 s.
import { addLine, follow } from "./stream.js";

const OPEN_FOR_S = 10;
const log = document.querySelector("#log");
const start = document.querySelector("#start");
const left = document.querySelector("#left");
let source;
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

function close() {
  clearInterval(clock);
  source.close();
  tell("close", `Closed by this page after ${OPEN_FOR_S} s.`);
  document.querySelector("#connection").textContent = "Closed";
  document.querySelector("#connection").dataset.state = "closed";
  start.disabled = false;
}

function begin() {
  log.replaceChildren();
  start.disabled = true;
  until = performance.now() + OPEN_FOR_S * 1000;
  clock = setInterval(() => {
    left.value = OPEN_FOR_S - Math.max(0, until - performance.now()) / 1000;
    if (performance.now() >= until) close();
  }, 100);
  connect();
}

start.addEventListener("click", begin);
begin();
