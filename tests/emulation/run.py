#!/usr/bin/env python3
"""Runs the kernels of AVX-512, with and without VNNI and tiles, on emulated CPUs and compares them with their plain definitions.

usage: run.py BUILD_FOLDER [CXX]

For machines without AVX-512: the kernels' own sources become a freestanding program (blob.cc) that the Bochs CPU runs,
those of the avx512 table on a CPU that has nothing newer. Tiles, which Bochs lacks here, are a model (tests/tiles).
Without the package bochscpu-python in this Python, the script makes a virtual environment in BUILD_FOLDER and starts
itself again there.
"""
import array
import importlib.util
import math
import multiprocessing
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
         "-mno-red-zone", "-fno-pie", "-w"]
INCLUDES = [f"-I{ROOT / 'src'}", f"-I{ROOT}"]
KERNELS = ROOT / "src/kernels"
# Sources, each with its own instruction sets.
PARTS = [([HERE / "blob.cc", ROOT / "tests/tiles/tile_model.cc", KERNELS / "avx512/matmul.cc", KERNELS / "avx512/elementwise.cc"], []),
         ([KERNELS / "avx512_vnni/matmul.cc"], ["-mavx512vnni"]),
         ([KERNELS / "amx/matmul.cc"], ["-include", HERE / "two_conversions.h", f"-I{ROOT / 'tests/tiles/replaced'}",
                                     "-mavx512vnni", "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-mamx-int8"])]
LINK = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-Ttext=0x400000", "-Wl,-e,entry", "-Wl,-N", "-Wl,--no-warn-rwx-segments"]
DATA = 0x1000000
WIDTH = 32  # of a panel
SCRATCH = 1 << 20  # for the matmuls below; blob.cc checks that it is enough
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
    objects = []
    for sources, flags in PARTS:
        for source in sources:
            objects.append(build / f"{source.parent.name}_{source.stem}.o")
            subprocess.run([*compiler, *FLAGS, *flags, *INCLUDES, "-c", source, "-o", objects[-1]], check=True)
    blob = build / "blob.elf"
    subprocess.run([*compiler, *LINK, *objects, "-o", blob], check=True)
    return blob.read_bytes()


def to_f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def to_bf16(value):  # ties to even; bits
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def from_bf16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def panels_of(columns):
    return (columns + WIDTH - 1) // WIDTH


class Floats:
    """How a storage keeps a weight of floats, [k][32 columns] in a panel, and what a matmul of it may be off by."""

    # Bits of x that products keep (Table::product_bits).
    def __init__(self, name, index, size, encode, decode, product_bits=24):
        self.name, self.index, self.size, self.encode, self.decode, self.product_bits = name, index, size, encode, decode, product_bits

    def steps(self, k):
        return k

    def place(self, column, i, k):
        return column // WIDTH * WIDTH * k + i * WIDTH + column % WIDTH

    def pack(self, draw, n, k):
        """Panels, scales, and the weight that they mean, row after row."""
        weight, panels = [0.0] * (n * k), bytearray(panels_of(n) * WIDTH * self.steps(k) * self.size)
        for column in range(n):
            for i in range(k):
                data = self.encode(draw.gauss(0, 0.1))
                weight[column * k + i] = self.decode(data)
                at = self.place(column, i, k) * self.size
                panels[at:at + self.size] = data
        return panels, b"", weight

    def multiplied(self, x):
        return from_bf16(to_bf16(x)) if self.product_bits == 8 else x

    def room(self, products, x, weights):
        """A chain of k multiply-adds and the bias, 2^-24 of the sum of magnitudes each; see src/kernels/matmul_test.cc."""
        chain = (4 * len(x) + 6 if self.product_bits < 24 else len(x) + 2) * 2.0**-24
        return (chain + (2.0**-15 if self.product_bits == 16 else 0)) * sum(map(abs, products)) + 1e-30


class Pairs(Floats):
    """bf16 as tiles want it, two steps of k side by side (src/kernels/amx/pair_panels.h)."""

    def steps(self, k):
        return (k + 31) // 32 * 32

    def place(self, column, i, k):
        return column // WIDTH * WIDTH * self.steps(k) + i // 2 * 2 * WIDTH + column % WIDTH * 2 + i % 2


