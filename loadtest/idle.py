#!/usr/bin/env python3
"""Holds idle keep-alive connections and prints what each costs Botgate in resident memory.

usage: idle.py [--botgate FILE] [--connections 10000]

Each connection makes one signed request and then stays silent. At the end each is asked once more: all must still live.
"""

import argparse
import hashlib
import hmac
import pathlib
import re
import resource
import socket

from served import PATIENCE, SECRET, served

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--botgate", default="target/release/botgate")
parser.add_argument("--connections", type=int, default=10_000)
arguments = parser.parse_args()

# Botgate inherits the limit of open files.
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
if hard != resource.RLIM_INFINITY and hard < arguments.connections + 200:
    raise SystemExit(f"the limit of open files is {hard}: raise it (ulimit -Hn) or ask for fewer connections")

BODY = b'{"text":"hello"}'
SIGNATURE = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
REQUEST = (
    f"POST /hook HTTP/1.1\r\nHost: load\r\nContent-Length: {len(BODY)}\r\nX-Webhook-Signature: sha256={SIGNATURE}\r\n\r\n"
).encode() + BODY


def resident(pid):
    """Resident memory in KiB."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def ask(connection):
    """One request and its answer; the first line of the answer."""
    connection.sendall(REQUEST)
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
        part = connection.recv(4096)
        if not part:
            raise SystemExit(f"closed after {answer!r}")
        answer += part
    return answer.split(b"\r\n")[0]


def opened(address, count):
    connections = []
    for _ in range(count):
        connection = socket.create_connection(address, timeout=PATIENCE)
        if ask(connection) != b"HTTP/1.1 200 OK":
            raise SystemExit("a request was refused")
        connections.append(connection)
    return connections


with served(arguments.botgate) as (pid, bound):
    host, port = bound["http"].rsplit(":", 1)
    address = (host, int(port))
    # What the first requests allocate once and for all is no cost of a connection.
    warm = opened(address, 100)
    before = resident(pid)
    held = opened(address, arguments.connections)
    after = resident(pid)
    for connection in held:
        if ask(connection) != b"HTTP/1.1 200 OK":
            raise SystemExit("an idle connection did not live")
    again = resident(pid)
    print(f"{'connections':>12} {'before':>10} {'held':>10} {'after use':>10} {'per connection':>15}")
    print(
        f"{len(held):>12} {before:>6} KiB {after:>6} KiB {again:>6} KiB {(after - before) / len(held):>11.2f} KiB"
    )
