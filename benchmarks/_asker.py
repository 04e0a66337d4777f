"""Somebody who asks a service, in a process of its own: batches of requests come in on stdin, times and results go out on stdout."""

import pickle
import sys
import time

import httpx2


def main() -> None:
    """Until stdin ends: [(path, content), ...] -> (when it began, when it ended, the results of each)."""
    with httpx2.Client(base_url=sys.argv[1], timeout=60, trust_env=False) as http:
        while True:
            try:
                requests = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            began = time.monotonic()
            replies = [http.post(path, **content).raise_for_status().json()["results"] for path, content in requests]
            pickle.dump((began, time.monotonic(), replies), sys.stdout.buffer)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
