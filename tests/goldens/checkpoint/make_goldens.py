#!/usr/bin/env python3
"""Writes the files of torch.save beside this script, each .bin with a .safetensors of the same tensors: contiguous, f64
rounded to f32 and i16 widened to i32, which is how they are read. And a little checkpoint in each form that is published.

    make_goldens.py [FOLDER]

Needs Debian 12's python3-torch (1.13.1, which calls itself 1.13.0a0): apt-get install --no-install-recommends python3-torch,
then /usr/bin/python3 make_goldens.py. `later_records` is that version's archive with the records that later versions
add (byteorder since 2.1, .data/serialization_id since 2.2, .format_version and .storage_alignment since 2.6).
"""
import json
import pathlib
import re
import struct
import sys
import zipfile
from collections import OrderedDict

import torch

HERE = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
         torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
READ_AS = {torch.float64: torch.float32, torch.int16: torch.int32}


def tensor_bytes(tensor):
    return bytes(tensor.contiguous().view(-1).view(torch.uint8).tolist()) if tensor.numel() else b""


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        tensor = tensor.detach().to(READ_AS.get(tensor.dtype, tensor.dtype))
        more = tensor_bytes(tensor.reshape(-1))
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(more)]}
        data += more
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def save(name, value, **options):
    torch.save(value, HERE / f"{name}.bin", **options)
    tensors = value if isinstance(value, dict) else {"": value}
    write_safetensors(HERE / f"{name}.safetensors", {k: v for k, v in tensors.items() if isinstance(v, torch.Tensor)})


def every_type():
    counting = torch.arange(-6, 6).reshape(3, 4)
    return {"f64": counting.double() / 3, "f32": counting.float() / 3, "f16": counting.half() / 3,
            "bf16": counting.bfloat16() / 3, "i64": counting * (1 << 40), "i32": counting.int() * 100000,
            "i16": counting.short() * 5000, "i8": counting.char() * 20, "u8": (counting + 6).byte() * 20,
            "bool": counting > 0}


def views():
    base = torch.arange(120, dtype=torch.float32).reshape(10, 12)
    cube = torch.arange(60, dtype=torch.float16).reshape(3, 4, 5)
    return {"base": base, "tied": base, "transposed": base.t(), "rows": base[2:5], "columns": base[:, 3:7],
            "steps": base[::2, ::3], "diagonal": base.diagonal(), "one": base[4, 5], "permuted": cube.permute(2, 0, 1),
            "swapped": cube.transpose(0, 1), "inner": cube[:, 1:3, 2:4], "tail": cube.reshape(-1)[7:],
            "unit": cube[:1].transpose(0, 2), "empty": torch.zeros(0, 4), "hollow": torch.zeros(3, 0),
            "scalar": torch.tensor(1.5), "double_columns": torch.arange(12.0).double().reshape(3, 4).t() / 7}


def module():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2), torch.nn.Embedding(4, 2)).state_dict()


def with_others():
    weight = torch.nn.Parameter(torch.arange(4.0).half())
    return OrderedDict(weight=weight, tied=weight, step=7, rate=0.5, big=1 << 70, name="opt", nothing=None, yes=True,
                       shapes=[torch.Size([2, 3]), (1, -2)], unseen=[torch.ones(3)], frozen=torch.nn.Parameter(torch.ones(2), requires_grad=False))


def add_records(source, target):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for record in old.infolist():
            new.writestr(record.filename, old.read(record))
            if record.filename.endswith("/data.pkl"):
                folder = record.filename.split("/")[0]
                new.writestr(f"{folder}/.format_version", "1")
                new.writestr(f"{folder}/.storage_alignment", "64")
                new.writestr(f"{folder}/byteorder", "little")
        new.writestr(f"{folder}/.data/serialization_id", "0636067113107577022904034153281293550205")


def checkpoint_forms():
    """The names of an OPT of one layer; the head is tied."""
    torch.manual_seed(1)
    state = OrderedDict()
    for name, shape in {"embed_tokens.weight": (16, 8), "embed_positions.weight": (10, 8), "layers.0.fc1.weight": (12, 8),
                        "layers.0.fc1.bias": (12,), "layers.0.fc2.weight": (8, 12), "final_layer_norm.weight": (8,)}.items():
        state[f"model.decoder.{name}"] = torch.randn(shape).half()
    state["lm_head.weight"] = state["model.decoder.embed_tokens.weight"]
    forms = {name: HERE / "forms" / name for name in ("safetensors", "bin", "legacy_bin", "sharded_bin", "split")}
    for folder in forms.values():
        folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(forms["safetensors"] / "model.safetensors", state)
    torch.save(state, forms["bin"] / "pytorch_model.bin")
    torch.save(state, forms["legacy_bin"] / "pytorch_model.bin", _use_new_zipfile_serialization=False)

    names, index = list(state), {}
    for i, part in enumerate((names[:3], names[3:])):
        file = f"pytorch_model-0000{i + 1}-of-00002.bin"
        torch.save({name: state[name] for name in part}, forms["sharded_bin"] / file)
        index.update({name: file for name in part})
    (forms["sharded_bin"] / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": index}))

    # As save_split of transformers-neuronx 0.2 does it.
    split = forms["split"] / "pytorch_model.bin"
    split.mkdir(exist_ok=True)
    files = {name: f"p{i}." + re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_")) for i, name in enumerate(state)}
    (split / "key_to_filename.json").write_text(json.dumps(files, indent=2))
    for name, tensor in state.items():
        torch.save(tensor, split / files[name])


save("types", every_type())
save("types_legacy", every_type(), _use_new_zipfile_serialization=False)
save("views", views())
save("views_legacy", views(), _use_new_zipfile_serialization=False)
save("module", module())
save("module_legacy", module(), _use_new_zipfile_serialization=False)
save("with_others", with_others())
save("with_others_legacy", with_others(), _use_new_zipfile_serialization=False)
save("tensor", torch.arange(6.0).reshape(2, 3).t())
save("tensor_legacy", torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)), _use_new_zipfile_serialization=False)
add_records(HERE / "module.bin", HERE / "later_records.bin")
write_safetensors(HERE / "later_records.safetensors", module())
torch.save({"epoch": 3, "model": {"weight": torch.ones(2)}}, HERE / "nested.bin")
torch.save({"expanded": torch.ones(1).expand(5)}, HERE / "expanded.bin")
torch.save({"complex": torch.ones(2, dtype=torch.complex64)}, HERE / "complex.bin")
torch.save({"weight": torch.ones(2)}, HERE / "protocol4.bin", pickle_protocol=4)
torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), HERE / "script.bin")
checkpoint_forms()
