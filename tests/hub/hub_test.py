#!/usr/bin/env python3
"""Models of the Hugging Face hub, through the program, against a server on loopback. usage: hub_test.py PROGRAM SOURCE_DIR"""
import hashlib
import json
import os
import pty
import random
import resource
import signal
import subprocess
import sys
import threading
import unittest

from client import MODEL, PROGRAM, Case, model_files
from hub_server import COMMIT, Hub, git_sha1

NAME = "org/small"


def bytes_of(count, seed=0):
    return random.Random(seed).randbytes(count)


class HubCase(Case):
    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.hub.__enter__()
        self.addCleanup(self.hub.__exit__)
        self.environment["HF_ENDPOINT"] = self.hub.url
        self.weights = bytes_of(3_000_000)
        self.digest = hashlib.sha256(self.weights).hexdigest()
        self.wanted = {"config.json": b'{"model_type":"opt"}', "tokenizer.json": b"{}", "model.safetensors": self.weights}
        self.hub.repositories[NAME] = self.wanted | {"pytorch_model.bin": b"b", "tf_model.h5": b"h", "flax_model.msgpack": b"f",
                                                     "README.md": b"r", "onnx/model.onnx": b"o"}
        self.root = self.cache / "models--org--small"
        self.partial = self.root / "blobs" / (self.digest + ".incomplete")

    def snapshot(self):
        return self.root / "snapshots" / COMMIT


