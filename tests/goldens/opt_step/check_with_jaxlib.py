#!/usr/bin/env python3
"""The steps of the embedded OPT, in every type of weights, and of every model in tests/goldens/families as ganglion writes
them (HloModuleProto, composites as calls) through XLA itself: jaxlib parses each, prints it, parses what ganglion prints as
text, and runs it with the same logits as the CPU backend and the evaluator. For the embedded OPT a second step, a decode of one
token against the cache that XLA wrote in the first, must give the logits that ganglion gives for the whole prompt at once.

Needs the PyPI packages jax and jaxlib (0.10) and numpy, and a built program: `./dev oracle xla` has both. By hand:
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
TYPES = ("f32", "f16", "s8", "s4")


def ganglion(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def run_with_xla(proto, arguments):
    device = jax.devices("cpu")[0]
    executable = device.client.compile_and_load(_jax.mlir.hlo_to_stablehlo(proto), _jax.DeviceList((device,)), xc.CompileOptions())
    results = executable.execute_sharded([jax.device_put(a, device) for a in arguments])
    return [np.asarray(r[0]) for r in results.disassemble_into_single_device_arrays()]


def difference(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


def argument(file, shape):
    """A file of `ganglion compile -p` as the parameter's type: NumPy has no s4 and no bf16, the files hold s8 and bits."""
    dtype = np.dtype(shape.numpy_dtype())
    if not file.exists():  # a cache: zero
        return np.zeros(shape.dimensions(), dtype)
    values = np.load(file)
    return values.view(dtype) if dtype.name == "bfloat16" else values.astype(dtype)


def compiled(folder, model, dtype, prompt):
    """The step in both forms, which must be one module to XLA: its proto and the arguments."""
    for form in ("hlo", "hlo.pb"):
        ganglion("compile", model, "--out", folder, "--format", form, "--dtype", dtype, *prompt)
    proto = (folder / "step.hlo.pb").read_bytes()
    canonical = _hlo.HloPrintOptions.canonical()
    from_text = _hlo.hlo_module_from_text((folder / "step.hlo").read_text())
    if from_text.to_string(canonical) != _hlo.HloModule.from_serialized_hlo_module_proto(proto).to_string(canonical):
        sys.exit(f"{model.name} {dtype}: the text and the proto are not the same module to XLA")
    shapes = xc.XlaComputation(proto).program_shape().parameter_shapes()
    return proto, [argument(folder / "arguments" / f"{number}.npy", shape) for number, shape in enumerate(shapes)]


def ours(folder, backend):
    ganglion("run", folder / "step.hlo.pb", "--arguments", folder / "arguments", "--backend", backend, "--out", folder / backend)
    return np.load(folder / backend / "0.rank0.npy")


def compare(what, folder, xla):
    worst = 0.0
    for backend in ("reference", "cpu"):
        logits = ours(folder, backend)
        worst = max(worst, difference(logits, xla))
        print(f"{what} {backend:<9} against XLA: largest difference over largest logit {difference(logits, xla):.2e}, "
              f"same token {int(logits.argmax()) == int(xla.argmax())}", flush=True)
    return worst


def prefill_then_decode(model, dtype, ids):
    """XLA's logits after the last of `ids`: the others in one step, the last in another on the cache of the first."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        text = [",".join(map(str, part)) for part in (ids[:-1], ids[-1:])]
        proto, arguments = compiled(pathlib.Path(first), model, dtype, ("--prompt-ids", text[0]))
        caches = run_with_xla(proto, arguments)[1:]
        proto, arguments = compiled(pathlib.Path(second), model, dtype, ("--prompt-ids", text[1]))
        # token_ids, position, sequence, slot: what was said of a prompt of one token holds of the last of many.
        for number in (1, 3):
            arguments[number] = np.full_like(arguments[number], len(ids) - 1)
        places = [n for n in range(len(arguments)) if not (pathlib.Path(second) / "arguments" / f"{n}.npy").exists()]
        for place, cache in zip(places, caches, strict=True):
            arguments[place] = cache
        return run_with_xla(proto, arguments)[0]


def main():
    worst = {dtype: 0.0 for dtype in TYPES}
    families = sorted(path.parent for path in (ROOT / "tests" / "goldens" / "families").glob("*/config.json"))
    long = ",".join(str(5 + 7 * i) for i in range(40))  # longer than the 32 positions from which some are scaled
    cases = [(MODEL, dtype, ("-p", PROMPT)) for dtype in TYPES]
    cases += [(folder, dtype, ("--prompt-ids", long)) for folder in families for dtype in ("f32", "s8")]
    for model, dtype, prompt in cases:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            proto, arguments = compiled(folder, model, dtype, prompt)
            worst[dtype] = max(worst[dtype], compare(f"{model.name} {dtype}", folder, run_with_xla(proto, arguments)[0]))
    ids = [5 + 11 * i for i in range(14)]  # within one block of the cache, as a step of one token has it
    for dtype in TYPES:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            compiled(folder, MODEL, dtype, ("--prompt-ids", ",".join(map(str, ids))))
            worst[dtype] = max(worst[dtype], compare(f"{MODEL.name} {dtype} decode", folder, prefill_then_decode(MODEL, dtype, ids)))
    # Beside weights in other types the cache is in f16: a K or V that falls to the other side of a tie is off by 2^-11 of itself.
    wrong = [dtype for dtype in TYPES if worst[dtype] >= (1e-4 if dtype == "f32" else 2**-11)]
    print("largest:", ", ".join(f"{dtype} {worst[dtype]:.2e}" for dtype in TYPES))
    sys.exit(f"the logits differ by too much in {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
