#!/usr/bin/env python3
"""Prints the polynomial coefficients in math.h and ../amx/attention.h. Needs numpy and mpmath.

Each polynomial minimises the largest weighted error on its interval: weighted least squares on Chebyshev points, with
the weights raised where the error is largest (Lawson's iteration) until the error is level. Coefficients are then
rounded to f32 from the lowest power up, the higher ones being fitted again after each rounding.
"""
import mpmath
import numpy as np

mpmath.mp.dps = 40


def fit(function, low, high, degree, weight):
    """Coefficients c[0..degree] of sum c[i] t^i for `function` of t, f32; `weight` turns an error into what counts."""
    points = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(600) + 0.5) / 600)
    values = np.array([float(function(mpmath.mpf(t))) for t in points])
    scale = np.array([float(weight(mpmath.mpf(t))) for t in points])
    fixed = []
    while len(fixed) <= degree:
        rest = values - sum((c * points**i for i, c in enumerate(fixed)), np.zeros_like(points))
        powers = np.stack([points**i for i in range(len(fixed), degree + 1)], axis=1)
        lawson = np.ones_like(points)
        for _ in range(200):
            rows = np.sqrt(lawson) * scale
            c, *_ = np.linalg.lstsq(powers * rows[:, None], rest * rows, rcond=None)
            error = np.abs((powers @ c - rest) * scale)
            lawson *= error / error.max() + 1e-3
            lawson /= lawson.max()
        fixed.append(float(np.float32(c[0])))
    worst = np.abs((sum(c * points**i for i, c in enumerate(fixed)) - values) * scale).max()
    return fixed, worst


def show(name, result):
    coefficients, worst = result
    print(f"{name}: " + ", ".join(f"{c:.9g}f" for c in coefficients) + f"   // weighted error {worst:.2e}")


def exp_rest(r):  # exp(r) = 1 + r + r^2 q(r)
    return (mpmath.expm1(r) - r) / r**2 if abs(r) > 1e-12 else mpmath.mpf(1) / 2


def log_rest(f):  # log(1 + f) = f - f^2/2 + f^3 q(f)
    return (mpmath.log1p(f) - f + f**2 / 2) / f**3 if abs(f) > 1e-8 else mpmath.mpf(1) / 3


def tanh_rest(s):  # tanh(x) = x + x^3 q(x^2)
    x = mpmath.sqrt(s)
    return (mpmath.tanh(x) - x) / x**3


def erf_ratio(s):  # erf(x) = x + x q(x^2)
    x = mpmath.sqrt(s)
    return mpmath.erf(x) / x - 1


half = np.log(2) / 2 + 1e-3
show("exp", fit(exp_rest, -half, half, 4, lambda r: r**2 / mpmath.exp(r)))
show("log", fit(log_rest, np.sqrt(0.5) - 1, np.sqrt(2) - 1, 8, lambda f: abs(f**3 / mpmath.log1p(f)) if f != 0 else 0))
show("tanh", fit(tanh_rest, 1e-12, 0.625**2, 5, lambda s: s))
show("erf below 1", fit(erf_ratio, 1e-12, 1.0, 6, lambda s: 1))
show("-log erfc from 1 to 4", fit(lambda x: -mpmath.log(mpmath.erfc(x)), 1.0, 4.0, 8, lambda x: mpmath.erfc(x)))


def power_rest(r):  # 2^r = 1 + r q(r)
    return mpmath.expm1(r * mpmath.log(2)) / r if abs(r) > 1e-12 else mpmath.log(2)


show("2^r", fit(power_rest, -0.5 - 1e-3, 0.5 + 1e-3, 4, lambda r: abs(r) / mpmath.mpf(2) ** r))
show("2^r for bf16", fit(power_rest, 0.0, 1.0, 3, lambda r: r / mpmath.mpf(2) ** r))