class Cache(HubCase):
    def test_has_huggingface_hubs_layout_and_only_the_files_that_are_wanted(self):
        self.assertEqual(self.download(NAME), self.snapshot())
        self.same_files(self.snapshot(), self.wanted)
        self.assertEqual((self.root / "refs" / "main").read_text(), COMMIT)
        self.assertEqual(os.readlink(self.snapshot() / "model.safetensors"), f"../../blobs/{self.digest}")
        blobs = {self.digest, git_sha1(self.wanted["config.json"]), git_sha1(self.wanted["tokenizer.json"])}
        self.assertEqual({path.name for path in (self.root / "blobs").iterdir()}, blobs)

    def test_what_is_there_is_not_fetched_again(self):
        self.download(NAME)
        self.hub.requests.clear()
        self.download(NAME)
        self.assertEqual([path for _, path, _ in self.hub.requests], [f"/api/models/{NAME}/revision/main?blobs=true"])
        self.hub.requests.clear()
        self.download(NAME, "--revision", COMMIT)
        self.assertEqual(self.hub.requests, [])

    def test_a_missing_file_alone_is_fetched(self):
        self.download(NAME)
        (self.snapshot() / "tokenizer.json").unlink()
        self.hub.requests.clear()
        self.download(NAME)
        self.same_files(self.snapshot(), self.wanted)
        self.assertEqual(self.hub.asked("GET", "resolve"), [])  # its blob is still there

    def test_without_safetensors_the_shards_of_pytorch_are_taken(self):
        index = json.dumps({"weight_map": {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}}).encode()
        wanted = {"config.json": b"{}", "pytorch_model.bin.index.json": index, "pytorch_model-1.bin": b"one", "pytorch_model-2.bin": b"two"}
        self.hub.repositories["org/sharded"] = wanted | {"tf_model.h5": b"h"}
        self.same_files(self.download("org/sharded"), wanted)
        del self.hub.repositories["org/sharded"]["pytorch_model-2.bin"]
        self.refused(9, "names the shard pytorch_model-2.bin", "org/sharded", "--cache", self.folder / "other")

    def test_a_name_without_an_organisation_and_files_in_folders(self):
        wanted = {"config.json": b"{}", "pytorch_model.bin/key_to_filename.json": b"{}", "pytorch_model.bin/p 0.bin": b"w"}
        self.hub.repositories["gpt2"] = wanted
        folder = self.download("gpt2")
        self.assertEqual(folder.parent.parent, self.cache / "models--gpt2")
        self.same_files(folder, wanted)
        self.assertTrue(os.readlink(folder / "pytorch_model.bin" / "p 0.bin").startswith("../../../blobs/"))

    def test_the_places_of_the_cache(self):
        elsewhere = self.folder / "elsewhere"
        self.assertEqual(self.download(NAME, environment={"HF_HUB_CACHE": str(elsewhere)}).parts[:-3], elsewhere.parts)
        self.assertEqual(self.download(NAME, "--cache", elsewhere / "b").parts[:-3], (elsewhere / "b").parts)

    def test_offline_only_the_cache_is_used(self):
        self.refused(3, "HF_HUB_OFFLINE", NAME, environment={"HF_HUB_OFFLINE": "1"})
        self.download(NAME)
        self.hub.requests.clear()
        self.assertEqual(self.download(NAME, environment={"HF_HUB_OFFLINE": "1"}), self.snapshot())
        self.assertEqual(self.hub.requests, [])
        (self.root / "blobs" / self.digest).unlink()
        self.refused(3, "HF_HUB_OFFLINE", NAME, environment={"HF_HUB_OFFLINE": "1"})

    def test_a_cache_that_may_only_be_read_is_used(self):
        self.download(NAME)
        self.folder.chmod(0o755)
        for path in [self.cache, *self.cache.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o555 if path.is_dir() else 0o444)
        become = (lambda: os.setuid(65534)) if os.getuid() == 0 else None
        out, _ = self.ganglion("download", NAME, preexec_fn=become)
        self.assertEqual(out.strip(), str(self.snapshot()))
        self.hub.repositories[NAME]["generation_config.json"] = b"{}"
        _, errors = self.ganglion("download", NAME, preexec_fn=become, code=2)
        self.assertIn("choose another cache", errors)
        for path in [self.cache, *self.cache.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)

    def test_when_the_hub_cannot_be_reached_the_cache_is_used(self):
        self.download(NAME)
        fields = {"Retry-After": "0"}
        self.hub.always("GET", "/api/", lambda handler: handler.reply(503, b"", fields))
        out, errors = self.ganglion("download", NAME)
        self.assertEqual(out.strip(), str(self.snapshot()))
        self.assertIn("the cache's copy is used", errors)
        self.refused(6, "answered with 503; given up after 3 attempts", "org/other")

    def test_revisions(self):
        self.assertEqual(self.download(NAME, "--revision", "refs/pr/1"), self.snapshot())
        self.assertEqual((self.root / "refs" / "refs" / "pr" / "1").read_text(), COMMIT)
        self.refused(3, "not the revision 'v9'", NAME, "--revision", "v9")
        self.refused(2, "wanted a branch, a tag or a commit", NAME, "--revision", "../main")
        self.refused(2, "is for Hugging Face ids", MODEL, "--revision", "main")

    def test_several_processes_fetch_one_file_once(self):
        inside, go_on = threading.Event(), threading.Event()

        def slowly(handler):
            inside.set()
            go_on.wait(60)
            handler.send_file(self.weights, {"ETag": f'"{self.digest}"'})

        self.hub.once("GET", "/cdn/", slowly)
        processes = [self.start("download", NAME)]
        self.assertTrue(inside.wait(60))
        processes += [self.start("download", NAME) for _ in range(3)]
        while len(self.hub.asked("HEAD", "model.safetensors")) < 4:  # the others have come as far as the lock
            self.assertTrue(all(process.poll() is None for process in processes))
        go_on.set()
        for process in processes:
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, errors)
        self.same_files(self.snapshot(), self.wanted)
        self.assertEqual(len(self.hub.asked("GET", "/cdn/")), 1)


