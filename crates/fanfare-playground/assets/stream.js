// What the apps share: the state of the connection, the notice about a gap, log lines, JSON posts.

const LINES_MAX = 300;
const ASK_AGAIN_AFTER_MS = 3000;
const WORDS = { connecting: "Connecting", open: "Open", closed: "Closed", reconnecting: "Reconnecting" };

/** Shows the state of the connection in words and colour. */
export function showState(state) {
  const pill = document.querySelector("#connection");
  pill.textContent = WORDS[state];
  pill.dataset.state = state === "reconnecting" ? "connecting" : state;
}

/** Shows a sentence that stays until it is dismissed. */
export function showNotice(text) {
  document.querySelector("#notice-text").textContent = text;
  document.querySelector("#notice").hidden = false;
}
document.querySelector("#notice-close")?.addEventListener("click", () => {
  document.querySelector("#notice").hidden = true;
});

const REASONS = {
  epoch: "the hub began anew and its earlier events are gone",
  trimmed: "older events were already dropped",
  slow: "this page was too slow for the stream",
};

/**
 * Keeps the page honest about its stream: state, gaps, end, and a stream that gave up for good.
 * `again` opens a new stream; `onGap` may mark the place in a list.
 */
export function follow(source, again, onGap) {
  showState("connecting");
  source.addEventListener("open", () => showState("open"));
  source.addEventListener("error", () => {
    // A lost connection is asked for again by the browser itself. A refusal (a 503 while the hub
    // starts, say) is final for an EventSource, so the page opens a new one.
    showState("reconnecting");
    if (source.readyState === EventSource.CLOSED) setTimeout(again, ASK_AGAIN_AFTER_MS);
  });
  source.addEventListener("fanfare.gap", (event) => {
    const { reason } = JSON.parse(event.data);
    showNotice(`Events may be missing: ${REASONS[reason] ?? reason}.`);
    onGap?.(reason);
  });
  source.addEventListener("fanfare.end", () => {
    source.close();
    showState("closed");
  });
  // Firefox reports a stream that is still open while the page goes away as an error.
  addEventListener("pagehide", () => source.close(), { once: true });
}
// A page from the back/forward cache has lost its stream without being told.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

/** Adds a line to a log and drops the oldest beyond the bound. Text is always text, never markup. */
export function addLine(log, { tag, text, note, kind = "" }) {
  const box = log.parentElement;
  const wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const line = document.createElement("li");
  line.className = `fresh ${kind}`;
  for (const [name, words] of Object.entries({ tag, text, note })) {
    if (words === undefined) continue;
    const span = document.createElement("span");
    span.className = name;
    span.textContent = words;
    line.append(span);
  }
  log.append(line);
  while (log.children.length > LINES_MAX) log.firstElementChild.remove();
  if (wasAtEnd) box.scrollTop = box.scrollHeight;
}

/** Posts JSON and gives back the JSON answer; a problem becomes an error with its sentence. */
export async function postJson(url, body) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? answer.title);
  return answer;
}

/** Reads the JSON of an event; whoever publishes to the topic directly may have sent plain text. */
export function readMessage(text) {
  try {
    const message = JSON.parse(text);
    if (message !== null && typeof message === "object") return message;
  } catch {
    // Not JSON: shown as it came.
  }
  return { text };
}
