#!/usr/bin/env python3
"""The steps of the embedded OPT and of every model in tests/goldens/families as ganglion writes them (HloModuleProto,
composites as calls) through XLA itself: jaxlib parses each, prints it, parses what ganglion prints as text, and runs it with
the same logits as the CPU backend and the evaluator.

Needs the PyPI packages jax and jaxlib (0.10) and numpy, and a built program:
    ./dev build && python3 -m venv VENV && VENV/bin/pip install jax jaxlib numpy
    VENV/bin/python tests/goldens/opt_step/check_with_jaxlib.py
"""
import pathlib
import subprocess
import sys
import tempfile

import jax
import numpy as np
from jax._src.lib import xla_client as xc
from jaxlib import _hlo, _jax

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "build" / "release" / "ganglion"
MODEL = ROOT / "share" / "opt-demo"
PROMPT = "Hello, I am a language model,"


def ganglion(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def run_with_xla(proto, arguments):
    device = jax.devices("cpu")[0]
    executable = device.client.compile_and_load(_jax.mlir.hlo_to_stablehlo(proto), _jax.DeviceList((device,)), xc.CompileOptions())
    results = executable.execute_sharded([jax.device_put(a, device) for a in arguments])
    return [np.asarray(r[0]) for r in results.disassemble_into_single_device_arrays()]


def difference(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


def main():
    worst = 0.0
    families = sorted(path.parent for path in (ROOT / "tests" / "goldens" / "families").glob("*/config.json"))
    ids = ",".join(str(5 + 7 * i) for i in range(40))  # longer than the 32 positions from which some are scaled
    cases = [(MODEL, dtype, ("-p", PROMPT)) for dtype in ("f32", "f16")]
    cases += [(folder, "f32", ("--prompt-ids", ids)) for folder in families]
    for model, dtype, prompt in cases:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for form in ("hlo", "hlo.pb"):
                ganglion("compile", model, "--out", folder, "--format", form, "--dtype", dtype, *prompt)
            proto = (folder / "step.hlo.pb").read_bytes()
            module = _hlo.HloModule.from_serialized_hlo_module_proto(proto)
            canonical = _hlo.HloPrintOptions.canonical()
            from_text = _hlo.hlo_module_from_text((folder / "step.hlo").read_text())
            if from_text.to_string(canonical) != module.to_string(canonical):
                sys.exit(f"{model.name} {dtype}: the text and the proto are not the same module to XLA")
            shapes = xc.XlaComputation(proto).program_shape().parameter_shapes()
            arguments = []
            for number, shape in enumerate(shapes):
                file = folder / "arguments" / f"{number}.npy"
                if file.exists():
                    arguments.append(np.load(file))
                else:  # a cache: zero
                    arguments.append(np.zeros(shape.dimensions(), shape.numpy_dtype()))
            xla = run_with_xla(proto, arguments)[0]
            for backend in ("reference", "cpu"):
                ganglion("run", folder / "step.hlo.pb", "--arguments", folder / "arguments", "--backend", backend, "--out", folder / backend)
                ours = np.load(folder / backend / "0.rank0.npy")
                worst = max(worst, difference(ours, xla))
                print(f"{model.name} {dtype} {backend:<9} against XLA: largest difference over largest logit {difference(ours, xla):.2e}, "
                      f"same token {int(ours.argmax()) == int(xla.argmax())}")
    sys.exit(0 if worst < 1e-4 else "the logits differ by more than 1e-4")


if __name__ == "__main__":
    main()
