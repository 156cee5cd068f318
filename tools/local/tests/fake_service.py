"""A service in a few lines, run as a program: /readyz on a port; an argument sets its behaviour."""

import http.server
import signal
import sys
import time


class Readyz(http.server.BaseHTTPRequestHandler):
    ready_at = time.monotonic()

    def do_GET(self):
        ready = time.monotonic() >= self.ready_at
        body = b'{"reasons": {}}' if ready else b'{"reasons": {"broker": "not connected"}}'
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


port, behaviour = int(sys.argv[1]), sys.argv[2]
if behaviour == "misconfigured":
    print("MAILYARD_FAKE_LIMIT: no such setting")
    sys.exit(78)
if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: (print("stopped"), sys.exit(0)))
if behaviour == "never-ready":
    Readyz.ready_at += 3600
http.server.HTTPServer.allow_reuse_address = True
http.server.HTTPServer(("127.0.0.1", port), Readyz).serve_forever()
