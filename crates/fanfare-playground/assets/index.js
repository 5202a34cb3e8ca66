// The first page: publish to any topic, and hear it on a live stream.
import { addLine, follow, showNotice } from "./stream.js";

const field = (id) => document.querySelector(`#${id}`);
const log = field("log");
const picture = field("picture");
const path = (topic) => topic.split("/").map(encodeURIComponent).join("/");
const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
let source;
let heard = new Set();

function commands() {
  const curl = location.protocol === "https:" ? "curl -k" : "curl";
  const url = `${location.origin}/${path(field("topic").value)}`;
  const type = field("type").value;
  // curl reads a file when the text of -d begins with an at sign.
  const flag = field("text").value.startsWith("@") ? "--data-raw" : "-d";
  const query = type ? `?event=${encodeURIComponent(type)}` : "";
  field("curl-publish").textContent = `${curl} ${flag} ${quote(field("text").value)} ${quote(url + query)}`;
  field("curl-listen").textContent = `${curl} -N ${quote(url)}`;
}

function hear(event) {
  addLine(log, { tag: event.type, text: event.data, note: `id ${event.lastEventId}`, kind: event.type === "message" ? "" : "custom" });
  picture.classList.remove("is-live");
  picture.getBoundingClientRect();
  picture.classList.add("is-live");
}

// An EventSource hands an event only to a listener for its type, so the page listens for each type it publishes.
function listenFor(type) {
  if (!type || heard.has(type)) return;
  heard.add(type);
  source.addEventListener(type, hear);
}

function connect() {
  source?.close();
  log.replaceChildren();
  heard = new Set();
  const topic = field("topic").value;
  field("heard-topic").textContent = topic;
  source = new EventSource(`/${path(topic)}?history=20`);
  listenFor("message");
  listenFor(field("type").value);
  follow(source, connect, (reason) => addLine(log, { tag: "gap", text: `The stream says that events are missing (${reason}).`, kind: "gap" }));
}

field("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const type = field("type").value;
  listenFor(type);
  const query = type ? `?event=${encodeURIComponent(type)}` : "";
  try {
    const response = await fetch(`/${path(field("topic").value)}${query}`, { method: "POST", body: field("text").value });
    const answer = await response.json();
    field("answer").textContent = response.ok ? `Stored as ${answer.id}` : `${answer.title}: ${answer.detail}`;
  } catch {
    showNotice("The hub did not answer. Is it running?");
  }
});
field("publish").addEventListener("input", commands);
field("topic").addEventListener("change", connect);
field("type").addEventListener("change", () => listenFor(field("type").value));

commands();
connect();
