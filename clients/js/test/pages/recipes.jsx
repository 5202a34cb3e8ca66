// One topic through each recipe of docs/guide/recipes, side by side.
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { createApp, h } from "vue";
import { connect } from "../../dist/index.js";
import { topicStore } from "../../../../docs/guide/recipes/svelte.js";
import { useTopic as useSwrTopic } from "../../../../docs/guide/recipes/swr.js";
import { topicQuery } from "../../../../docs/guide/recipes/tanstack-query.js";
import { useTopic as useVueTopic } from "../../../../docs/guide/recipes/vue.js";

const { searchParams } = new URL(location.href);
const hub = connect(searchParams.get("hub"));
const topic = searchParams.get("topic");
const words = (events = []) => events.map(({ data }) => data).join(" ");

function place(id) {
  const element = document.createElement("p");
  element.id = id;
  return document.body.appendChild(element);
}

function Tanstack() {
  return words(useQuery(topicQuery(hub, topic)).data);
}

function Swr() {
  return words(useSwrTopic(hub, topic).data);
}

createRoot(place("tanstack")).render(<QueryClientProvider client={new QueryClient()}><Tanstack /></QueryClientProvider>);
createRoot(place("swr")).render(<Swr />);
createApp({ setup: () => { const events = useVueTopic(hub, topic); return () => h("span", words(events.value)); } }).mount(place("vue"));
const svelte = place("svelte");
topicStore(hub, topic).subscribe((events) => (svelte.textContent = words(events)));
