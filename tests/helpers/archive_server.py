"""Archives, and a local server of files with many kinds of failures."""

import collections
import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def packed(*members):
    """A tar.gz of (name, content); a dict instead of a content holds the attributes of a member without one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, dict):
                for attribute, value in content.items():
                    setattr(member, attribute, value)
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


LOGGED = ("Range", "If-Range", "Accept-Encoding")


class Handler(BaseHTTPRequestHandler):
    """A handler that answers with one of `server.faults` per request, then with `server.always`."""

    def do_GET(self):
        server = self.server
        fault = collections.defaultdict(lambda: None, server.faults.pop(0) if server.faults else server.always)
        request = {"path": self.path, "sent": 0} | {name: self.headers[name] for name in LOGGED}
        server.log.append(request)
        if fault["status"] or self.path not in server.files:
            self.send_error(fault["status"] or 404)
            return
        body = server.files[self.path]
        etag = fault["etag"] or f'"{hashlib.sha1(body).hexdigest()}"'
        start = 0
        modified = (fault["headers"] or {}).get("Last-Modified")
        current = fault["no_if_range"] or self.headers["If-Range"] in (None, etag, modified)
        if self.headers["Range"] and not fault["no_ranges"] and current:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        if not fault["no_etag"]:
            self.send_header("ETag", etag)
        if not fault["no_length"]:
            self.send_header("Content-Length", str(len(body) - start + (fault["lacks"] or 0)))
        if start:
            self.send_header("Content-Range", f"bytes {start + (fault['shift'] or 0)}-{len(body) - 1}/{len(body)}")
        for name, value in (fault["headers"] or {}).items():
            self.send_header(name, value)
        self.end_headers()
        end = len(body) if fault["stop"] is None else start + fault["stop"]
        for place in range(start, end, fault["piece"] or len(body)):
            piece = body[place : min(end, place + (fault["piece"] or len(body)))]
            self.wfile.write(piece)
            request["sent"] += len(piece)
        if fault["stall"]:
            server.over.wait(10)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Server of `files` with the failures of the next requests, and a log of the requests."""

    daemon_threads = False

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.faults, self.always, self.log = [], {}, []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_):
        pass  # the client went away
