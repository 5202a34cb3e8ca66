// A topic as a subscription of SWR: `const { data } = useTopic(hub, "chat")`.
import useSWRSubscription from "swr/subscription";

export function useTopic(hub, topic) {
  return useSWRSubscription(["fanfare", topic], (_, { next }) => {
    const view = hub.topic(topic, { history: "all" });
    const ends = [
      view.onReset(() => next(null, [])),
      view.on((event) => next(null, (events = []) => [...events, event])),
    ];
    return () => ends.forEach((end) => end());
  });
}
