#!/usr/bin/env python3
"""The cache that downloads from the Hugging Face hub are kept in, which is the one of huggingface_hub.
usage: cache_test.py PROGRAM SOURCE_DIR"""
import json
import os
import subprocess
import sys
import threading
import unittest

from client import MODEL
from hub_case import NAME, HubCase
from hub_server import COMMIT, git_sha1


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
