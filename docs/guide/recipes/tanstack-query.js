// A topic as a query of TanStack Query: `useQuery(topicQuery(hub, "chat"))`.
import { experimental_streamedQuery as streamedQuery } from "@tanstack/react-query";

export function topicQuery(hub, topic) {
  return {
    queryKey: ["fanfare", topic],
    queryFn: streamedQuery({
      streamFn: ({ signal }) => {
        const events = hub.topic(topic, { history: "all" }).on();
        signal.addEventListener("abort", () => events.return(), { once: true });
        return events;
      },
    }),
    staleTime: Infinity,
  };
}
