#!/usr/bin/env python3
"""Runs the AVX-512 kernels on an emulated CPU and compares them with their plain definitions.

usage: run.py BUILD_FOLDER [CXX]

For machines without AVX-512: the kernels' own sources become a freestanding program (blob.cc) that the Bochs CPU runs.
Without the package bochscpu-python in this Python, the script makes a virtual environment in BUILD_FOLDER and starts
itself again there.
"""
import array
import importlib.util
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGE = "bochscpu-python==0.4.0"
FLAGS = ["-std=c++20", "-O2", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mf16c",
         "-ffp-contract=off", "-fno-exceptions", "-fno-rtti", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
         "-mno-red-zone", "-fno-pie", "-w", f"-I{ROOT / 'src'}"]
LINK = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-Ttext=0x400000", "-Wl,-e,entry", "-Wl,-N", "-Wl,--no-warn-rwx-segments"]
DATA = 0x1000000
WIDTH = 32  # of a panel
SCRATCH = 64 * (128 + 8 * 32) * 4  # avx512::matmul_scratch of the most rows below
CANARY = 12345.0


def start_in_an_environment_with_the_emulator(build):
    """Returns when the emulator can be imported; else starts the script again where it can."""
    if os.environ.get("GANGLION_EMULATION_STARTED") == "1":
        return
    python = sys.executable
    if importlib.util.find_spec("bochscpu") is None:
        environment = build / "venv"
        python = str(environment / "bin" / "python")
        if not (environment / ".installed").exists():
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", PACKAGE], check=True)
            (environment / ".installed").touch()
    names = build / "glibc_names.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-w", HERE / "glibc_names.c", "-o", names], check=True)
    variables = dict(os.environ, GANGLION_EMULATION_STARTED="1", LD_PRELOAD=str(names))
    os.execve(python, [python, __file__, *sys.argv[1:]], variables)


def build_blob(build, compiler):
    sources = [HERE / "blob.cc"] + [ROOT / "src/kernels/avx512" / name for name in ("matmul.cc", "elementwise.cc")]
    blob = build / "blob.elf"
    subprocess.run([*compiler, *FLAGS, *LINK, *sources, "-o", blob], check=True)
    return blob.read_bytes()


def to_f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def to_bf16(value):  # ties to even; bits
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


class Stored:
    """How a storage keeps a value: bytes, and what they mean."""

    def __init__(self, name, index, size, encode, decode):
        self.name, self.index, self.size, self.encode, self.decode = name, index, size, encode, decode


STORAGES = [
    Stored("f32", 0, 4, lambda v: struct.pack("<f", v), lambda b: struct.unpack("<f", b)[0]),
    Stored("f16", 1, 2, lambda v: struct.pack("<e", v), lambda b: struct.unpack("<e", b)[0]),
    Stored("bf16", 2, 2, lambda v: struct.pack("<H", to_bf16(v)), lambda b: struct.unpack("<f", b"\0\0" + b)[0]),
]


class Jobs:
    """Places operands in the machine's memory and collects calls."""

    def __init__(self, machine):
        self.machine, self.next, self.jobs = machine, DATA, []
        self.scratch = self.place(bytes(SCRATCH))

    def place(self, data):
        address = self.next
        self.machine.write(address, data)
        self.next = (address + len(data) + 63 + 64) // 64 * 64
        return address

    def add(self, kernel, x, out, storage=0, panels=0, bias=0, residual=0, rows=0, k=0, n=0, begin=0, end=0, x_stride=0,
            out_stride=0, activation=0):
        self.jobs.append(struct.pack("<8Q7qQ", kernel, storage, x, panels, bias, residual, out, self.scratch, rows, k, n,
                                     begin, end, x_stride, out_stride, activation))

    def run(self, entry):
        self.machine.call(entry, self.place(b"".join(self.jobs)), len(self.jobs))

    def floats(self, address, count):
        return array.array("f", self.machine.read(address, 4 * count))


