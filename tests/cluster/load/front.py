"""A front of the platform that takes one key alone, and can be told another one: `PUT /key`. It passes on all else."""

import http.client
import http.server
import sys


class Front(http.server.BaseHTTPRequestHandler):
    keys: frozenset[str] = frozenset()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/key":
            Front.keys = frozenset(body.decode().split())
            return self.reply(204)
        if self.headers["x-api-key"] not in Front.keys:
            return self.reply(401)
        platform = http.client.HTTPConnection("platform", 9016)
        platform.request(self.command, self.path, body, {**self.headers, "host": "platform"})
        answer = platform.getresponse()
        # Without a length: the end of the connection is the end of the answer, and of an event stream.
        self.reply(answer.status, answer.headers["content-type"])
        while piece := answer.read1(65536):
            self.wfile.write(piece)
            self.wfile.flush()

    def reply(self, status: int, kind: str | None = None) -> None:
        self.send_response(status)
        if kind:
            self.send_header("content-type", kind)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass

    do_GET = do_POST = do_DELETE = do_PUT = answer


if __name__ == "__main__":
    Front.keys = frozenset(sys.argv[1:])
    http.server.ThreadingHTTPServer(("", 9016), Front).serve_forever()
