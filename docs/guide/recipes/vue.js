// A topic as a ref of Vue: `const events = useTopic(hub, "chat")`.
import { onScopeDispose, shallowRef } from "vue";

export function useTopic(hub, topic) {
  const events = shallowRef([]);
  const view = hub.topic(topic, { history: "all" });
  const ends = [
    view.onReset(() => (events.value = [])),
    view.on((event) => (events.value = [...events.value, event])),
  ];
  onScopeDispose(() => ends.forEach((end) => end()));
  return events;
}
