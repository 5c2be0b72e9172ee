#!/usr/bin/env python3
"""Checks with PyTorch what `ganglion split` wrote: every file is read by torch.load, as transformers-neuronx reads it, and
has the tensor that the model's own files give.

    check_split_with_torch.py MODEL SPLIT

MODEL is a folder with model.safetensors or pytorch_model.bin. Needs Debian 12's python3-torch: run it with /usr/bin/python3.
"""
import json
import pathlib
import struct
import sys

import torch

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32,
         "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}


def read_safetensors(path):
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            out[name] = torch.frombuffer(bytearray(data[start + begin:start + end]), dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
    return out


model, split = map(pathlib.Path, sys.argv[1:3])
single = model / "model.safetensors"
wanted = read_safetensors(single) if single.exists() else dict(torch.load(model / "pytorch_model.bin"))
files = json.loads((split / "pytorch_model.bin" / "key_to_filename.json").read_text())
for name, file in files.items():
    tensor = torch.load(split / "pytorch_model.bin" / file)
    names = [name, name.split(".", 1)[1]] if name != "lm_head.weight" else [name, *(n for n in wanted if n.endswith(("embed_tokens.weight", "wte.weight")))]
    other = next(wanted[n] for n in names if n in wanted)
    assert tensor.dtype == other.dtype and tensor.shape == other.shape, name
    assert torch.equal(tensor, other) and tensor.is_contiguous(), name
assert len(files) >= len(wanted), (len(files), len(wanted))
print(f"{len(files)} tensors are equal")
