#!/usr/bin/python3
"""A server that needs a unique small number: it listens on 127.0.0.1, on BASE + its number.

    zksup run -- examples/number-server.py --base 8000

Two servers with the same number would fight over a port here; in earnest the number is a shard, a
data directory, an identity. It is given by ZK_SEQUENCE, and ZK_FENCE is the fencing token that grows
with every grant: a store that remembers the greatest it has seen can refuse an older holder."""

import argparse
import http.server
import os
import signal
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (self.server.greeting + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=int, default=8000, help="listen on this port plus the number (8000)")
    parser.add_argument("--name", default="a server", help="who answers")
    options = parser.parse_args()
    try:
        number = int(os.environ["ZK_SEQUENCE"])
    except (KeyError, ValueError):
        sys.exit("number-server: ZK_SEQUENCE is no number; start it with: zksup run -- number-server.py")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = http.server.HTTPServer(("127.0.0.1", options.base + number), Handler)
    server.greeting = f"number {number}, {options.name}, process {os.getpid()}, token {os.environ.get('ZK_FENCE', '-')}"
    print(f"number {number}: http://127.0.0.1:{options.base + number}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
