"""A file server on loopback with the API shape of the Hugging Face hub, and ways to make it fail."""
import hashlib
import json
import re
import urllib.parse

import loopback

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(loopback.Handler):
    def answer(self):
        hub = self.service
        self.route = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        with hub.lock:
            faults = list(hub.faults)
        for fault in faults:
            if fault(self):
                return
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}" and not self.route.startswith("/cdn/"):
            return self.reply(401, b"Invalid credentials", {"X-Error-Code": "GatedRepo"})
        if match := re.fullmatch(r"/api/models/(.+)/revision/(.+)", self.route):
            return self.describe(*match.groups())
        if match := re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", self.route):
            return self.resolve(*match.groups())
        if match := re.fullmatch(r"/cdn/(\w+)", self.route):
            for repository in hub.repositories.values():
                for data in repository.values():
                    if hashlib.sha256(data).hexdigest() == match[1]:
                        return self.send_file(data, {"ETag": f'"{match[1]}"'})
        if self.route in hub.plain:
            data = hub.plain[self.route]
            return self.send_file(data, {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})
        self.reply(404, b"Entry not found", {"X-Error-Code": "EntryNotFound"})

    def describe(self, name, revision):
        hub = self.service
        if name not in hub.repositories:
            return self.reply(401, b'{"error":"Invalid username or password."}', {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", "refs/pr/1", COMMIT):
            return self.reply(404, b'{"error":"Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
        siblings = []
        for file, data in hub.repositories[name].items():
            sibling = {"rfilename": file, "size": len(data), "blobId": git_sha1(data)}
            if self.is_large(file):
                sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(sibling)
        body = json.dumps({"id": name, "modelId": name, "sha": COMMIT, "private": False, "siblings": siblings + hub.more_siblings})
        self.reply(200, body.encode(), {"Content-Type": "application/json; charset=utf-8"})

    @staticmethod
    def is_large(file):
        return file.endswith((".safetensors", ".bin", ".h5", ".msgpack"))

    def resolve(self, name, revision, file):
        hub = self.service
        data = hub.repositories.get(name, {}).get(file)
        if data is None or revision not in ("main", COMMIT):
            return self.reply(404, b"Entry not found", {"X-Error-Code": "EntryNotFound"})
        fields = {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if self.is_large(file):
            digest = hashlib.sha256(data).hexdigest()
            fields |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data)), "Location": f"{hub.cdn}/cdn/{digest}?signature=hidden"}
            return self.reply(302, b"Found. Redirecting", fields)
        self.send_file(data, fields | {"ETag": f'"{git_sha1(data)}"'})

    def send_file(self, data, fields, status=200):
        wanted = self.range_of(data)
        if wanted and self.headers.get("If-Range", fields.get("ETag")) == fields.get("ETag") and not self.service.no_ranges:
            begin, end = wanted
            if begin >= len(data):
                return self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return self.reply(206, data[begin:end], fields | {"Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"})
        self.reply(status, data, fields)


class Hub(loopback.Service):
    """with Hub() as hub: hub.url, hub.repositories["org/name"]["file"] = bytes"""
    handler = Handler

    def __init__(self, certificate=None):
        super().__init__(certificate)
        self.repositories, self.plain = {}, {}
        self.faults, self.more_siblings = [], []
        self.token, self.no_ranges = None, False
        self.cdn = self.url

    def once(self, method, pattern, act):
        """The next request that fits is answered by act(handler)."""
        used = []

        def fault(handler):
            with self.lock:
                if used or handler.command != method or not re.search(pattern, handler.path):
                    return False
                used.append(1)
            act(handler)
            return True

        self.faults.append(fault)

    def always(self, method, pattern, act):
        def fault(handler):
            if handler.command != method or not re.search(pattern, handler.path):
                return False
            act(handler)
            return True

        self.faults.append(fault)