class Resume(HubCase):
    def ranges(self):
        return [fields.get("Range") for _, fields in self.hub.asked("GET", "/cdn/")]

    def cut_after(self, count):
        self.hub.once("GET", "/cdn/", lambda handler: handler.cut(200, self.weights[:count], {}, len(self.weights)))

    def test_a_connection_that_is_cut_goes_on_where_it_ended(self):
        self.cut_after(1_000_000)
        self.download(NAME)
        self.same_files(self.snapshot(), self.wanted)
        self.assertEqual(self.ranges(), [None, "bytes=1000000-"])

    def test_a_partial_file_of_an_earlier_run_is_gone_on_with(self):
        self.partial.parent.mkdir(parents=True)
        self.partial.write_bytes(self.weights[:2_500_000])
        self.download(NAME)
        self.same_files(self.snapshot(), self.wanted)
        self.assertEqual(self.ranges(), ["bytes=2500000-"])
        self.assertFalse(self.partial.exists())

    def test_a_partial_file_that_is_whole_is_only_checked(self):
        self.partial.parent.mkdir(parents=True)
        self.partial.write_bytes(self.weights)
        self.download(NAME)
        self.assertEqual(self.ranges(), [])

    def test_a_partial_file_with_other_bytes_or_too_many_ends_well(self):
        self.partial.parent.mkdir(parents=True)
        self.partial.write_bytes(b"x" * 4_000_000)
        self.download(NAME)
        self.assertEqual(self.ranges(), [None])
        (self.root / "blobs" / self.digest).rename(self.partial)
        with self.partial.open("r+b") as file:
            file.truncate(2_000_000)
            file.write(b"other")
        self.refused(9, "its sha256 is", NAME)
        self.assertFalse(self.partial.exists())
        self.download(NAME)
        self.same_files(self.snapshot(), self.wanted)

    def test_416_starts_anew(self):
        self.partial.parent.mkdir(parents=True)
        self.partial.write_bytes(self.weights[:100])
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(416, b"", {"Content-Range": "bytes */50"}))
        self.download(NAME)
        self.assertEqual(self.ranges(), ["bytes=100-", None])

    def test_a_server_that_knows_no_ranges_starts_anew(self):
        self.partial.parent.mkdir(parents=True)
        self.partial.write_bytes(self.weights[:100])
        self.hub.no_ranges = True
        self.download(NAME)
        self.same_files(self.snapshot(), self.wanted)

    def test_an_interrupted_download_leaves_a_prefix_and_goes_on(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            sent, go_on = threading.Event(), threading.Event()

            def half(handler, sent=sent, go_on=go_on):
                self.partial_begin = int(handler.headers.get("Range", "bytes=0-")[6:-1])
                handler.send_response(206 if self.partial_begin else 200)
                handler.send_header("Content-Length", str(len(self.weights) - self.partial_begin))
                handler.send_header("Content-Range", f"bytes {self.partial_begin}-{len(self.weights) - 1}/{len(self.weights)}")
                handler.end_headers()
                handler.wfile.write(self.weights[self.partial_begin:self.partial_begin + 700_000])
                handler.wfile.flush()
                sent.set()
                go_on.wait(60)
                handler.close_connection = True

            self.hub.once("GET", "/cdn/", half)
            process = self.start("download", NAME)
            self.assertTrue(sent.wait(60))
            while not self.partial.exists() or self.partial.stat().st_size < self.partial_begin + 700_000:
                self.assertIsNone(process.poll())
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
            go_on.set()
            self.assertEqual(process.returncode, 7, errors)
            self.assertIn("cancelled", errors)
            self.assertEqual(self.partial.read_bytes(), self.weights[:self.partial_begin + 700_000])
        self.download(NAME)
        self.assertEqual(self.ranges()[-1], "bytes=1400000-")
        self.same_files(self.snapshot(), self.wanted)

    def test_a_full_disk_leaves_a_prefix_and_goes_on(self):
        def little():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        self.refused(5, "writing failed after 1500000 bytes", NAME, preexec_fn=little, restore_signals=False)
        self.assertEqual(self.partial.read_bytes(), self.weights[:1_500_000])
        self.download(NAME)
        self.assertEqual(self.ranges()[-1], "bytes=1500000-")

    def test_too_little_room_is_said_before_anything_is_fetched(self):
        self.hub.repositories[NAME] = self.wanted
        self.hub.always("GET", "/api/", lambda handler: handler.reply(200, json.dumps(
            {"sha": COMMIT, "siblings": [{"rfilename": "config.json"}, {"rfilename": "model.safetensors", "size": 1 << 60}]}).encode(),
            {"Content-Type": "application/json"}))
        self.refused(5, ["free: ", "1152921.5 TB are wanted"], NAME)
        self.assertEqual(self.hub.asked("GET", "resolve"), [])


class Large(HubCase):
    """Files that are fetched in pieces over several connections."""

    def setUp(self):
        super().setUp()
        self.weights = self.wanted["model.safetensors"] = self.hub.repositories[NAME]["model.safetensors"] = bytes_of(50_000_001)
        self.digest = hashlib.sha256(self.weights).hexdigest()
        self.partial = self.root / "blobs" / (self.digest + ".incomplete")

    def test_pieces_come_over_several_connections_and_the_redirect_is_followed_once_or_so(self):
        meet = threading.Barrier(4)

        def together(handler):
            if handler.command == "GET" and "/cdn/" in handler.path and not meet.broken:
                try:
                    meet.wait(10)  # four requests are under way at once
                    self.met = True
                except threading.BrokenBarrierError:
                    pass
                meet.abort()
            return False

        self.met = False
        self.hub.faults.append(together)
        self.download(NAME, "--connections", "4")
        self.assertTrue(self.met)
        self.same_files(self.snapshot(), self.wanted)
        pieces = sorted(int(fields["Range"][6:].split("-")[0]) for _, fields in self.hub.asked("GET", "/cdn/"))
        self.assertEqual(pieces, [i * (8 << 20) for i in range(6)])
        self.assertLessEqual(len(self.hub.asked("GET", "resolve.*safetensors")), 4)

    def test_a_piece_that_is_cut_or_refused_is_fetched_alone(self):
        self.hub.once("GET", "/cdn/", lambda handler: handler.cut(206, self.piece(handler)[:3_000_000], self.fields(handler), 8 << 20))
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(503, b"", {"Retry-After": "0"}))
        self.download(NAME)
        self.same_files(self.snapshot(), self.wanted)

    def piece(self, handler):
        begin, last = map(int, handler.headers["Range"][6:].split("-"))
        return self.weights[begin:last + 1]

    def fields(self, handler):
        return {"Content-Range": handler.headers["Range"].replace("=", " ") + f"/{len(self.weights)}"}

    def test_a_signature_that_runs_out_is_asked_for_anew(self):
        self.served = 0

        def expire(handler):
            if handler.command != "GET" or "/cdn/" not in handler.path:
                return False
            self.served += 1
            if self.served != 4:
                return False
            handler.reply(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
            return True

        self.hub.faults.append(expire)
        self.download(NAME, "--connections", "2")
        self.same_files(self.snapshot(), self.wanted)

    def test_goes_on_from_a_prefix_and_without_ranges_with_one_connection(self):
        self.partial.parent.mkdir(parents=True)
        self.partial.write_bytes(self.weights[:10_000_000])
        self.download(NAME)
        self.assertIn("bytes=10000000-18388607", [fields["Range"] for _, fields in self.hub.asked("GET", "/cdn/")])
        (self.root / "blobs" / self.digest).unlink()
        self.hub.no_ranges = True
        _, errors = self.ganglion("download", NAME)
        self.assertIn("no ranges; one connection is used", errors)
        self.same_files(self.snapshot(), self.wanted)

    def test_a_wrong_piece_is_refused_by_the_digest(self):
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(206, bytes(len(self.piece(handler))), self.fields(handler)))
        self.refused(9, "its sha256 is", NAME)
        self.assertFalse(self.partial.exists())

    def test_a_piece_of_another_place_is_refused(self):
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(206, b"x", {"Content-Range": f"bytes 1-1/{len(self.weights)}"}))
        self.refused(9, "Content-Range is 'bytes 1-1/50000001'", NAME)


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


