#!/usr/bin/env python3
"""The embedded model in every form a checkpoint is published in, and `ganglion split`: the same tokens come out. The torch
files are written here, by pickle and zipfile. usage: checkpoint_forms_test.py PROGRAM SOURCE_DIR"""
import collections
import io
import json
import os
import pathlib
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import types
import unittest
import zipfile

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
MODEL = SOURCE / "share" / "opt-demo"
GOLDENS = SOURCE / "tests" / "goldens" / "opt"


def ganglion(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=240)


def tokens(model):
    done = ganglion("generate", model, "-p", "Hello, I am", "--max-new-tokens", "24", "--ignore-eos", "--json")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)[0]["new_ids"]


# --- what torch.save would write ---------------------------------------------------------------------------------------

def stand_in(module, name):
    """What a pickle names, without the package it is of."""
    sys.modules.setdefault(module, types.ModuleType(module))
    thing = type(name, (), {"__module__": module, "__qualname__": name})
    setattr(sys.modules[module], name, thing)
    return thing


STORAGES = {"F16": stand_in("torch", "HalfStorage"), "F32": stand_in("torch", "FloatStorage"), "BF16": stand_in("torch", "BFloat16Storage")}
REBUILD = stand_in("torch._utils", "_rebuild_tensor_v2")


class Storage:
    def __init__(self, key, dtype, data, count):
        self.key, self.dtype, self.data, self.count = key, dtype, data, count


class SavedTensor:
    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce__(self):
        strides, step = [], 1
        for size in reversed(self.shape):
            strides.insert(0, step)
            step *= size
        return REBUILD, (self.storage, 0, tuple(self.shape), tuple(strides), False, collections.OrderedDict())


class Pickler(pickle._Pickler):
    """In Python, so that names are looked up in our stand-ins."""

    def persistent_id(self, value):
        if isinstance(value, Storage):
            return "storage", STORAGES[value.dtype], value.key, "cpu", value.count
        return None


def save(path, tensors):
    out = io.BytesIO()
    Pickler(out, protocol=2).dump(collections.OrderedDict(tensors))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        for tensor in {tensor.storage.key: tensor for tensor in tensors.values()}.values():
            archive.writestr(f"archive/data/{tensor.storage.key}", tensor.storage.data)
        archive.writestr("archive/version", "3\n")


def read_safetensors(path):
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            count = 1
            for size in entry["shape"]:
                count *= size
            out[name] = SavedTensor(Storage(str(len(out)), entry["dtype"], data[start + begin:start + end], count), entry["shape"])
    return out


def copy_without_weights(target, model=MODEL):
    target.mkdir()
    for file in model.iterdir():
        if file.suffix in (".json", ".txt") and "index" not in file.name:
            shutil.copy(file, target)
    return target


