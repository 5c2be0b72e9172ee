"""Servers on loopback: what the hub's and S3's have in common."""
import http.server
import re
import socket
import ssl
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Notes every request; answer() is what makes a service."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def service(self):
        return self.server.service

    def serve(self):
        with self.service.lock:
            self.service.requests.append((self.command, self.path, dict(self.headers)))
        self.answer()

    do_GET = do_HEAD = do_PUT = do_CONNECT = serve

    def reply(self, status, body, fields=None, length=None):
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self, status, body, fields, length):
        """Fewer bytes than announced, then the end of the connection."""
        self.reply(status, body, fields, length)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def range_of(self, data):
        """The (begin, end) of `data` that is asked for; None for all of it."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        return wanted and (int(wanted[1]), min(int(wanted[2]) + 1 if wanted[2] else len(data), len(data)))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass  # clients that leave are part of the tests


class Service:
    """with Service() as service: service.url, service.requests. A certificate, (chain, key) as files, makes it https."""
    handler = Handler

    def __init__(self, certificate=None):
        self.lock = threading.Lock()
        self.requests = []
        self.server = Server(("127.0.0.1", 0), self.handler)
        self.server.service = self
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            # The handshake is the connection's thread's.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def asked(self, method, pattern):
        with self.lock:
            return [(path, fields) for verb, path, fields in self.requests if verb == method and re.search(pattern, path)]