class Secrets(HubCase):
    TOKEN = "hf_verysecret"

    def setUp(self):
        super().setUp()
        self.hub.token = self.TOKEN

    def test_a_gated_model_wants_a_token_and_gets_it_from_the_environment_or_the_file(self):
        self.refused(2, ["accepted its terms", "no token is set (HF_TOKEN)"], NAME)
        errors = self.refused(2, "the token may not read it", NAME, environment={"HF_TOKEN": "hf_wrong"})
        self.assertNotIn("hf_wrong", errors)
        self.download(NAME, environment={"HF_TOKEN": self.TOKEN})
        (self.folder / "hf").mkdir(exist_ok=True)
        (self.folder / "hf" / "token").write_text(self.TOKEN + "\n")
        self.download(NAME, "--cache", self.folder / "b")
        (self.folder / "elsewhere").write_text(self.TOKEN)
        (self.folder / "hf" / "token").unlink()
        self.download(NAME, "--cache", self.folder / "c", environment={"HF_TOKEN_PATH": str(self.folder / "elsewhere")})

    def test_the_token_goes_to_the_hub_alone(self):
        with Hub() as cdn:
            cdn.repositories = self.hub.repositories
            self.hub.cdn = cdn.url  # the same host, another port: another origin
            self.download(NAME, environment={"HF_TOKEN": self.TOKEN})
            self.assertTrue(cdn.requests)
            self.assertTrue(all("Authorization" not in fields for _, _, fields in cdn.requests))
        self.assertTrue(all(fields.get("Authorization") == f"Bearer {self.TOKEN}" for _, _, fields in self.hub.requests))

    def test_no_log_holds_the_token_or_a_signature(self):
        self.hub.once("GET", "/cdn/", lambda handler: handler.cut(200, b"x" * 10, {}, len(self.weights)))
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(503, b"", {"Retry-After": "0"}))
        _, errors = self.ganglion("--log", "debug", "download", NAME, code=9, environment={"HF_TOKEN": self.TOKEN})
        self.hub.always("GET", "/cdn/", lambda handler: handler.reply(403, b"no"))
        _, more = self.ganglion("--log", "debug", "download", NAME, code=2, environment={"HF_TOKEN": self.TOKEN})
        self.assertIn("answered with 403: no", more)
        self.assertNotIn(self.TOKEN, errors + more)
        self.assertNotIn("signature=", errors + more)

    def test_a_redirect_to_a_private_address_is_refused_unless_allowed(self):
        environment = {"HF_TOKEN": self.TOKEN}
        for host in ("localhost", "127.0.0.2", "127.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]"):
            self.hub.cdn = f"http://{host}:{self.hub.port}"
            errors = self.refused(2, ["whose address is private", "GANGLION_ALLOW_PRIVATE_REDIRECTS=1"], NAME, environment=environment)
            self.assertNotIn("signature=", errors)
        self.assertEqual(self.hub.asked("GET", "/cdn/"), [])
        self.hub.cdn = f"http://localhost:{self.hub.port}"
        self.download(NAME, environment=environment | {"GANGLION_ALLOW_PRIVATE_REDIRECTS": "1"})
        self.same_files(self.snapshot(), self.wanted)

    def test_other_schemes_and_endless_redirects_are_refused(self):
        environment = {"HF_TOKEN": self.TOKEN}
        self.hub.cdn = "file:///etc/passwd?"
        self.refused(2, "neither http nor https", NAME, environment=environment)
        self.hub.cdn = "gopher://127.0.0.1"
        self.refused(2, "neither http nor https", NAME, environment=environment)
        self.hub.cdn = self.hub.url
        self.hub.always("GET", "/cdn/", lambda handler: handler.reply(302, b"", {"Location": handler.path}))
        self.refused(2, "more than 8 redirects", NAME, environment=environment)


