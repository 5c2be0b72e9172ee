#!/usr/bin/env python3
"""Encodes the same 10 MB of text with `ganglion bench tokenize` and with the PyPI package tokenizers, one thread each, and prints the ratio; whole
and in parts of 4 KiB. The ids are compared first.

usage: compare_speed.py PROGRAM FOLDER...      (run it on a quiet machine)
Needs: pip install tokenizers==0.19.1
"""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")

from cases import mixed  # noqa: E402
from compare_with_tokenizers import load  # noqa: E402

SIZE, REPEATS = 10_000_000, 3
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def make_text():
    """Half prose and code of this repository, half generated words of many scripts, in lines."""
    rng = random.Random(7)
    files = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("src/*/*.cc")), *sorted(ROOT.glob("decisions/*.md"))]
    paragraphs = [file.read_text() for file in files]
    parts, size = [], 0
    while size < SIZE:
        part = rng.choice(paragraphs) if rng.random() < 0.1 else "".join(mixed(rng) for _ in range(40)) + "\n"
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def parts_of(data, size):
    while data:
        end = len(data)
        if size and size < end:
            newline = data.find(b"\n", size)
            end = end if newline < 0 else newline + 1
        yield data[:end].decode()
        data = data[end:]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program = sys.argv[1]
    data = make_text().encode()
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(data)
        file.flush()
        for folder in map(pathlib.Path, sys.argv[2:]):
            oracle = load(folder)
            sample = data[:200_000].decode("utf-8", "ignore")
            mine = json.loads(subprocess.run([program, "tokenize", folder, "-", "--json"], input=sample.encode(), capture_output=True, check=True).stdout)
            assert mine["ids"] == oracle.encode(sample).ids, f"{folder}: the ids differ"
            for size in (0, 4096):
                parts = list(parts_of(data, size))
                command = [program, "bench", "tokenize", folder, "--text", file.name, "--part", str(size), "--repeats", str(REPEATS), "--json"]
                ours = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
                rates = []
                for _ in range(1 if size == 0 else REPEATS):
                    oracle = load(folder)  # a new one: its cache of words starts empty, as ours does
                    start = time.monotonic()
                    for part in parts:
                        oracle.encode(part)
                    rates.append(len(data) / 1e6 / (time.monotonic() - start))
                theirs = statistics.median(rates)
                print(f"{folder.name}, {len(parts)} parts: ganglion {ours['encode_mb_s']:.1f} MB/s, tokenizers {theirs:.2f} MB/s, "
                      f"ratio {ours['encode_mb_s'] / theirs:.1f}", flush=True)


if __name__ == "__main__":
    main()
