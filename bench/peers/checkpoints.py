#!/usr/bin/env python3
"""Writes a Hugging Face checkpoint of a shape with seeded random weights (normal, sigma 0.02, in f16), from which every
peer's own form is made: all multiply the same numbers. Needs numpy.   usage: checkpoints.py SHAPE FOLDER"""
import json
import pathlib
import sys

import shapes

SIGMA, SEED = 0.02, 20


def header(tensors):
    """The header of a safetensors file: name to type, shape and place, padded to 8 bytes."""
    entries, offset = {"__metadata__": {"format": "pt"}}, 0
    for tensor in tensors:
        size = 2
        for extent in tensor.shape:
            size *= extent
        entries[tensor.name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write(shape, folder):
    import numpy
    config = shapes.CONFIGS[shape]
    tensors = shapes.tensors(config)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "model.safetensors.part"
    with partial.open("wb") as file:
        file.write(header(tensors))
        for number, tensor in enumerate(tensors):
            if tensor.scale:
                values = numpy.ones(tensor.shape, numpy.float16)
            else:
                generator = numpy.random.Generator(numpy.random.PCG64([SEED, number]))
                values = generator.standard_normal(tensor.shape, numpy.float32)
                values *= SIGMA
                values = values.astype(numpy.float16)
            values.tofile(file)
    partial.rename(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1))  # last: what is complete has it


def read(folder):
    """Yields (name, array in f16) of a checkpoint that write() wrote, mapped from the file."""
    import numpy
    path = pathlib.Path(folder) / "model.safetensors"
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(size))
    data = numpy.memmap(path, numpy.uint8, "r", offset=8 + size)
    for name, entry in entries.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield name, data[begin:end].view(numpy.float16).reshape(entry["shape"])


if __name__ == "__main__":
    write(sys.argv[1], pathlib.Path(sys.argv[2]))
