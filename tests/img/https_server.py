# SPDX-License-Identifier: GPL-2.0-or-later
"""A server of files by http and https that knows ranges, as nbdkit's plugin curl needs."""
import contextlib
import http.server
import re
import ssl
import threading


def _handler(folder):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _head(self):
            with open(folder + self.path, "rb") as file:
                data = file.read()
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            first, last = map(int, wanted.groups()) if wanted else (0, len(data) - 1)
            last = min(last, len(data) - 1)  # nbdkit 1.32 asks for a byte more than it needs
            self.send_response(206 if wanted else 200)
            self.send_header("Accept-Ranges", "bytes")
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            self.send_header("Content-Length", str(last + 1 - first))
            self.end_headers()
            return data[first:last + 1]

        def do_HEAD(self):
            self._head()

        def do_GET(self):
            self.wfile.write(self._head())

        def log_message(self, *_words, **_names):
            pass

    return Handler


@contextlib.contextmanager
def serving(folder, certificate=None):
    """It serves @folder, by https if there is a @certificate (and its key): its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder)) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