class Whole:
    """Weights in s8 and s4, four steps of k side by side (src/kernels/avx512_vnni/panels.h), x in 15 bits."""

    def __init__(self, name, index, group=0):
        self.name, self.index, self.group = name, index, group

    def pack(self, draw, n, k):
        wide, steps = self.group == 0, (k + 63) // 64 * 64
        zero, per_byte = (128, 1) if wide else (8, 2)
        panels = bytearray((0x80 if wide else 0x88) for _ in range(panels_of(n) * WIDTH * steps // per_byte))
        scales = array.array("f", (draw.uniform(0.0005, 0.002) for _ in range(n))) if wide else array.array(
            "H", (to_bf16(draw.uniform(0.008, 0.03)) for _ in range(panels_of(n) * WIDTH * (k // self.group))))
        weight = [0.0] * (n * k)
        for column in range(n):
            panel, j = divmod(column, WIDTH)
            for i in range(k):
                number = draw.randint(-127, 127) if wide else draw.randint(-8, 7)
                at = panel * WIDTH * steps // per_byte + i // (4 * per_byte) * 128 + j * 4 + i % 4
                if wide:
                    panels[at], scale = number + zero, scales[column]
                else:
                    shift = i % 8 // 4 * 4
                    panels[at] = panels[at] & ~(15 << shift) | number + zero << shift
                    scale = from_bf16(scales[(panel * (k // self.group) + i // self.group) * WIDTH + j])
                weight[column * k + i] = number * scale
        return panels, scales.tobytes(), weight

    def multiplied(self, x):
        return x

    def room(self, products, x, weights):
        chain = (4 * len(x) + 6) * 2.0**-24 * sum(map(abs, products))
        return chain + sum(map(abs, weights)) * max(map(abs, x)) * (0.5 / (127 * 128) + 2.0**-23) + 1e-30


def f16(product_bits=24):
    return Floats("f16", 1, 2, lambda v: struct.pack("<e", v), lambda b: struct.unpack("<e", b)[0], product_bits)


def bf16(kind=Floats, product_bits=24):
    return kind("bf16", 2, 2, lambda v: struct.pack("<H", to_bf16(v)), lambda b: struct.unpack("<f", b"\0\0" + b)[0], product_bits)


F32 = Floats("f32", 0, 4, lambda v: struct.pack("<f", v), lambda b: struct.unpack("<f", b)[0])
# By table, as blob.cc numbers them.
AVX512, AVX512_VNNI, AMX = "avx512", "avx512_vnni", "amx"
TABLES = (AVX512, AVX512_VNNI, AMX)


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

    def add(self, kernel, x, out, table=AVX512, storage=0, panels=0, scales=0, bias=0, residual=0, rows=0, k=0, n=0,
            begin=0, end=0, x_stride=0, out_stride=0, group=0, activation=0):
        self.jobs.append(struct.pack("<10Q9qQ", kernel, TABLES.index(table), storage, x, panels, scales, bias, residual, out,
                                     self.scratch, SCRATCH, rows, k, n, begin, end, x_stride, out_stride, group, activation))

    def run(self, entry):
        self.machine.call(entry, self.place(b"".join(self.jobs)), len(self.jobs))

    def floats(self, address, count):
        return array.array("f", self.machine.read(address, 4 * count))


class Matmul:
    """x [rows, k] times a packed weight [n, k], all rows in one call and each row in its own."""

    def __init__(self, jobs, table, storage, rows, k, n):
        self.table, self.storage, self.rows, self.k, self.n = table, storage, rows, k, n
        draw = random.Random(rows)
        self.x = array.array("f", (draw.gauss(0, 1) for _ in range(rows * k)))
        self.bias = array.array("f", (draw.gauss(0, 1) for _ in range(n)))
        panels, scales, self.weight = storage.pack(draw, n, k)
        self.stride = n + 3
        blank = array.array("f", [CANARY] * (rows * self.stride)).tobytes()
        self.together, self.alone = jobs.place(blank), jobs.place(blank)
        x, w, b, s = jobs.place(self.x.tobytes()), jobs.place(bytes(panels)), jobs.place(self.bias.tobytes()), jobs.place(scales)
        shared = dict(kernel=0, table=table, storage=storage.index, panels=w, scales=s, bias=b, k=k, n=n, end=n, x_stride=k,
                      out_stride=self.stride, group=getattr(storage, "group", 0))
        jobs.add(x=x, out=self.together, rows=rows, **shared)
        for row in range(rows):
            jobs.add(x=x + 4 * k * row, out=self.alone + 4 * self.stride * row, rows=1, **shared)

    def check(self, jobs):
        count = self.rows * self.stride
        together, alone = jobs.floats(self.together, count), jobs.floats(self.alone, count)
        what = f"{self.table} {self.storage.name} [{self.rows}, {self.k}] x {self.n}"
        assert together.tobytes() == alone.tobytes(), f"{what}: rows depend on their number"
        for row in range(self.rows):
            x = [self.storage.multiplied(value) for value in self.x[row * self.k:(row + 1) * self.k]]
            for column in range(self.stride):
                seen = together[row * self.stride + column]
                if column >= self.n:
                    assert seen == CANARY, f"{what}: wrote after row {row}"
                    continue
                weights = self.weight[column * self.k:(column + 1) * self.k]
                products = [a * b for a, b in zip(x, weights)]
                exact = math.fsum(products) + self.bias[column]
                room = self.storage.room(products, x, weights) + (self.k + 2) * 2.0**-24 * abs(self.bias[column])
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


def run(model, blob, name, make_cases):
    """Runs what make_cases(jobs) wants on a CPU."""
    from machine import Machine
    machine = Machine(model)
    entry = machine.load(blob)
    jobs = Jobs(machine)
    cases = make_cases(jobs)
    start = time.monotonic()
    jobs.run(entry)
    emulated = time.monotonic() - start
    for case in cases:
        case.check(jobs)
    print(f"{name}: {len(jobs.jobs)} calls emulated in {emulated:.1f} s; {len(cases)} cases agree with their plain definitions")


def avx512_cases(jobs):
    cases = [Matmul(jobs, AVX512, storage, rows, k, n)
             for storage in (F32, f16(), bf16())
             # One row; a partial tile; a full one; two tiles; rows copied together; slices of k; a short last panel.
             for rows, k, n in ((1, 1, 1), (2, 7, 33), (5, 40, 70), (14, 33, 32), (15, 130, 17), (60, 131, 37))]
    return cases + [
        Elementwise(jobs, 1, "exp", math.exp, -80, 80, 2), Elementwise(jobs, 2, "log", math.log, 0.01, 50, 2),
        Elementwise(jobs, 3, "tanh", math.tanh, -9, 9, 3), Elementwise(jobs, 4, "erf", math.erf, -4, 4, 3),
        Narrow(jobs, 5, f16()), Narrow(jobs, 6, bf16())]


def whole_number_and_tile_cases(jobs):
    # Few rows; rows of a tile and of two; many rows; steps of k that are no whole tile; blocks of k.
    floats = [(1, 1, 1), (2, 37, 33), (5, 64, 70), (20, 65, 31), (50, 131, 37)]
    s8 = [(1, 3, 1), (7, 64, 33), (20, 77, 31), (9, 600, 20)]
    s4 = {32: [(1, 32, 33), (5, 96, 31), (19, 160, 35)], 64: [(18, 192, 33)], 128: [(17, 256, 20)], 20: [(3, 60, 33)]}
    cases = [Matmul(jobs, AMX, storage, *shape) for storage in (f16(product_bits=16), bf16(Pairs, product_bits=8)) for shape in floats]
    for table in (AVX512_VNNI, AMX):
        cases += [Matmul(jobs, table, Whole("s8", 3), *shape) for shape in s8]
        cases += [Matmul(jobs, table, Whole(f"s4 in groups of {group}", 4, group), *shape)
                  for group, shapes in s4.items() for shape in shapes]
    return cases


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    build.mkdir(parents=True, exist_ok=True)
    start_in_an_environment_with_the_emulator(build)
    from machine import SAPPHIRE_RAPIDS, SKYLAKE_X
    blob = build_blob(build, sys.argv[2].split() if len(sys.argv) > 2 else ["c++"])
    # The emulator has one CPU in a process.
    children = [multiprocessing.get_context("fork").Process(target=run, args=part) for part in (
        (SKYLAKE_X, blob, "avx512", avx512_cases),
        (SAPPHIRE_RAPIDS, blob, "avx512_vnni, and amx on a model of tiles", whole_number_and_tile_cases))]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sys.exit(max(child.exitcode != 0 for child in children))


if __name__ == "__main__":
    main()
