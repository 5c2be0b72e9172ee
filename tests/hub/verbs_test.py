#!/usr/bin/env python3
"""Ids of the Hugging Face hub wherever a model is named, and what a download shows of itself.
usage: verbs_test.py PROGRAM SOURCE_DIR"""
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import unittest

from client import MODEL, PROGRAM, model_files
from hub_case import NAME, HubCase


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
        log = self.serves("-s", self.folder / "store")
        self.assertIn("opt: bringing facebook/opt-demo", log)
        self.assertIn("100%", log)
        self.assertNotIn("option.revision has no effect", log)

    def test_serve_takes_an_id_instead_of_a_folder(self):
        log = self.serves("-m", "mine=facebook/opt-demo", model="mine")
        self.assertIn("mine: bringing facebook/opt-demo", log)
        self.serves("-m", "facebook/opt-demo", model="opt_demo")
        _, errors = self.ganglion("serve", "-m", "mine=facebook/nothing", "--address", "http://127.0.0.1:0", code=3)
        self.assertIn("no such model", errors)

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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
