#!/usr/bin/env python3
"""Fails when a file compiled for a newer instruction set defines a function that the linker may merge with another file's.

usage: check_isa_symbols.py OBJECT...

An inline function of a shared header, compiled in avx2/ or avx512/ and not inlined, is a weak symbol; the linker keeps
one of its copies for the whole program, and a CPU without that instruction set would then run it.
"""
import pathlib
import re
import subprocess
import sys

problems, checked = [], 0
for name in sys.argv[1:]:
    folder = pathlib.Path(name).parent.name
    if folder not in {"avx2", "avx512", "avx512_vnni", "amx"}:
        continue
    checked += 1
    for line in subprocess.run(["nm", "-C", name], check=True, capture_output=True, text=True).stdout.splitlines():
        match = re.match(r"[0-9a-f]* +([WVu]) (.*)", line)
        if match and f"ganglion::kernels::{folder}::" not in match[2] and not match[2].startswith("DW.ref."):
            problems.append(f"{name}: {match[2]} may replace a copy that every CPU must be able to run")
if not checked:
    problems.append("no object of avx2/ or avx512/ was given")
print("\n".join(problems) if problems else f"{checked} objects define nothing that others could be given")
sys.exit(1 if problems else 0)
