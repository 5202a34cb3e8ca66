"""PyPI sseclient-py over requests: the usual loop around an iterator that leaves reconnecting to its user."""

import json
import sys
import time

import requests
from sseclient import SSEClient


def show(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def read_once(session, url, state):
    headers = {"Accept": "text/event-stream"}
    if state["id"]:
        headers["Last-Event-ID"] = state["id"]
    with session.get(url, headers=headers, stream=True) as response:
        if response.status_code != 200:
            return False
        show({"open": True})
        for event in SSEClient(response).events():
            if event.id is not None:
                state["id"] = event.id
            if event.retry is not None:
                state["retry_seconds"] = int(event.retry) / 1000
            show({"id": event.id, "event": event.event, "data": event.data})
    return True


def main():
    url = sys.argv[1]
    state = {"id": "", "retry_seconds": 0.1}
    session = requests.Session()
    # Proxies of the environment are not part of what is tested.
    session.trust_env = False
    while True:
        try:
            if not read_once(session, url, state):
                break
        except requests.RequestException:
            pass  # A cut connection: come back with the last id.
        time.sleep(state["retry_seconds"])
    show({"over": "adapter"})


main()
