"""A Botgate with a small backend behind it, for the scripts beside this one. Needs nothing but Python 3.9."""

import asyncio
import contextlib
import json
import pathlib
import queue
import subprocess
import tempfile
import threading

SECRET = "load-secret"
PATIENCE = 20  # seconds for anything that should happen at once

CONFIG = """
[server]
http = ["127.0.0.1:0"]
timeouts = {{ header = "10s", body = "30s", idle = "10m" }}
access_log = "off"

[admin]
listen = "127.0.0.1:0"

[upstreams.back]
kind = "passthrough"
url = "http://127.0.0.1:{port}"

[bots.hook]
dialect = "raw"
path = "/hook"
upstream = "back"
verify = {{ preset = "hmac", secrets = ["{secret}"] }}
limit = {{ rate = "1000000/s", burst = 1000000 }}

[bots.stripe]
dialect = "raw"
path = "/stripe"
upstream = "back"
verify = {{ preset = "stripe", secrets = ["{secret}"] }}
duplicates = "off"
"""


async def answer(reader, writer):
    """Reads requests with a Content-Length and answers each with 200."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].split(b"\r\n")[0].strip() or b"0"
            await reader.readexactly(int(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")
            await writer.drain()
    writer.close()


def backend():
    """Starts the backend in a thread of its own and returns its port."""
    port = queue.Queue()

    async def serve():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    return port.get(timeout=PATIENCE)


@contextlib.contextmanager
def served(binary):
    """Yields (process id, {listener: address}) of a running Botgate; ends it and checks its exit afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "botgate.toml")
        file.write_text(CONFIG.format(port=backend(), secret=SECRET))
        process = subprocess.Popen(
            [binary, "run", "-c", file, "--log-format", "json"], stderr=subprocess.PIPE, text=True
        )
        lines = queue.Queue()

        def gather():
            for line in process.stderr:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=gather, daemon=True).start()
        bound, said = {}, []
        try:
            while not {"http", "admin"} <= bound.keys():
                line = lines.get(timeout=PATIENCE)
                if line is None:
                    raise SystemExit("botgate did not start:\n" + "".join(said))
                said.append(line)
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if event.get("event") == "listening":
                        bound[event["listener"]] = event["addr"]
            yield process.pid, bound
        finally:
            process.terminate()
            if process.wait(timeout=60) != 0:
                raise SystemExit(f"botgate ended with {process.returncode}")