class Matmul:
    """x [rows, k] times a packed weight [n, k], all rows in one call and each row in its own."""

    def __init__(self, jobs, storage, rows, k, n, seed):
        self.storage, self.rows, self.k, self.n = storage, rows, k, n
        draw = random.Random(seed)
        self.x = array.array("f", (draw.gauss(0, 1) for _ in range(rows * k)))
        self.bias = array.array("f", (draw.gauss(0, 1) for _ in range(n)))
        self.weight, panels = [0.0] * (n * k), bytearray((n + WIDTH - 1) // WIDTH * WIDTH * k * storage.size)
        for column in range(n):
            for i in range(k):
                data = storage.encode(draw.gauss(0, 0.1))
                self.weight[column * k + i] = storage.decode(data)
                at = (column // WIDTH * WIDTH * k + i * WIDTH + column % WIDTH) * storage.size
                panels[at:at + storage.size] = data
        self.stride = n + 3
        blank = array.array("f", [CANARY] * (rows * self.stride)).tobytes()
        self.together, self.alone = jobs.place(blank), jobs.place(blank)
        x, w, b = jobs.place(self.x.tobytes()), jobs.place(bytes(panels)), jobs.place(self.bias.tobytes())
        shared = dict(kernel=0, storage=storage.index, panels=w, bias=b, k=k, n=n, end=n, x_stride=k, out_stride=self.stride)
        jobs.add(x=x, out=self.together, rows=rows, **shared)
        for row in range(rows):
            jobs.add(x=x + 4 * k * row, out=self.alone + 4 * self.stride * row, rows=1, **shared)

    def check(self, jobs):
        count = self.rows * self.stride
        together, alone = jobs.floats(self.together, count), jobs.floats(self.alone, count)
        what = f"{self.storage.name} [{self.rows}, {self.k}] x {self.n}"
        assert together.tobytes() == alone.tobytes(), f"{what}: rows depend on their number"
        for row in range(self.rows):
            x = self.x[row * self.k:(row + 1) * self.k]
            for column in range(self.stride):
                seen = together[row * self.stride + column]
                if column >= self.n:
                    assert seen == CANARY, f"{what}: wrote after row {row}"
                    continue
                products = [a * b for a, b in zip(x, self.weight[column * self.k:(column + 1) * self.k])]
                exact = math.fsum(products) + self.bias[column]
                # A chain of k multiply-adds and the bias: 2^-24 of the sum of magnitudes each.
                room = (self.k + 2) * 2.0**-24 * (sum(map(abs, products)) + abs(self.bias[column]))
                assert abs(seen - exact) <= room, f"{what} at {row}, {column}: {seen}, exactly {exact}"


class Elementwise:
    def __init__(self, jobs, kernel, name, function, low, high, ulps):
        self.name, self.function, self.ulps = name, function, ulps
        self.x = array.array("f", (low + (high - low) * i / 600 for i in range(601)))
        self.out = jobs.place(bytes(4 * len(self.x)))
        jobs.add(kernel, jobs.place(self.x.tobytes()), self.out, k=len(self.x))

    def check(self, jobs):
        for x, seen in zip(self.x, jobs.floats(self.out, len(self.x))):
            exact = self.function(x)
            unit = 2.0 ** (max(math.frexp(exact)[1], -125) - 24)
            assert abs(seen - exact) <= self.ulps * unit, f"{self.name}({x}): {seen}, exactly {exact}"


class Narrow:
    def __init__(self, jobs, kernel, storage):
        self.storage = storage
        draw = random.Random(5)
        self.x = array.array("f", (draw.gauss(0, 1) * 2.0 ** draw.randint(-26, 14) for _ in range(999)))
        self.out = jobs.place(bytes(4 * len(self.x)))
        jobs.add(kernel, jobs.place(self.x.tobytes()), self.out, k=len(self.x))

    def check(self, jobs):
        seen = jobs.machine.read(self.out, 2 * len(self.x))
        wanted = b"".join(self.storage.encode(x) for x in self.x)
        assert seen == wanted, f"to {self.storage.name}: a value is rounded wrongly"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    build.mkdir(parents=True, exist_ok=True)
    start_in_an_environment_with_the_emulator(build)
    from machine import Machine
    blob = build_blob(build, sys.argv[2].split() if len(sys.argv) > 2 else ["c++"])

    machine = Machine()
    entry = machine.load(blob)
    jobs = Jobs(machine)
    cases = [Matmul(jobs, storage, rows, k, n, seed=rows)
             for storage in STORAGES
             # One row; a partial tile; a full one; two tiles; rows copied together; slices of k; a short last panel.
             for rows, k, n in ((1, 1, 1), (2, 7, 33), (5, 40, 70), (14, 33, 32), (15, 130, 17), (60, 131, 37))]
    cases += [Elementwise(jobs, 1, "exp", math.exp, -80, 80, 2), Elementwise(jobs, 2, "log", math.log, 0.01, 50, 2),
              Elementwise(jobs, 3, "tanh", math.tanh, -9, 9, 3), Elementwise(jobs, 4, "erf", math.erf, -4, 4, 3),
              Narrow(jobs, 5, STORAGES[1]), Narrow(jobs, 6, STORAGES[2])]
    start = time.monotonic()
    jobs.run(entry)
    emulated = time.monotonic() - start
    for case in cases:
        case.check(jobs)
    print(f"{len(jobs.jobs)} calls emulated in {emulated:.1f} s; {len(cases)} cases agree with their plain definitions")


if __name__ == "__main__":
    main()
