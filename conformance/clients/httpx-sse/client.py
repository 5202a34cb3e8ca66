"""PyPI httpx-sse: the usual loop around an iterator that leaves reconnecting to its user."""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse


def show(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def read_once(client, url, state):
    headers = {"Last-Event-ID": state["id"]} if state["id"] else {}
    with connect_sse(client, "GET", url, headers=headers) as source:
        if source.response.status_code != 200:
            return False
        show({"open": True})
        for event in source.iter_sse():
            state["id"] = event.id
            if event.retry is not None:
                state["retry_seconds"] = event.retry / 1000
            show({"id": event.id, "event": event.event, "data": event.data})
    return True


def main():
    url = sys.argv[1]
    state = {"id": "", "retry_seconds": 3.0}
    # Proxies of the environment are not part of what is tested.
    with httpx.Client(timeout=None, trust_env=False) as client:
        while True:
            try:
                if not read_once(client, url, state):
                    break
            except httpx.TransportError:
                pass  # A cut connection: come back with the last id.
            time.sleep(state["retry_seconds"])
    show({"over": "adapter"})


main()
