# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's end of what a guest sends and fetches: servers on loopback."""
import functools
import hashlib
import http.server
import socket
import threading


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Server:
    """Serves the files of a folder, on loopback or @host."""

    def __init__(self, folder, host="127.0.0.1"):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer((host, 0), functools.partial(Handler, directory=folder))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.server.shutdown()
        self.server.server_close()


class Receiver:
    """Takes one connection on loopback, and all that comes from there."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.result = []
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()

    def receive(self):
        sock, _ = self.listener.accept()
        with sock:
            data = b""
            while part := sock.recv(65536):
                data += part
        self.result.append(data)

    def data(self, timeout):
        """What came on the connection, which must have ended by then."""
        self.thread.join(timeout)
        if not self.result:
            raise TimeoutError(f"no connection that came and ended in {timeout} s")
        return self.result[0]

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.listener.close()
