#!/usr/bin/env python3
"""Writes the .npy files beside this script, as NumPy writes them. Needs numpy (any version from 1.20 on).

    make_goldens.py [FOLDER]

Each file holds the values that src/tensor/npy_test.cc expects, by name.
"""
import pathlib
import sys

import numpy as np

out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
counting = np.arange(-3, 3).reshape(2, 3)

np.save(out / "f4.npy", counting.astype("<f4") / 2)
np.save(out / "f2.npy", counting.astype("<f2") / 2)
np.save(out / "i1.npy", counting.astype("i1"))
np.save(out / "i4.npy", counting.astype("<i4"))
np.save(out / "i8.npy", counting.astype("<i8") * (1 << 40))
np.save(out / "u1.npy", (counting + 3).astype("u1"))
np.save(out / "u4.npy", (counting + 3).astype("<u4") + np.uint32(4000000000))
np.save(out / "b1.npy", counting > 0)
np.save(out / "bf16_bits.npy", ((counting.astype("<f4") / 2).view("<u4") >> 16).astype("<u2"))
np.save(out / "scalar.npy", np.float32(1.5))
np.save(out / "vector.npy", np.arange(5, dtype="<i4"))
np.save(out / "empty.npy", np.zeros((0, 4), "<f4"))
np.save(out / "fortran.npy", np.asfortranarray(counting.astype("<f4")))
np.save(out / "big_endian.npy", counting.astype(">f4"))
np.save(out / "f8.npy", counting.astype("<f8"))
np.save(out / "structured.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
with open(out / "version2.npy", "wb") as f:
    np.lib.format.write_array(f, counting.astype("<f4") / 2, version=(2, 0))
