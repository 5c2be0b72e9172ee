"""Compares our evaluator with XLA's CPU backend on random modules.

Needs the pip packages jax==0.10.* (with jaxlib) and numpy, and the program evaluate_module of a built tree:

    python tests/evaluate_module/check_random_with_jaxlib.py build/release/tests/evaluate_module/evaluate_module [COUNT [FIRST_SEED]]

Prints a line for every result that differs by more than the tolerance that the generator derived, and exits with 1 then.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["XLA_FLAGS"] = "--xla_allow_excess_precision=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import ml_dtypes
import numpy as np
from jax._src.lib import xla_client
from jaxlib import _jax


def load(path):
    array = np.load(path)
    return array.view(ml_dtypes.bfloat16) if array.dtype == np.uint16 else array


def execute(proto, arguments):
    device = jax.devices("cpu")[0]
    executable = device.client.compile_and_load(
        _jax.mlir.hlo_to_stablehlo(proto), _jax.DeviceList((device,)), xla_client.CompileOptions())
    outputs = executable.execute_sharded([jax.device_put(a, device) for a in arguments])
    return [np.asarray(o[0]) for o in outputs.disassemble_into_single_device_arrays()]


def check(program, seed, folder):
    subprocess.run([program, "--random", str(seed), folder], check=True)
    folder = pathlib.Path(folder)
    arguments = [load(folder / f"argument{i}.npy") for i in range(len(list(folder.glob("argument*.npy"))))]
    tolerances = [float(line) for line in (folder / "tolerances.txt").read_text().split()]
    expected = execute((folder / "module.hlo.pb").read_bytes(), arguments)
    wrong = 0
    for i, (tolerance, wanted) in enumerate(zip(tolerances, expected, strict=True)):
        got = load(folder / f"{i}.npy")
        assert got.shape == wanted.shape and got.dtype == wanted.dtype, (seed, i, got.dtype, wanted.dtype)
        distance = np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max(initial=0)
        if not distance <= tolerance:
            wrong += 1
            print(f"seed {seed}, result {i} {got.dtype}{list(got.shape)}: differs by {distance}, tolerance {tolerance}")
    return len(expected), wrong


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    results = wrong = 0
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            made, bad = check(program, seed, folder)
            results, wrong = results + made, wrong + bad
    print(f"{count} modules, {results} results, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
