// The message board's page: every message appears in every open window.
import { follow, postJson, readMessage, showNotice } from "./stream.js";

const LINES = [
  "A fanfare is a short piece for brass that says: something begins.",
  "An EventSource reconnects by itself; nobody has to write that code.",
  "The hub encodes an event once, however many browsers read it.",
  "A subscriber is a cursor, never a queue.",
  "The id of an event is a position: resuming is a lookup.",
  "Over HTTP/2 a hundred streams share one connection.",
  "A stream of text can be read with curl, and by people.",
  "What was lost is said in the stream: it is called a gap.",
];
const SHOWN_MAX = 200;
const messages = document.querySelector("#messages");
let total = 0;

function show(text, note, kind = "") {
  const item = document.createElement("li");
  const small = document.createElement("span");
  item.className = `fresh ${kind}`;
  item.append(text, small);
  small.className = "note";
  small.textContent = note;
  messages.prepend(item);
  if (messages.children.length > SHOWN_MAX) messages.lastElementChild.remove();
}

function count(to) {
  total = to;
  document.querySelector("#total").textContent = total;
  document.querySelector("#total-word").textContent = total === 1 ? "message in total" : "messages in total";
}

function connect() {
  messages.replaceChildren();
  count(0);
  const source = new EventSource("addClient");
  source.onmessage = (event) => {
    const message = readMessage(event.data);
    show(message.text ?? event.data, event.lastEventId);
    count(total + 1);
  };
  follow(source, connect, (reason) => show("The messages below are from before the gap.", reason, "gap"));
}

document.querySelector("#send").addEventListener("click", async () => {
  const text = LINES[Math.floor(Math.random() * LINES.length)];
  try {
    const answer = await postJson("message", { text });
    document.querySelector("#answer").textContent = JSON.stringify(answer);
  } catch (error) {
    showNotice(`The message was not sent: ${error.message}`);
  }
});

connect();
