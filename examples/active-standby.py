#!/usr/bin/python3
"""A counter that one host keeps and the others copy: the same program as leader and as standby.

    zksup lead counter --standby 'examples/active-standby.py --port 8000' -- examples/active-standby.py --port 8000

The leader answers each request with the next number. A standby fetches the number ten times a second and keeps it
in its own file, so that it goes on from there when it leads. zksup stops the standby before it starts the leader,
and the leader of one host before that of the next. Which of the two it is, the program finds in ZK_ROLE.

What was given out after the last copy is not known to the next leader, so that it leaves a gap. As long as fewer than
GAP numbers are given out between two copies, none is given out twice; which could not be had with two leaders."""

import argparse
import http.server
import os
import pathlib
import signal
import sys
import time
import urllib.request

GAP = 1000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/next":
            self.server.number += 1
            write(self.server.file, self.server.number)
        body = f"{self.server.number} token {os.environ.get('ZK_FENCE', '-')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def read(file):
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0


def write(file, number):
    new = file.with_suffix(".new")
    new.write_text(str(number))
    new.replace(file)


def lead(address, file):
    server = http.server.HTTPServer(address, Handler)
    server.file, server.number = file, read(file) + GAP
    print(f"leader: http://{address[0]}:{address[1]}/next, from {server.number}", flush=True)
    server.serve_forever()


def stand_by(address, file):
    print("standby", flush=True)
    while True:
        try:
            with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/", timeout=2) as answer:
                number = int(answer.read().split()[0])
        except (OSError, ValueError, IndexError):
            number = 0  # nobody leads just now
        if number > read(file):
            write(file, number)
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1", help="where the leader listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="on which port (8000)")
    parser.add_argument("--file", type=pathlib.Path, default="counter", help="this host's copy of the number (counter)")
    options = parser.parse_args()
    role = os.environ.get("ZK_ROLE")
    if role not in ("leader", "standby"):
        sys.exit("active-standby: ZK_ROLE is neither leader nor standby; start it with zksup lead")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    (lead if role == "leader" else stand_by)((options.address, options.port), options.file)


if __name__ == "__main__":
    main()
