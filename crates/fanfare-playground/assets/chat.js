// The chat's page for sending: a message goes out as JSON, and the stored event's id comes back.
import { addLine, postJson } from "./stream.js";

const form = document.querySelector("#send");
const log = document.querySelector("#log");
const text = document.querySelector("#text");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const message = { name: document.querySelector("#name").value, text: text.value };
  try {
    const { id } = await postJson("messages", message);
    addLine(log, { tag: "sent", text: message.text, note: `stored as ${id}`, kind: "open" });
    form.elements.text.value = "";
  } catch (error) {
    addLine(log, { tag: "error", text: `Not sent: ${error.message}`, kind: "error" });
  }
  text.focus();
});

// Enter sends, Shift+Enter begins a new line, as people expect of a chat.
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
