// A topic as a store of Svelte: `const events = topicStore(hub, "chat")`, then `$events`.
import { readable } from "svelte/store";

export function topicStore(hub, topic) {
  return readable([], (_, update) => {
    const view = hub.topic(topic, { history: "all" });
    const ends = [
      view.onReset(() => update(() => [])),
      view.on((event) => update((events) => [...events, event])),
    ];
    return () => ends.forEach((end) => end());
  });
}
