#!/usr/bin/env python3
"""Compiles every header under src/ on its own: each must include what it uses."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
generated = root / "build" / "release" / "src"
headers = sorted((root / "src").rglob("*.h"))
ISA = {"avx2": ["-mavx2", "-mfma", "-mf16c"],
       "avx512": ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
       "avx512_vnni": ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"],
       "amx": ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-mamx-int8"]}


def compile_alone(header):
    flags = next((flags for name, flags in ISA.items() if name in header.parts), [])
    command = ["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
               "-Wno-psabi", *flags, f"-I{root}/src", f"-I{generated}", "-x", "c++", "-"]
    source = f'#include "{header.relative_to(root / "src")}"\n'
    done = subprocess.run(command, input=source, capture_output=True, text=True)
    return header, done.returncode, done.stderr


failed = 0
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for header, code, errors in pool.map(compile_alone, headers):
        if code != 0:
            failed += 1
            print(f"{header.relative_to(root)} does not compile alone:\n{errors}")
print(f"headers: {len(headers) - failed} of {len(headers)} compile alone")
sys.exit(1 if failed else 0)
