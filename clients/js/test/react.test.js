// The hooks where there is no page: a server renders, and opens nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { connect } from "../dist/index.js";
import { useEvents, useStatus, useTopicState } from "../dist/react.js";

test("a server renders the initial state and opens no connection", () => {
  let fetches = 0;
  const hub = connect("http://127.0.0.1:1", { fetch: () => (fetches += 1) });
  function List() {
    const [state] = useTopicState(hub, "chat", { initial: ["initial"], reduce: (list) => list });
    useEvents(hub, () => assert.fail("no event"));
    return createElement("p", null, state.join(), " ", useStatus(hub).state);
  }
  assert.equal(renderToString(createElement(List)).replaceAll("<!-- -->", ""), "<p>initial idle</p>");
  assert.equal(fetches, 0);
});
