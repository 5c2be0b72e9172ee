"""What the tests of the hub share: a model of three files that are wanted and some that are not, on a server of its own."""
import hashlib
import random

from client import Case
from hub_server import COMMIT, Hub

NAME = "org/small"


def bytes_of(count, seed=0):
    return random.Random(seed).randbytes(count)


class HubCase(Case):
    def setUp(self):
        super().setUp()
        self.hub = self.make_hub()
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

    def make_hub(self):
        return Hub()

    def snapshot(self):
        return self.root / "snapshots" / COMMIT