class Shown(HubCase):
    def test_elsewhere_than_on_a_terminal_there_is_a_line_for_every_tenth(self):
        _, errors = self.ganglion("download", NAME)
        lines = [line for line in errors.splitlines() if "% " in line]
        self.assertTrue(2 <= len(lines) <= 10, errors)
        self.assertIn("100% 3.0 MB of 3.0 MB", lines[-1])

    def test_on_a_terminal_there_is_a_bar_with_rate_and_time_left(self):
        ours, its = pty.openpty()
        half, go_on = threading.Event(), threading.Event()

        def in_two(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(self.weights)))
            handler.end_headers()
            handler.wfile.write(self.weights[:1_500_000])
            half.set()
            go_on.wait(60)
            for at in range(1_500_000, len(self.weights), 100_000):
                handler.wfile.write(self.weights[at:at + 100_000])

        self.hub.once("GET", "/cdn/", in_two)
        process = subprocess.Popen([PROGRAM, "download", NAME, "--cache", str(self.folder / "tty")], stdout=subprocess.DEVNULL, stderr=its,
                                   env=self.environment, cwd=self.folder)
        os.close(its)
        self.assertTrue(half.wait(60))
        go_on.set()
        seen = b""
        try:
            while piece := os.read(ours, 65536):
                seen += piece
        except OSError:
            pass  # the terminal's end
        os.close(ours)
        self.assertEqual(process.wait(60), 0)
        self.assertIn(b"\r\x1b[K" + NAME.encode() + b" 100% [" + b"=" * 30 + b"] 3.0 MB of 3.0 MB", seen)
        self.assertIn(b"B/s", seen)

    def test_json_goes_to_stdout_alone(self):
        out, _ = self.ganglion("download", NAME, "--json")
        report = json.loads(out)
        self.assertEqual(report["model"], NAME)
        self.assertEqual(report["bytes"], sum(map(len, self.wanted.values())))
        self.assertEqual([file["name"] for file in report["files"]], sorted(self.wanted))


