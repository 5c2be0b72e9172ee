#!/usr/bin/env python3
"""Compares `ganglion tokenize` with the PyPI package tokenizers on a model folder: ids of generated texts, the text of these ids and of random
ids, with and without special tokens, and streamed pieces with the whole text. Prints the counts; exits with 1 at any difference.

usage: compare_with_tokenizers.py PROGRAM FOLDER [--cases 1000000] [--seed 1] [--long]
Needs: pip install tokenizers==0.19.1
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from cases import long_texts, short_cases

BATCH = 50000


def load(folder):
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=True, special=True)])
    return tokenizer


def as_text(case):
    return case.decode("utf-8", "replace") if isinstance(case, bytes) else case


def as_json(case):
    return json.dumps({"hex": case.hex()} if isinstance(case, bytes) else case)


class Program:
    def __init__(self, program, folder):
        self.command = [program, "tokenize", str(folder), "--lines"]

    def answers(self, lines, *flags):
        with tempfile.TemporaryFile("w+") as given:
            given.write("\n".join(lines) + "\n")
            given.seek(0)
            done = subprocess.run([*self.command, *flags], stdin=given, capture_output=True, text=True, timeout=3600)
        if done.returncode != 0:
            sys.exit(f"{self.command} {flags} ended with {done.returncode}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


class Report:
    def __init__(self):
        self.counts, self.differences = {}, {}

    def check(self, kind, inputs, got, wanted):
        assert len(got) == len(wanted) == len(inputs), (kind, len(got), len(wanted))
        self.counts[kind] = self.counts.get(kind, 0) + len(wanted)
        for case, mine, theirs in zip(inputs, got, wanted):
            if mine != theirs:
                self.differences[kind] = self.differences.get(kind, 0) + 1
                if self.differences[kind] <= 10:
                    print(f"differs ({kind}): {ascii(case)[:200]}\n  ganglion   {ascii(mine)[:300]}\n  tokenizers {ascii(theirs)[:300]}")


def compare(program, oracle, cases, rng, report):
    encodings = oracle.encode_batch([as_text(case) for case in cases])
    ids = [encoding.ids for encoding in encodings]
    report.check("encode", cases, program.answers([as_json(case) for case in cases]), ids)
    size = oracle.get_vocab_size()
    low = [rng.randrange(300) for _ in range(64)]
    ids += [[rng.choice(low) if rng.random() < 0.6 else rng.randrange(size + 2) for _ in range(rng.randrange(1, 12))] for _ in range(len(cases) // 4)]
    lines = [json.dumps(one) for one in ids]
    for kind, flags, skip in (("decode", [], False), ("decode without special tokens", ["--skip-special-tokens"], True)):
        wanted = oracle.decode_batch(ids, skip_special_tokens=skip)
        report.check(kind, ids, program.answers(lines, "--decode", *flags), wanted)
        pieces = program.answers(lines, "--decode", "--pieces", *flags)
        report.check("streamed " + kind, ids, ["".join(one) for one in pieces], wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--cases", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long", action="store_true", help="texts of a megabyte too")
    arguments = parser.parse_args()
    start = time.monotonic()
    oracle, program, report = load(arguments.folder), Program(arguments.program, arguments.folder), Report()
    tokens = [token.content for token in oracle.get_added_tokens_decoder().values()]
    tokens = tokens[:8] + tokens[-8:]
    rng = random.Random(arguments.seed + 1)
    batch = []
    for case in short_cases(arguments.cases, arguments.seed, tokens):
        batch.append(case)
        if len(batch) == BATCH:
            compare(program, oracle, batch, rng, report)
            batch = []
    if batch:
        compare(program, oracle, batch, rng, report)
    if arguments.long:
        compare(program, oracle, list(long_texts(rng)), rng, report)
    for kind, count in report.counts.items():
        print(f"{arguments.folder.name}: {kind}: {count} cases, {report.differences.get(kind, 0)} differences")
    print(f"{arguments.folder.name}: {time.monotonic() - start:.0f} s")
    sys.exit(1 if report.differences else 0)


if __name__ == "__main__":
    main()
