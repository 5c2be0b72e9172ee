#!/usr/bin/env python3
"""Downloads that are interrupted or come in pieces.
usage: resume_test.py PROGRAM SOURCE_DIR"""
import hashlib
import json
import resource
import signal
import sys
import threading
import unittest

from hub_case import NAME, HubCase, bytes_of
from hub_server import COMMIT


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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
