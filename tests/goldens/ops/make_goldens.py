"""Makes the golden modules of every operation and their results, with XLA's CPU backend as the oracle.

Needs the pip packages jax==0.10.* (with jaxlib of the same version) and numpy. From the repository's root:

    python tests/goldens/ops/make_goldens.py

rewrites every tests/goldens/ops/*.json. Each file is a family of operations, each case in it holds

    name       what it tests
    module     HloModuleProto, base64 (what jaxlib made of the HLO text)
    arguments  per rank a list of arrays {dtype, dims, data}, data little-endian in base64
    results    per rank a list of arrays, as jaxlib computed them
    ulps       how far a float result may be off, in units of its type's last place (0: equal bits up to NaN)
    flushed    a float result smaller than the smallest normal f32 may be given as zero: XLA's CPU backend runs with
               subnormals switched off, we keep them
    tolerance  instead of ulps: |difference| <= tolerance * max(1, |expected|), for sums in another order
"""

import base64
import json
import os
import pathlib
import zlib

# Before jax is imported. Excess precision would let XLA keep f32 between two bf16 operations that are defined to round.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4 --xla_allow_excess_precision=false"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import ml_dtypes
import numpy as np
from jax._src.lib import xla_client
from jaxlib import _hlo, _jax

HERE = pathlib.Path(__file__).parent
FLOATS = ["f32", "f16", "bf16"]
INTEGERS = ["s8", "s32", "s64", "u8", "u32"]
TYPES = {"pred": np.bool_, "s8": np.int8, "s32": np.int32, "s64": np.int64, "u8": np.uint8, "u32": np.uint32,
         "f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}
NAMES = {np.dtype(numpy_type): name for name, numpy_type in TYPES.items()}

# XLA computes these by polynomials in f32; the evaluator rounds the f64 function once. The distances are what is seen over
# the inputs here; nothing is added. In f16 and bf16 both sides round an f32 result once more, which meets in one place.
ULPS = {"exponential": 1, "log": 1, "rsqrt": 1, "tanh": 2, "erf": 2, "logistic": 1, "sine": 1, "cosine": 1, "power": 1}
# XLA's logistic in f16 and bf16 rounds exp(-x), the sum and the quotient to the type.
ULPS_16_BITS = {"logistic": 2}


def ulps_of(opcode, dtype):
    if dtype == "f32":
        return ULPS.get(opcode, 0)
    return ULPS_16_BITS.get(opcode, min(1, ULPS.get(opcode, 0)))


def execute(proto, arguments):
    """Runs serialized HloModuleProto on len(arguments) ranks; arguments[rank][i]. Results [rank][i]."""
    ranks = len(arguments)
    options = xla_client.CompileOptions()
    options.num_replicas = ranks
    options.num_partitions = 1
    options.device_assignment = xla_client.DeviceAssignment.create(np.arange(ranks).reshape(ranks, 1))
    devices = jax.devices("cpu")[:ranks]
    executable = devices[0].client.compile_and_load(
        _jax.mlir.hlo_to_stablehlo(proto), _jax.DeviceList(tuple(devices)), options)
    if ranks == 1:
        sharded = [jax.device_put(a, devices[0]) for a in arguments[0]]
    else:  # an array that is split along its first dimension, one part per device
        split = jax.sharding.NamedSharding(jax.sharding.Mesh(np.array(devices), ("rank",)), jax.sharding.PartitionSpec("rank"))
        sharded = []
        for i, first in enumerate(arguments[0]):
            parts = [jax.device_put(arguments[r][i], devices[r]) for r in range(ranks)]
            whole = (ranks * first.shape[0],) + first.shape[1:]
            sharded.append(jax.make_array_from_single_device_arrays(whole, split, parts))
    outputs = executable.execute_sharded(sharded).disassemble_into_single_device_arrays()
    return [[np.asarray(output[r]) for output in outputs] for r in range(ranks)]


def encode(array):
    array = np.asarray(array)
    return {"dtype": NAMES[array.dtype], "dims": list(array.shape),
            "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


class Family:
    """The cases of one file."""

    def __init__(self, name):
        self.name = name
        self.cases = []

    def add(self, name, text, arguments, ulps=0, flushed=False, tolerance=None):
        """arguments: a list of arrays, or a list of lists, one per rank."""
        per_rank = arguments if arguments and isinstance(arguments[0], list) else [arguments]
        module = _hlo.hlo_module_from_text("HloModule golden\n" + text)
        proto = module.as_serialized_hlo_module_proto()
        try:
            results = execute(proto, per_rank)
        except Exception as error:
            raise RuntimeError(f"{self.name}: {name}:\n{text}") from error
        case = {"name": name, "module": base64.b64encode(proto).decode(),
                "arguments": [[encode(a) for a in of_rank] for of_rank in per_rank],
                "results": [[encode(a) for a in of_rank] for of_rank in results]}
        if ulps:
            case["ulps"] = ulps
        if flushed:
            case["flushed"] = True
        if tolerance:
            case["tolerance"] = tolerance
        self.cases.append(case)

    def write(self):
        lines = ",\n".join(json.dumps(case) for case in self.cases)
        path = HERE / f"{self.name}.json"
        path.write_text("[\n" + lines + "\n]\n")
        print(f"{path.name}: {len(self.cases)} cases, {path.stat().st_size} bytes")


def shape(dtype, dims):
    layout = ",".join(str(d) for d in reversed(range(len(dims))))
    return f"{dtype}[{','.join(str(d) for d in dims)}]" + (f"{{{layout}}}" if dims else "")


def shape_of(array):
    return shape(NAMES[array.dtype], array.shape)


def entry(arguments, body, computations=""):
    """HLO text of a module whose parameters are %p0, %p1, ... of the arguments' shapes; body has the ROOT."""
    parameters = "\n".join(f"  p{i} = {shape_of(a)} parameter({i})" for i, a in enumerate(arguments))
    return f"{computations}\nENTRY main {{\n{parameters}\n  {body}\n}}\n"


def binary_computation(opcode, dtype, name="apply"):
    return (f"{name} {{\n  a = {dtype}[] parameter(0)\n  b = {dtype}[] parameter(1)\n"
            f"  ROOT r = {dtype}[] {opcode}(a, b)\n}}\n")


def rng(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def special(dtype):
    """The numbers where implementations differ. No f32 and bf16 subnormals: XLA's CPU backend flushes them."""
    kind = TYPES[dtype]
    if dtype == "pred":
        return np.array([False, True])
    if dtype in INTEGERS:
        info = np.iinfo(kind)
        values = {info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7, 8, 31, 33, info.max // 2}
        if info.min < 0:
            values |= {-1, -2, -3, -8}
        return np.array(sorted(values), kind)
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 2.0, 3.0, 10.0, -7.25, 1e-4, 65504.0]
    values += [6e-8, -3e-6] if dtype == "f16" else [1e-30, 3e38, -3e38]
    return np.array(values, np.float64).astype(kind)


def numbers(dtype, dims, name, scale=4.0):
    generator = rng(name)
    if dtype == "pred":
        return generator.integers(0, 2, dims).astype(np.bool_)
    if dtype in INTEGERS:
        low = 0 if dtype.startswith("u") else -100
        return generator.integers(low, 100, dims).astype(TYPES[dtype])
    return (generator.standard_normal(dims) * scale).astype(np.float32).astype(TYPES[dtype])


def all_pairs(values):
    a, b = np.meshgrid(values, values, indexing="ij")
    return a.reshape(-1).copy(), b.reshape(-1).copy()


def elementwise():
    family = Family("unary")
    everywhere = ["negate", "abs", "exponential", "log", "sqrt", "rsqrt", "tanh", "erf", "logistic", "sign", "sine", "cosine",
                  "floor", "round-nearest-even"]
    for dtype in FLOATS:
        for opcode in everywhere:
            x = np.concatenate([special(dtype), numbers(dtype, [60], opcode + dtype)])
            if opcode in ("sine", "cosine"):  # XLA reduces huge arguments with fewer digits than the C library
                x = np.where(np.isfinite(x.astype(np.float32)) & (np.abs(x.astype(np.float32)) > 1e4), x.dtype.type(5.0), x)
            ulps = ulps_of(opcode, dtype)
            family.add(f"{opcode} {dtype}", entry([x], f"ROOT r = {shape_of(x)} {opcode}(p0)"), [x], ulps=ulps, flushed=True)
    for dtype in INTEGERS:
        for opcode in ["negate", "abs", "sign", "not"]:
            if dtype.startswith("u") and opcode in ("abs", "sign"):
                continue
            x = special(dtype)
            family.add(f"{opcode} {dtype}", entry([x], f"ROOT r = {shape_of(x)} {opcode}(p0)"), [x])
    x = special("pred")
    family.add("not pred", entry([x], f"ROOT r = {shape_of(x)} not(p0)"), [x])
    family.write()

    family = Family("binary")
    arithmetic = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "remainder"]
    bitwise = ["and", "or", "xor"]
    shifts = ["shift-left", "shift-right-logical"]
    for dtype in FLOATS:
        a, b = all_pairs(special(dtype))
        for opcode in arithmetic:
            ulps = ulps_of(opcode, dtype)
            x, y = a, b
            if opcode == "remainder":  # fmod of 1e38 by 1e-30 is exact in C and not in XLA
                x, y = all_pairs(np.array([v for v in special(dtype) if not abs(float(v)) > 1e5 and not 0 < abs(float(v)) < 1e-3]))
            family.add(f"{opcode} {dtype}", entry([x, y], f"ROOT r = {shape_of(x)} {opcode}(p0, p1)"), [x, y], ulps=ulps, flushed=True)
    for dtype in INTEGERS:
        a, b = all_pairs(special(dtype))
        for opcode in arithmetic + bitwise + shifts:
            x, y = a, b
            if opcode == "power":  # XLA's CPU backend looks at the exponent's low six bits only, and takes unsigned for signed
                few = (b >= -3) & (b < 64) if dtype[0] == "s" else b < 64
                x, y = a[few], b[few]
            family.add(f"{opcode} {dtype}", entry([x, y], f"ROOT r = {shape_of(x)} {opcode}(p0, p1)"), [x, y])
    a, b = all_pairs(special("pred"))
    for opcode in bitwise:
        family.add(f"{opcode} pred", entry([a, b], f"ROOT r = {shape_of(a)} {opcode}(p0, p1)"), [a, b])
    family.write()

    family = Family("compare")
    for dtype in TYPES:
        a, b = all_pairs(special(dtype)[:14])
        for direction in ["EQ", "NE", "GE", "GT", "LE", "LT"]:
            body = f"ROOT r = {shape('pred', a.shape)} compare(p0, p1), direction={direction}"
            family.add(f"compare {direction} {dtype}", entry([a, b], body), [a, b])
    family.write()

    family = Family("choose")
    for dtype in TYPES:
        mask, a, b = numbers("pred", [23], dtype), numbers(dtype, [23], "a" + dtype), numbers(dtype, [23], "b" + dtype)
        family.add(f"select {dtype}", entry([mask, a, b], f"ROOT r = {shape_of(a)} select(p0, p1, p2)"), [mask, a, b])
        if dtype == "pred":
            continue
        x = np.concatenate([special(dtype), numbers(dtype, [20], dtype)])
        low, high = np.array(-2 if dtype[0] != "u" else 2, x.dtype), np.array(5, x.dtype)
        family.add(f"clamp {dtype} between scalars",
                   entry([low, x, high], f"ROOT r = {shape_of(x)} clamp(p0, p1, p2)"), [low, x, high])
        low, high = numbers(dtype, x.shape, "low" + dtype), numbers(dtype, x.shape, "high" + dtype)
        family.add(f"clamp {dtype} between arrays, low above high in places",
                   entry([low, x, high], f"ROOT r = {shape_of(x)} clamp(p0, p1, p2)"), [low, x, high])
    family.write()

    family = Family("convert")
    for source in TYPES:
        x = np.concatenate([special(source), numbers(source, [20], source)])
        if source in FLOATS:
            more = np.array([127.5, 128.0, -128.9, 255.9, 256.0, 2.0**31, -(2.0**31), 2.0**63, 2.0**24 + 1, 65520.0], np.float64)
            with np.errstate(over="ignore"):
                x = np.concatenate([x, more.astype(x.dtype)])
        if source in ("s32", "s64", "u32"):
            x = np.concatenate([x, np.array([2**24 + 1, 2**24 + 3, 65519, 65520, 257, 259, 2049, 2051], x.dtype)])
        if source == "s64":  # halfway cases where s64 to f32 to f16 or bf16 would round twice
            x = np.concatenate([x, np.array([2**40 + 2**32 + 1, 2**53 + 1, 2**31, 2**32, -(2**35) - 1], x.dtype)])
        for target in TYPES:
            family.add(f"convert {source} to {target}",
                       entry([x], f"ROOT r = {shape(target, x.shape)} convert(p0)"), [x], flushed=target in FLOATS)
    bits = np.array([0, 1, 0x7F800000, 0x7FC00001, 0x80000000, 0x3F800000, 0xFF800001, 0x00000001], np.uint32)
    for source, target in [("u32", "f32"), ("f32", "s32"), ("s32", "u32"), ("u32", "s32"), ("f32", "u32")]:
        x = bits.view(TYPES[source])
        family.add(f"bitcast-convert {source} to {target}",
                   entry([x], f"ROOT r = {shape(target, x.shape)} bitcast-convert(p0)"), [x])
    halves = np.array([0, 1, 0x7C00, 0x8000, 0x3C00, 0x7E01, 0x3F80], np.uint16)
    for source, target in [("f16", "bf16"), ("bf16", "f16")]:
        x = halves.view(TYPES[source])
        family.add(f"bitcast-convert {source} to {target}",
                   entry([x], f"ROOT r = {shape(target, x.shape)} bitcast-convert(p0)"), [x])
    x = np.array([0, 1, 127, 128, 255], np.uint8)
    family.add("bitcast-convert u8 to s8", entry([x], f"ROOT r = {shape('s8', x.shape)} bitcast-convert(p0)"), [x])
    family.write()


def shapes():
    family = Family("shape")

    def one(name, arguments, result_dims, operation, dtype=None):
        dtype = dtype or NAMES[arguments[0].dtype]
        family.add(name, entry(arguments, f"ROOT r = {shape(dtype, result_dims)} {operation}"), arguments)

    for dtype in ["pred", "s8", "s64", "f16", "f32"]:  # one of each element size
        x = numbers(dtype, [2, 3, 4], "shape" + dtype)
        one(f"transpose {dtype}", [x], [4, 2, 3], "transpose(p0), dimensions={2,0,1}")
        one(f"reverse {dtype}", [x], [2, 3, 4], "reverse(p0), dimensions={0,2}")
        one(f"slice {dtype} with strides", [x], [1, 2, 2], "slice(p0), slice={[1:2], [0:3:2], [0:4:3]}")
        one(f"concatenate {dtype}", [x, x[:, :1]], [2, 4, 4], "concatenate(p0, p1), dimensions={1}")
        one(f"pad {dtype} with negative and interior padding", [x, x[0, 0, 0]], [1, 7, 3],
            "pad(p0, p1), padding=-1_0_0x1_1_1x-1_0_0")
        one(f"reshape {dtype}", [x], [3, 8], "reshape(p0)")
    x = numbers("f32", [3], "broadcast")
    one("broadcast a vector along rows", [x], [3, 4], "broadcast(p0), dimensions={0}")
    one("broadcast a vector along columns", [x], [4, 3], "broadcast(p0), dimensions={1}")
    one("broadcast a scalar", [x[0]], [2, 2], "broadcast(p0), dimensions={}")
    one("broadcast nothing", [x[0]], [0, 2], "broadcast(p0), dimensions={}")
    x = numbers("f32", [2, 3], "broadcast 2")
    one("broadcast a matrix around a middle", [x], [2, 5, 3], "broadcast(p0), dimensions={0,2}")
    one("reshape to a scalar", [x[:1, :1]], [], "reshape(p0)")
    one("concatenate three along the last", [x, x, x], [2, 9], "concatenate(p0, p1, p2), dimensions={1}")
    one("concatenate with an empty part", [x, x[:0]], [2, 3], "concatenate(p0, p1), dimensions={0}")
    one("slice of nothing", [x], [0, 3], "slice(p0), slice={[1:1], [0:3]}")
    one("pad negative on both sides of interior", [x, x[0, 0]], [2, 5], "pad(p0, p1), padding=0_0x-1_-1_2")
    one("pad to empty", [x, x[0, 0]], [0, 3], "pad(p0, p1), padding=-1_-1x0_0")
    for dtype in ["s8", "s32", "s64", "u8", "u32", "f16", "bf16", "f32"]:
        for dimension in [0, 1]:
            one(f"iota {dtype} along {dimension}", [x], [3, 5], f"iota(), iota_dimension={dimension}", dtype=dtype)
    x = numbers("f32", [4, 6], "dynamic")
    for starts in [(1, 2), (-5, 3), (9, 9), (2**31 - 1, -(2**31))]:
        index = [np.array(s, np.int32) for s in starts]
        one(f"dynamic-slice at {starts}", [x] + index, [2, 3], "dynamic-slice(p0, p1, p2), dynamic_slice_sizes={2,3}")
        update = numbers("f32", [2, 3], "update")
        one(f"dynamic-update-slice at {starts}", [x, update] + index, [4, 6], "dynamic-update-slice(p0, p1, p2, p3)")
    index = [np.array(s, np.int64) for s in (2, 2**40)]
    one("dynamic-slice with s64 starts", [x] + index, [2, 3], "dynamic-slice(p0, p1, p2), dynamic_slice_sizes={2,3}")
    for dtype in TYPES:
        literal = {"pred": "{true, false}", "f16": "{1.5, -0.25}", "bf16": "{1.5, -inf}", "f32": "{nan, 1e-3}"}.get(dtype, "{3, 100}")
        one(f"constant {dtype}", [x], [2], f"constant({literal})", dtype=dtype)
    family.write()


def contractions():
    family = Family("dot")
    variants = [
        ("matrix times matrix", [3, 5], [5, 4], "lhs_contracting_dims={1}, rhs_contracting_dims={0}", [3, 4]),
        ("times a transposed matrix", [3, 5], [4, 5], "lhs_contracting_dims={1}, rhs_contracting_dims={1}", [3, 4]),
        ("vector times vector", [7], [7], "lhs_contracting_dims={0}, rhs_contracting_dims={0}", []),
        ("outer product", [3], [2], "lhs_contracting_dims={}, rhs_contracting_dims={}", [3, 2]),
        ("one batch dimension", [2, 3, 5], [2, 5, 4],
         "lhs_batch_dims={0}, rhs_batch_dims={0}, lhs_contracting_dims={2}, rhs_contracting_dims={1}", [2, 3, 4]),
        ("two batch dimensions out of order", [2, 3, 4, 5], [3, 4, 2, 6],
         "lhs_batch_dims={0,1}, rhs_batch_dims={2,0}, lhs_contracting_dims={2}, rhs_contracting_dims={1}", [2, 3, 5, 6]),
        ("two contracting dimensions", [2, 3, 4], [4, 3, 5],
         "lhs_contracting_dims={1,2}, rhs_contracting_dims={1,0}", [2, 5]),
        ("batch in the middle", [3, 2, 5], [4, 5, 2],
         "lhs_batch_dims={1}, rhs_batch_dims={2}, lhs_contracting_dims={2}, rhs_contracting_dims={1}", [2, 3, 4]),
        ("contracting nothing left", [3, 0], [0, 4], "lhs_contracting_dims={1}, rhs_contracting_dims={0}", [3, 4]),
    ]
    # Sums of at most 12 products: in f32 the order costs a few times 2^-24, in f16 and bf16 one rounding of the result.
    tolerance = {"f32": 1e-5, "f16": 2e-3, "bf16": 1.6e-2}
    for name, left, right, how, result in variants:
        for dtype in FLOATS + ["s32"]:
            a, b = numbers(dtype, left, "a" + name, 1.0), numbers(dtype, right, "b" + name, 1.0)
            family.add(f"{name} {dtype}", entry([a, b], f"ROOT r = {shape(dtype, result)} dot(p0, p1), {how}"), [a, b],
                       tolerance=tolerance.get(dtype))
    name, left, right, how, result = variants[1]
    for dtype in ["f16", "bf16"]:
        a, b = numbers(dtype, left, "a" + name, 1.0), numbers(dtype, right, "b" + name, 1.0)
        family.add(f"{dtype} inputs, f32 result", entry([a, b], f"ROOT r = {shape('f32', result)} dot(p0, p1), {how}"), [a, b],
                   tolerance=1e-5)
    for dtype in ["s8", "u8", "s64", "u32"]:
        a, b = numbers(dtype, left, "a" + name), numbers(dtype, right, "b" + name)
        family.add(f"{name} {dtype}", entry([a, b], f"ROOT r = {shape(dtype, result)} dot(p0, p1), {how}"), [a, b])
    a, b = numbers("s8", left, "a" + name), numbers("s8", right, "b" + name)
    family.add("s8 inputs, s32 result", entry([a, b], f"ROOT r = {shape('s32', result)} dot(p0, p1), {how}"), [a, b])
    family.write()


def reductions():
    family = Family("reduce")
    # Floats here are multiples of 1/4 of modest size, so that sums are exact in any order and type.
    def exact(dtype, dims, name):
        return np.round(numbers(dtype, dims, name, 2.0).astype(np.float32) * 4).astype(np.float32) / 4

    neutral = {"add": "0", "multiply": "1", "maximum": None, "minimum": None}
    for dtype in FLOATS + INTEGERS:
        x = exact(dtype, [2, 3, 5], dtype).astype(TYPES[dtype]) if dtype in FLOATS else numbers(dtype, [2, 3, 5], dtype)
        for opcode in neutral:
            if opcode == "multiply" and dtype in FLOATS:
                x = np.sign(x.astype(np.float32)).astype(x.dtype) + (x == 0).astype(x.dtype)
            init = np.array({"add": 0, "multiply": 1}.get(opcode, 1), x.dtype)
            for dimensions, result in [("{0}", [3, 5]), ("{2}", [2, 3]), ("{0,2}", [3]), ("{0,1,2}", [])]:
                if dtype in ("s8", "s64", "u8") and dimensions != "{0,2}":
                    continue
                body = f"ROOT r = {shape(dtype, result)} reduce(p0, p1), dimensions={dimensions}, to_apply=apply"
                family.add(f"{opcode} {dtype} over {dimensions}",
                           entry([x, init], body, binary_computation(opcode, dtype)), [x, init])
    x = numbers("f32", [4, 33], "inexact")
    zero = np.array(0, np.float32)
    body = "ROOT r = f32[4]{0} reduce(p0, p1), dimensions={1}, to_apply=apply"
    family.add("add f32, sums that round", entry([x, zero], body, binary_computation("add", "f32")), [x, zero], tolerance=1e-5)
    x = np.array([[1, np.nan, 2], [-np.inf, 3, -0.0]], np.float32)
    for opcode in ["maximum", "minimum"]:
        init = np.array(-np.inf if opcode == "maximum" else np.inf, np.float32)
        body = "ROOT r = f32[2]{0} reduce(p0, p1), dimensions={1}, to_apply=apply"
        family.add(f"{opcode} f32 with NaN", entry([x, init], body, binary_computation(opcode, "f32")), [x, init])
    x = numbers("pred", [4, 3], "pred")
    for opcode, init in [("and", True), ("or", False)]:
        start = np.array(init)
        body = "ROOT r = pred[4]{0} reduce(p0, p1), dimensions={1}, to_apply=apply"
        family.add(f"{opcode} pred", entry([x, start], body, binary_computation(opcode, "pred")), [x, start])
    for opcode in ["and", "or", "xor"]:
        x = numbers("s32", [4, 3], opcode)
        start = np.array(-1 if opcode == "and" else 0, np.int32)
        body = "ROOT r = s32[4]{0} reduce(p0, p1), dimensions={1}, to_apply=apply"
        family.add(f"{opcode} s32", entry([x, start], body, binary_computation(opcode, "s32")), [x, start])
    custom = ("apply {\n  a = s32[] parameter(0)\n  b = s32[] parameter(1)\n  two = s32[] constant(2)\n  c = s32[] multiply(b, two)\n"
              "  less = pred[] compare(a, c), direction=LT\n  ROOT r = s32[] select(less, c, a)\n}\n")
    x, init = numbers("s32", [3, 4], "custom"), np.array(-10, np.int32)
    family.add("a computation of its own",
               entry([x, init], "ROOT r = s32[3]{0} reduce(p0, p1), dimensions={1}, to_apply=apply", custom), [x, init])
    x = numbers("f32", [0, 3], "empty")
    family.add("over an empty dimension",
               entry([x, zero], "ROOT r = f32[3]{0} reduce(p0, p1), dimensions={0}, to_apply=apply", binary_computation("add", "f32")),
               [x, zero])
    family.write()


def indexing():
    family = Family("gather_scatter")
    table = numbers("f32", [5, 4], "table")
    ids = np.array([0, 4, 2, -1, 9, 2], np.int32)

    def gather(name, arguments, result, how, dtype="f32"):
        family.add("gather " + name, entry(arguments, f"ROOT r = {shape(dtype, result)} gather(p0, p1), {how}"), arguments)

    rows = "offset_dims={1}, collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=1, slice_sizes={1,4}"
    gather("rows by ids, out of range ones clamped", [table, ids], [6, 4], rows)
    gather("rows by s64 ids", [table, ids.astype(np.int64)], [6, 4], rows)
    gather("rows by u32 ids", [table, np.array([0, 4, 2**32 - 1], np.uint32)], [3, 4], rows)
    gather("rows by a matrix of ids", [table, ids.reshape(2, 3)], [2, 3, 4],
           "offset_dims={2}, collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=2, slice_sizes={1,4}")
    gather("rows by a column of ids", [table, ids.reshape(6, 1)], [6, 4], rows)
    pairs = np.array([[0, 0], [4, 3], [2, 5], [-3, 2]], np.int32)
    gather("elements by pairs", [table, pairs], [4],
           "offset_dims={}, collapsed_slice_dims={0,1}, start_index_map={0,1}, index_vector_dim=1, slice_sizes={1,1}")
    gather("elements by pairs the other way round", [table, pairs], [4],
           "offset_dims={}, collapsed_slice_dims={0,1}, start_index_map={1,0}, index_vector_dim=1, slice_sizes={1,1}")
    gather("elements, index vectors along the first dimension", [table, pairs.T.copy()], [4],
           "offset_dims={}, collapsed_slice_dims={0,1}, start_index_map={0,1}, index_vector_dim=0, slice_sizes={1,1}")
    gather("windows of two by three", [table, pairs], [2, 4, 3],
           "offset_dims={0,2}, collapsed_slice_dims={}, start_index_map={0,1}, index_vector_dim=1, slice_sizes={2,3}")
    gather("columns", [table, ids[:3]], [5, 3],
           "offset_dims={0}, collapsed_slice_dims={1}, start_index_map={1}, index_vector_dim=1, slice_sizes={5,1}")
    cube = numbers("s8", [4, 2, 3], "cube")
    gather("blocks of a cube", [cube, np.array([[3, 1], [0, 2]], np.int32)], [2, 2, 2, 3],
           "offset_dims={2,3}, collapsed_slice_dims={0}, start_index_map={0}, index_vector_dim=2, slice_sizes={1,2,3}", "s8")
    for dtype in ["pred", "f16", "bf16", "s64"]:
        x = numbers(dtype, [5, 4], "gather" + dtype)
        gather(f"rows of {dtype}", [x, ids], [6, 4], rows, dtype)

    def scatter(name, arguments, how, computation, **unordered):
        body = f"ROOT r = {shape_of(arguments[0])} scatter(p0, p1, p2), {how}, to_apply=apply"
        family.add("scatter " + name, entry(arguments, body, computation), arguments, **unordered)

    def assign(dtype):
        return f"apply {{\n  a = {dtype}[] parameter(0)\n  ROOT b = {dtype}[] parameter(1)\n}}\n"

    rows = "update_window_dims={1}, inserted_window_dims={0}, scatter_dims_to_operand_dims={0}, index_vector_dim=1"
    for dtype in TYPES:
        x, updates = numbers(dtype, [5, 4], "x" + dtype), numbers(dtype, [6, 4], "u" + dtype)
        unique = np.array([3, 0, -1, 5, 2, 1], np.int32)
        scatter(f"assigns rows of {dtype}, out of range ones dropped", [x, unique, updates], rows + ", unique_indices=true", assign(dtype))
    for dtype in ["s32", "s8", "u32", "f32"]:
        x, updates = numbers(dtype, [5, 4], "x" + dtype), numbers(dtype, [6, 4], "u" + dtype)
        for opcode in ["add", "maximum", "multiply"]:
            if opcode == "multiply" and dtype == "f32":
                continue
            # Few f32 updates land on one element and XLA takes them in order as well; the tolerance covers another order.
            scatter(f"{opcode} of {dtype}, duplicates", [x, ids, updates], rows, binary_computation(opcode, dtype),
                    tolerance=1e-6 if dtype == "f32" else None)
    x, updates = numbers("f32", [5, 4], "pairs x"), numbers("f32", [4], "pairs u")
    scatter("assigns elements by pairs", [x, pairs, updates],
            "update_window_dims={}, inserted_window_dims={0,1}, scatter_dims_to_operand_dims={0,1}, index_vector_dim=1", assign("f32"))
    updates = numbers("f32", [4], "pairs u")
    scatter("assigns elements, index vectors along the first dimension", [x, pairs.T.copy(), updates],
            "update_window_dims={}, inserted_window_dims={0,1}, scatter_dims_to_operand_dims={0,1}, index_vector_dim=0", assign("f32"))
    updates = numbers("f32", [2, 4, 2], "windows u")
    starts = np.array([[0, 0], [2, 2], [3, 0], [4, 3]], np.int32)
    scatter("assigns windows, those that would leave dropped whole", [x, starts, updates],
            "update_window_dims={0,2}, inserted_window_dims={}, scatter_dims_to_operand_dims={0,1}, index_vector_dim=1", assign("f32"))
    family.write()


def sorting():
    family = Family("sort")

    def less(dtypes, direction="LT", key=0):
        parameters = "\n".join(f"  a{i} = {dtype}[] parameter({2 * i})\n  b{i} = {dtype}[] parameter({2 * i + 1})"
                               for i, dtype in enumerate(dtypes))
        return f"before {{\n{parameters}\n  ROOT r = pred[] compare(a{key}, b{key}), direction={direction}\n}}\n"

    for dtype in TYPES:
        if dtype == "pred":
            continue
        x = numbers(dtype, [3, 9], dtype)
        for dimension in [0, 1]:
            body = f"ROOT r = {shape_of(x)} sort(p0), dimensions={{{dimension}}}, is_stable=true, to_apply=before"
            family.add(f"{dtype} along {dimension}", entry([x], body, less([dtype])), [x])
    x = numbers("f32", [40], "down")
    family.add("f32 downwards, not stable",
               entry([x], "ROOT r = f32[40]{0} sort(p0), dimensions={0}, to_apply=before", less(["f32"], "GT")), [x])
    keys, values = (numbers("s32", [2, 30], "keys") % 5).astype(np.int32), np.arange(60, dtype=np.int32).reshape(2, 30)
    body = (f"ROOT r = (s32[2,30]{{1,0}}, s32[2,30]{{1,0}}) sort(p0, p1), dimensions={{1}}, is_stable=true, to_apply=before")
    family.add("two operands, stable with equal keys", entry([keys, values], body, less(["s32", "s32"])), [keys, values])
    weights = numbers("f32", [2, 30], "weights")
    body = (f"ROOT r = (s32[2,30]{{1,0}}, f32[2,30]{{1,0}}) sort(p0, p1), dimensions={{1}}, is_stable=true, to_apply=before")
    family.add("two operands, by the second, downwards",
               entry([keys, weights], body, less(["s32", "f32"], "GT", key=1)), [keys, weights])
    by_magnitude = ("before {\n  a = f32[] parameter(0)\n  b = f32[] parameter(1)\n  x = f32[] abs(a)\n  y = f32[] abs(b)\n"
                    "  ROOT r = pred[] compare(x, y), direction=LT\n}\n")
    family.add("by a comparator of its own",
               entry([x], "ROOT r = f32[40]{0} sort(p0), dimensions={0}, is_stable=true, to_apply=before", by_magnitude), [x])
    family.write()


def control():
    family = Family("control")
    n, x = np.array(7, np.int32), numbers("f32", [3], "while")
    loop = ("condition {\n  s = (s32[], s32[], f32[3]{0}) parameter(0)\n  i = s32[] get-tuple-element(s), index=0\n"
            "  n = s32[] get-tuple-element(s), index=1\n  ROOT r = pred[] compare(i, n), direction=LT\n}\n"
            "body {\n  s = (s32[], s32[], f32[3]{0}) parameter(0)\n  i = s32[] get-tuple-element(s), index=0\n"
            "  n = s32[] get-tuple-element(s), index=1\n  x = f32[3]{0} get-tuple-element(s), index=2\n  one = s32[] constant(1)\n"
            "  j = s32[] add(i, one)\n  y = f32[3]{0} subtract(x, x)\n  f = f32[] convert(j)\n  g = f32[3]{0} broadcast(f), dimensions={}\n"
            "  z = f32[3]{0} subtract(g, x)\n  ROOT r = (s32[], s32[], f32[3]{0}) tuple(j, n, z)\n}\n")
    body = ("zero = s32[] constant(0)\n  init = (s32[], s32[], f32[3]{0}) tuple(zero, p0, p1)\n"
            "  ROOT r = (s32[], s32[], f32[3]{0}) while(init), condition=condition, body=body")
    family.add("while counts to a parameter", entry([n, x], body, loop), [n, x])
    none = np.array(-1, np.int32)
    family.add("while that never runs", entry([none, x], body, loop), [none, x])
    callee = ("twice {\n  a = f32[3]{0} parameter(0)\n  ROOT r = f32[3]{0} add(a, a)\n}\n"
              "four {\n  a = f32[3]{0} parameter(0)\n  b = f32[3]{0} call(a), to_apply=twice\n  ROOT r = f32[3]{0} call(b), to_apply=twice\n}\n")
    family.add("call in a call", entry([x], "ROOT r = f32[3]{0} call(p0), to_apply=four", callee), [x])
    family.add("tuple and get-tuple-element",
               entry([n, x], "t = (s32[], f32[3]{0}) tuple(p0, p1)\n  a = f32[3]{0} get-tuple-element(t), index=1\n"
                     "  b = s32[] get-tuple-element(t), index=0\n  ROOT r = (f32[3]{0}, s32[]) tuple(a, b)"), [n, x])
    composite = "ROOT r = f32[3]{0} call(p0), to_apply=square, is_composite=true, frontend_attributes={composite.attributes={},composite.name=\"golden.square\",composite.version=\"1\"}"
    square = "square {\n  a = f32[3]{0} parameter(0)\n  ROOT r = f32[3]{0} multiply(a, a)\n}\n"
    family.add("a composite runs its body", entry([x], composite, square), [x])
    family.add("a result given twice", entry([x], "ROOT r = (f32[3]{0}, f32[3]{0}) tuple(p0, p0)"), [x])
    family.write()


def collectives():
    family = Family("collectives")
    for ranks in [2, 4]:
        def shards(dtype, dims, name):
            return [[numbers(dtype, dims, f"{name}{rank}")] for rank in range(ranks)]

        def add(name, arguments, body, computations="", **how):
            family.add(f"{name}, {ranks} ranks", entry(arguments[0], body, computations), arguments, **how)

        everyone = "{{" + ",".join(str(r) for r in range(ranks)) + "}}"
        for dtype, opcode in [("f32", "add"), ("s32", "add"), ("f32", "maximum"), ("f16", "add"), ("bf16", "maximum"), ("s32", "minimum")]:
            arguments = shards(dtype, [3, 2], opcode + dtype)
            if dtype == "f16":  # multiples of 1/4: exact in any order
                arguments = [[(np.round(a[0].astype(np.float32) * 4) / 4).astype(np.float16)] for a in arguments]
            add(f"all-reduce {opcode} {dtype}", arguments,
                f"ROOT r = {shape(dtype, [3, 2])} all-reduce(p0), replica_groups={everyone}, to_apply=apply",
                binary_computation(opcode, dtype), tolerance=1e-6 if (dtype, opcode) == ("f32", "add") else None)
        add("all-reduce in all ranks, no groups named", shards("s32", [3], "none"),
            "ROOT r = s32[3]{0} all-reduce(p0), replica_groups={}, to_apply=apply", binary_computation("add", "s32"))
        for dimension, result in [(0, [3 * ranks, 2]), (1, [3, 2 * ranks])]:
            add(f"all-gather along {dimension}", shards("f32", [3, 2], "gather"),
                f"ROOT r = {shape('f32', result)} all-gather(p0), replica_groups={everyone}, dimensions={{{dimension}}}")
        add("replica-id", shards("f32", [1], "id"),
            "id = u32[] replica-id()\n  one = u32[1]{0} reshape(id)\n  ROOT r = u32[1]{0} add(one, one)")
    halves = "{{0,2},{1,3}}"
    arguments = [[numbers("s32", [1, 3], f"halves{rank}")] for rank in range(4)]
    family.add("all-reduce in two groups, 4 ranks",
               entry(arguments[0], f"ROOT r = s32[1,3]{{1,0}} all-reduce(p0), replica_groups={halves}, to_apply=apply",
                     binary_computation("add", "s32")), arguments)
    family.add("all-gather in two groups, 4 ranks",
               entry(arguments[0], f"ROOT r = s32[1,6]{{1,0}} all-gather(p0), replica_groups={halves}, dimensions={{1}}"), arguments)
    family.write()


if __name__ == "__main__":
    elementwise()
    shapes()
    contractions()
    reductions()
    indexing()
    sorting()
    control()
    collectives()
