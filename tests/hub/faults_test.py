#!/usr/bin/env python3
"""Servers that are busy, wrong or hostile.
usage: faults_test.py PROGRAM SOURCE_DIR"""
import sys
import unittest

from hub_case import NAME, HubCase
from hub_server import COMMIT, Hub


class Faults(HubCase):
    def test_429_and_503_are_waited_for_as_the_server_asks(self):
        for pattern in ("/api/", "resolve.*config.json", "/cdn/"):
            self.hub.once("GET", pattern, lambda handler: handler.reply(429, b"", {"Retry-After": "0"}))
            self.hub.once("GET", pattern, lambda handler: handler.reply(503, b"", {"Retry-After": "0.01"}))
        self.hub.once("HEAD", "resolve", lambda handler: handler.reply(502, b"", {"Retry-After": "0"}))
        self.download(NAME)
        self.same_files(self.snapshot(), self.wanted)

    def test_a_wait_that_is_too_long_is_refused_at_once(self):
        self.hub.always("GET", "/api/", lambda handler: handler.reply(429, b"", {"Retry-After": "3600"}))
        self.refused(6, ["asks to wait 3600 s", "try again later"], NAME)
        self.assertEqual(len(self.hub.requests), 1)

    def test_a_wrong_checksum_is_refused_and_the_file_deleted(self):
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(200, bytes(len(self.weights))))
        self.refused(9, ["model.safetensors: its sha256 is", "announced was " + self.digest], NAME)
        self.assertFalse(self.partial.exists())
        self.assertFalse((self.snapshot() / "model.safetensors").exists())
        self.hub.once("GET", "resolve.*tokenizer.json", lambda handler: handler.reply(200, b"[]"))
        self.refused(9, "tokenizer.json: its git sha1 is", NAME)
        self.download(NAME)

    def test_html_instead_of_json_is_named(self):
        self.hub.once("GET", "/api/", lambda handler: handler.reply(200, b"<!DOCTYPE html><html>", {"Content-Type": "text/html"}))
        self.refused(9, ["answers with 'text/html', wanted JSON", "HF_ENDPOINT"], NAME)
        self.hub.once("GET", "/api/", lambda handler: handler.reply(200, b"<!DOCTYPE html><html>", {"Content-Type": "application/json"}))
        self.refused(9, "JSON", NAME)
        for body in (b"{}", b"[]", b'{"sha":"x","siblings":[]}', b'{"sha":"%s","siblings":[1]}' % COMMIT.encode()):
            self.hub.once("GET", "/api/", lambda handler, body=body: handler.reply(200, body, {"Content-Type": "application/json"}))
            self.refused(9, "wanted", NAME)

    def test_a_content_length_that_lies_is_refused(self):
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(200, self.weights + b"more"))
        self.refused(9, "3000000 bytes were announced, but the server now speaks of 3000004", NAME)
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(200, b"<html>not found</html>", {"Content-Type": "text/html"}))
        self.refused(9, "now speaks of 22", NAME)

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(self.weights + b"more")
            handler.close_connection = True

        self.hub.once("GET", "/cdn/", endless)
        self.refused(9, "more than the 3000000 bytes it has promised", NAME)

    def test_names_that_lead_out_of_the_cache_are_refused(self):
        for name in ("../../../x", "/tmp/x", "a/../../x", "a\\x", "a\nx"):
            self.hub.more_siblings = [{"rfilename": name}]
            self.refused(9, "wanted a relative path without '..'", NAME)
        self.hub.more_siblings = []
        for etag in ('"../../x"', '""', '".x"', '"a/b"'):
            self.hub.once("HEAD", "config.json", lambda handler, etag=etag: handler.reply(200, b"", {"ETag": etag}))
            self.refused(9, "no ETag that can name a file", NAME)
        self.assertEqual(list(self.folder.rglob("*x")), [])

    def test_a_million_files_are_refused(self):
        self.hub.more_siblings = [{"rfilename": f"f{i}"} for i in range(1_000_000)]
        self.refused(5, "at most 100000 are looked at", NAME)

    def test_an_answer_without_end_is_refused(self):
        self.hub.once("GET", "/api/", lambda handler: handler.reply(200, b" " * (65 << 20), {"Content-Type": "application/json"}))
        self.refused(5, "longer than 67108864 bytes", NAME)

    def test_nobody_listens(self):
        self.hub.always("GET", "", lambda handler: handler.cut(200, b"", {}, 5))
        with Hub() as other:
            closed = other.url
        _, errors = self.ganglion("download", NAME, code=6, environment={"HF_ENDPOINT": closed})
        self.assertIn("given up after 3 attempts", errors)

    def test_models_that_are_not_there_or_not_readable_say_what_to_do(self):
        self.refused(3, ["no such model, or a private one", "HF_TOKEN"], "org/nothing")
        self.hub.repositories["org/tf"] = {"config.json": b"{}", "tf_model.h5": b"x"}
        self.refused(3, "there is tf_model.h5", "org/tf")
        self.refused(3, ["no such folder", "neither a Hugging Face id"], "./org/small")
        self.refused(4, "DJL's model zoo", "djl://ai.djl.huggingface.pytorch/gpt2")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
