// The counter's page: a stream from another origin over HTTP/2, with a button to connect and one to stop.
import { addLine, follow, showState } from "./stream.js";

const field = (id) => document.querySelector(`#${id}`);
const log = field("log");
const origin = field("stream-origin").dataset.origin;
const url = `${origin}/-/playground/counter/event`;
const accepted = `${origin}/-/playground/counter/accepted`;
let source;
let isWanted = false;
let asked = 0;

// The browser's own record of how it fetched a page: "h2" is HTTP/2.
function showProtocol(list) {
  for (const entry of list.getEntries()) {
    if (entry.name.startsWith(origin) && entry.nextHopProtocol) field("protocol").textContent = entry.nextHopProtocol;
  }
}

async function isCertificateAccepted() {
  try {
    return (await fetch(accepted, { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

function open() {
  source = new EventSource(url);
  source.onopen = () => {
    asked += 1;
    field("asked").textContent = asked === 1 ? "first stream" : `stream ${asked}: the browser asked again`;
    addLine(log, { tag: "open", text: `Stream ${asked} is open.`, kind: "open" });
  };
  source.onmessage = (event) => {
    const { counter } = JSON.parse(event.data);
    field("count").textContent = counter;
    addLine(log, { tag: "message", text: event.data });
  };
  source.onerror = () => addLine(log, { tag: "error", text: "The stream ended; the browser asks again.", kind: "error" });
  follow(source, () => isWanted && open(), (reason) => addLine(log, { tag: "gap", text: `Counts may be missing here (${reason}).`, kind: "gap" }));
}

async function connect() {
  field("connect").disabled = true;
  showState("connecting");
  field("certificate").hidden = await isCertificateAccepted();
  if (!field("certificate").hidden) {
    showState("closed");
    field("connect").disabled = false;
    return;
  }
  field("stop").disabled = false;
  isWanted = true;
  open();
}

function stop() {
  isWanted = false;
  source.close();
  showState("closed");
  addLine(log, { tag: "close", text: "Stopped by this page." });
  field("connect").disabled = false;
  field("stop").disabled = true;
}

new PerformanceObserver(showProtocol).observe({ type: "resource", buffered: true });
field("page-origin").textContent = location.origin;
field("stream-origin").textContent = origin;
field("accept").href = accepted;
field("curl-counter").textContent = `curl -k -N ${url}`;
field("connect").addEventListener("click", connect);
field("stop").addEventListener("click", stop);