class Verbs(HubCase):
    def setUp(self):
        super().setUp()
        self.hub.repositories["facebook/opt-demo"] = model_files()

    def test_generate_and_inspect_take_an_id_as_they_take_a_folder(self):
        outputs = []
        for model in (MODEL, "facebook/opt-demo"):
            out, _ = self.ganglion("generate", model, "-p", "Hello, I am", "--max-new-tokens", "5", "--json")
            outputs.append(json.loads(out)[0]["new_ids"])
        self.assertEqual(outputs[0], outputs[1])
        out, _ = self.ganglion("inspect", "facebook/opt-demo", "--json")
        self.assertEqual(json.loads(out)["family"], "opt")
        _, errors = self.ganglion("generate", "no/such", "-p", "x", code=3)
        self.assertIn("no such model", errors)

    def test_serve_downloads_what_its_properties_name(self):
        model = self.folder / "store" / "opt"
        model.mkdir(parents=True)
        (model / "serving.properties").write_text(
            "engine=Python\noption.entryPoint=djl_python.transformers-neuronx\noption.model_id=facebook/opt-demo\noption.revision=main\n")
        log = self.serves(self.folder / "store")
        self.assertIn("opt: bringing facebook/opt-demo", log)
        self.assertIn("100%", log)
        self.assertNotIn("option.revision has no effect", log)

    def test_serve_stops_while_it_downloads_and_says_what_it_cannot_find(self):
        inside, go_on = threading.Event(), threading.Event()

        def stuck(handler):
            inside.set()
            go_on.wait(60)

        model = self.folder / "store" / "opt"
        model.mkdir(parents=True)
        (model / "serving.properties").write_text("option.model_id=facebook/opt-demo\n")
        self.hub.once("GET", "/cdn/", stuck)
        process = self.start("serve", "-s", self.folder / "store", "--address", "http://127.0.0.1:0")
        self.assertTrue(inside.wait(60))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        go_on.set()
        self.assertEqual(process.returncode, 7, errors)
        (model / "serving.properties").write_text("option.model_id=facebook/nothing\n")
        _, errors = self.ganglion("serve", "-s", self.folder / "store", "--address", "http://127.0.0.1:0", code=3)
        self.assertIn("no such model", errors)


class HuggingfaceHub(HubCase):
    """The cache in common with the package of that name."""

    def setUp(self):
        super().setUp()
        try:
            import huggingface_hub  # noqa: F401
        except ImportError:
            self.skipTest("huggingface_hub is not installed (./dev test installs it)")

    def python(self, text, **environment):
        more = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        done = subprocess.run([sys.executable, "-c", text], env=self.environment | more | environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_it_reads_what_we_wrote(self):
        folder = self.download(NAME)
        text = f"import huggingface_hub as h; print(h.snapshot_download({NAME!r}, allow_patterns=['*.json', '*.safetensors']))"
        self.assertEqual(self.python(text, HF_HUB_OFFLINE="1"), str(folder))
        self.hub.requests.clear()
        self.assertEqual(self.python(text), str(folder))
        self.assertEqual(self.hub.asked("GET", "resolve|cdn"), [])
        scan = f"import huggingface_hub as h; i = h.scan_cache_dir(); print(len(i.warnings), [r.repo_id for r in i.repos], i.size_on_disk)"
        self.assertEqual(self.python(scan), f"0 ['{NAME}'] {sum(map(len, self.wanted.values()))}")

    def test_we_read_what_it_wrote(self):
        text = f"import huggingface_hub as h; print(h.snapshot_download({NAME!r}, allow_patterns=['*.json', '*.safetensors']))"
        folder = self.python(text)
        self.hub.requests.clear()
        self.assertEqual(str(self.download(NAME)), folder)
        self.assertEqual(self.hub.asked("GET", "resolve|cdn"), [])

    def test_each_goes_on_with_the_partial_file_of_the_other(self):
        self.partial.parent.mkdir(parents=True)
        self.partial.write_bytes(self.weights[:1_000_000])
        self.python(f"import huggingface_hub as h; h.hf_hub_download({NAME!r}, 'model.safetensors')")
        self.assertEqual([fields.get("Range") for _, fields in self.hub.asked("GET", "/cdn/")], ["bytes=1000000-"])
        self.assertEqual((self.root / "blobs" / self.digest).read_bytes(), self.weights)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