class Forms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.tensors = read_safetensors(MODEL / "model.safetensors")
        cls.wanted = tokens(MODEL)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_a_torch_file_generates_what_its_safetensors_twin_does(self):
        model = copy_without_weights(self.root / "bin")
        save(model / "pytorch_model.bin", self.tensors)
        self.assertEqual(tokens(model), self.wanted)

    def test_a_head_that_is_stored_again_and_buffers_that_are_no_weights_change_nothing(self):
        model = copy_without_weights(self.root / "more")
        more = dict(self.tensors)
        more["lm_head.weight"] = more["model.decoder.embed_tokens.weight"]
        more["model.decoder.layers.0.attn.masked_bias"] = SavedTensor(Storage("mask", "F32", b"\0\0\0\0", 1), [])
        more["model.decoder.version"] = SavedTensor(Storage("version", "F32", b"\0\0\0\0", 1), [1])
        save(model / "pytorch_model.bin", more)
        self.assertEqual(tokens(model), self.wanted)

    def test_names_without_the_prefix_of_the_base_model_are_found(self):
        model = copy_without_weights(self.root / "base")
        save(model / "pytorch_model.bin", {name.removeprefix("model."): tensor for name, tensor in self.tensors.items()})
        self.assertEqual(tokens(model), self.wanted)

    def test_torch_shards_generate_what_the_whole_does(self):
        model = copy_without_weights(self.root / "shards")
        names = list(self.tensors)
        index = {}
        for i, part in enumerate((names[::2], names[1::2])):
            file = f"pytorch_model-0000{i + 1}-of-00002.bin"
            save(model / file, {name: self.tensors[name] for name in part})
            index.update({name: file for name in part})
        (model / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
        self.assertEqual(tokens(model), self.wanted)

    def test_split_writes_what_generates_the_same_and_can_be_split_again(self):
        first, second = self.root / "split", self.root / "split-again"
        done = ganglion("split", MODEL, first)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("tensors", done.stdout)
        self.assertEqual(tokens(first), self.wanted)
        self.assertFalse(list(first.glob("*unfinished*")) + list(first.glob("*.safetensors")))
        self.assertEqual(ganglion("split", first, second).returncode, 0)
        files = sorted(path.relative_to(first) for path in first.rglob("*"))
        self.assertEqual(files, sorted(path.relative_to(second) for path in second.rglob("*")))
        for file in files:
            if (first / file).is_file():
                self.assertEqual((first / file).read_bytes(), (second / file).read_bytes(), file)

    def test_split_names_weights_as_the_whole_model_has_them(self):
        target = self.root / "named"
        done = ganglion("split", GOLDENS / "sharded", target)  # names without "model.", no lm_head
        self.assertEqual(done.returncode, 0, done.stderr)
        files = json.loads((target / "pytorch_model.bin" / "key_to_filename.json").read_text())
        self.assertIn("model.decoder.layers.2.fc1.weight", files)
        self.assertTrue(all(name.startswith("model.") or name == "lm_head.weight" for name in files))
        table, head = (target / "pytorch_model.bin" / files[name] for name in ("model.decoder.embed_tokens.weight", "lm_head.weight"))
        with zipfile.ZipFile(table) as a, zipfile.ZipFile(head) as b:
            self.assertIsNone(b.testzip())  # another reader finds every checksum right
            self.assertEqual(a.read("archive/data/0"), b.read("archive/data/0"))
        for shard in GOLDENS.glob("sharded/*.safetensors"):
            for name, tensor in read_safetensors(shard).items():
                with zipfile.ZipFile(target / "pytorch_model.bin" / files["model." + name]) as file:
                    self.assertEqual(file.read("archive/data/0"), tensor.storage.data, name)

    def test_split_reads_back_what_it_wrote_of_every_family(self):
        for model in sorted((SOURCE / "tests" / "goldens" / "families").iterdir()):
            if not (model / "model.safetensors").exists():
                continue
            target = self.root / f"family-{model.name}"
            done = ganglion("split", model, target)
            self.assertEqual(done.returncode, 0, f"{model.name}: {done.stderr}")
            files = json.loads((target / "pytorch_model.bin" / "key_to_filename.json").read_text())
            self.assertIn("lm_head.weight", files, model.name)
            for name, tensor in read_safetensors(model / "model.safetensors").items():
                stored = next(prefix + name for prefix in ("", "model.", "transformer.") if prefix + name in files)
                with zipfile.ZipFile(target / "pytorch_model.bin" / files[stored]) as file:
                    self.assertEqual(file.read("archive/data/0"), tensor.storage.data, f"{model.name} {name}")
            self.assertEqual(ganglion("compile", target, "--out", self.root / "step", "--tokens", "4").returncode, 0, model.name)

    def test_split_overwrites_nothing_unless_asked(self):
        target = self.root / "kept"
        target.mkdir()
        (target / "mine.txt").write_text("mine")
        done = ganglion("split", MODEL, target)
        self.assertEqual((done.returncode, os.listdir(target)), (2, ["mine.txt"]), done.stderr)
        self.assertIn("--overwrite", done.stderr)
        for _ in range(2):
            done = ganglion("split", MODEL, target, "--overwrite")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((target / "mine.txt").read_text(), "mine")
        self.assertEqual(tokens(target), self.wanted)

    def test_split_refuses_targets_that_would_not_be_read_back(self):
        other = self.root / "safe"
        other.mkdir()
        (other / "model.safetensors").write_bytes(b"")
        for code, words, arguments in (
            (2, "the model itself", (MODEL, MODEL, "--overwrite")),
            (2, "in place of", (MODEL, other, "--overwrite")),
            (2, "no folder", (MODEL, MODEL / "config.json")),
            (2, "cannot be made", (MODEL, "/proc/nothing/x")),
            (3, "", ("/no/such/model", self.root / "never")),
        ):
            done = ganglion("split", *arguments)
            self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
            self.assertIn(words, done.stderr)
        self.assertFalse((self.root / "never").exists())

    def test_a_pickle_that_asks_for_more_than_tensors_is_refused_by_name(self):
        model = copy_without_weights(self.root / "hostile")
        shutil.copy(SOURCE / "tests/corpus/torch_fuzz/refused/reduce_system.bin", model / "pytorch_model.bin")
        done = ganglion("generate", model, "-p", "x")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn('asks for "posix.system": only tensors are read', done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
