"""A proxy on loopback, for http and (by CONNECT) https, that knows names of its own."""
import base64
import select
import socket
import urllib.parse

import loopback


class Handler(loopback.Handler):
    def answer(self):
        proxy = self.service
        if proxy.password and self.headers.get("Proxy-Authorization") != "Basic " + base64.b64encode(proxy.password.encode()).decode():
            return self.reply(407, b"Who are you?", {"Proxy-Authenticate": 'Basic realm="test"'})
        tunnel = self.command == "CONNECT"
        url = urllib.parse.urlsplit("//" + self.path if tunnel else self.path)
        port = proxy.names.get(url.hostname)
        if port is None:
            return self.reply(502, b"No such host")
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            if tunnel:
                self.send_response(200, "Connection established")
                self.end_headers()
                return self.relay(upstream)
            fields = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
            head = [f"{self.command} {url._replace(scheme='', netloc='').geturl()} HTTP/1.1"]
            head += [f"{name}: {value}" for name, value in (fields | {"Connection": "close"}).items()]
            upstream.sendall("\r\n".join([*head, "", ""]).encode())
            while piece := upstream.recv(65536):
                self.wfile.write(piece)

    def relay(self, upstream):
        ends = {self.connection: upstream, upstream: self.connection}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                piece = end.recv(65536)
                if not piece:
                    return
                ends[end].sendall(piece)


class Proxy(loopback.Service):
    """with Proxy({"hub.example": port}) as proxy; `password` is "user:password"."""
    handler = Handler

    def __init__(self, names, password=None):
        super().__init__()
        self.names, self.password = names, password
