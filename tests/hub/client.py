"""What the tests of downloads share: a folder of their own, an environment without the user's, the program."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

PROGRAM, SOURCE = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
MODEL = SOURCE / "share" / "opt-demo"


def model_files():
    return {path.name: path.read_bytes() for path in MODEL.iterdir() if path.is_file()}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ganglion_hub_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.cache = self.folder / "hf" / "hub"
        self.environment = {"HOME": str(self.folder), "HF_HOME": str(self.folder / "hf"), "AWS_EC2_METADATA_DISABLED": "true",
                            "PATH": os.environ["PATH"], "SERVING_DOWNLOAD_DIR": str(self.folder / "serving")}
        self.environment |= {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}

    def start(self, *arguments, environment=None, **more):
        return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment | (environment or {}), cwd=self.folder, **more)

    def ganglion(self, *arguments, code=0, environment=None, **more):
        process = self.start(*arguments, environment=environment, **more)
        out, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, errors)
        return out, errors

    def download(self, *arguments, environment=None):
        out, _ = self.ganglion("download", *arguments, "--json", environment=environment)
        return pathlib.Path(json.loads(out)["folder"])

    def refused(self, code, words, *arguments, environment=None, **more):
        _, errors = self.ganglion("download", *arguments, code=code, environment=environment, **more)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, errors)
        self.assertNotIn("internal", errors)
        return errors

    def same_files(self, folder, files):
        self.assertEqual({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}, files)

    def serves(self, *flags, model="opt"):
        """Serves one model, asks it something and stops. Returns the log until it was ready."""
        process = self.start("serve", *flags, "--address", "http://127.0.0.1:0")
        log = ""
        for line in process.stderr:
            log += line
            if "serving on http://" in line:
                break
        try:
            self.assertIn("serving on", log)
            address = log.split("serving on ")[-1].strip()
            body = json.dumps({"seq_length": 12, "text": ["Hello, I am"]}).encode()
            request = urllib.request.Request(address + "/predictions/" + model, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as reply:
                self.assertIn("Hello, I am", reply.read().decode())
        finally:
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, log + rest)
        return log
