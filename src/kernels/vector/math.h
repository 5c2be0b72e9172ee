// Elementary functions of a vector of floats, for a vector type V (avx2/vec.h, avx512/vec.h). A lane's result depends
// on that lane alone. A NaN gives NaN. Polynomials are minimax fits made by fit_polynomials.py.
#pragma once

#include "kernels/table.h"

namespace ganglion::kernels {
namespace {

template <class V>
struct Math {
  using Reg = typename V::Reg;

  // c[0] + c[1] x + c[2] x^2 + ... by Horner's rule.
  template <int count>
  static Reg polynomial(Reg x, const float (&c)[count]) noexcept {
    Reg sum = V::all(c[count - 1]);
    for (int i = count - 2; i >= 0; --i) sum = V::fma(sum, x, V::all(c[i]));
    return sum;
  }

  // Within 2 ulp, subnormal results too. x = n ln 2 + r with |r| <= ln(2)/2; exp(r) = 1 + r + r^2 q(r).
  static Reg exp(Reg x) noexcept {
    static constexpr float kRest[] = {0.49999994f, 0.166665211f, 0.0416682921f, 0.00836871937f, 0.00138187257f};
    // Outside, the result is 0 or infinity. As the second operand, a NaN passes through min and max.
    x = V::max(V::all(-104.0f), V::min(V::all(89.0f), x));
    const Reg n = V::round(V::mul(x, V::all(1.44269504f)));
    Reg r = V::fma(n, V::all(-0.693145752f), x);  // ln 2 in two parts: n times the first is exact
    r = V::fma(n, V::all(-1.42860677e-6f), r);
    const Reg power = V::add(V::all(1.0f), V::fma(V::mul(r, r), polynomial(r, kRest), r));
    return V::times_power_of_two(power, n);
  }

  // 2^x for x <= 0, within 2 ulp; from 2^-127 down it is zero. 2^r = 1 + r q(r) for |r| <= 1/2.
  static Reg power_of_two(Reg x) noexcept {
    static constexpr float kPower[] = {1.0f, 0.693147004f, 0.240222439f, 0.0555071123f, 0.0096714953f, 0.00132697832f};
    x = V::max(V::all(-127.0f), x);  // as the second operand, a NaN passes
    const Reg counted = V::add(x, V::all(V::kCountBias));
    const Reg r = V::sub(x, V::sub(counted, V::all(V::kCountBias)));
    return V::mul(polynomial(r, kPower), V::two_to_counted(counted));
  }

  // Within 2 ulp. x = m 2^e with m = 1 + f in [sqrt 1/2, sqrt 2); log(1 + f) = f - f^2/2 + f^3 q(f).
  static Reg log(Reg x) noexcept {
    static constexpr float kRest[] = {0.333333135f,  -0.250000089f, 0.200020716f,  -0.166679889f, 0.142203584f,
                                      -0.124062337f, 0.118835486f,  -0.116700992f, 0.067492716f};
    const auto tiny = V::less(x, V::all(0x1p-126f));  // subnormal: scale up to read the exponent
    const Reg normal = V::select(tiny, V::mul(x, V::all(0x1p24f)), x);
    const Reg e = V::sub(V::exponent(normal), V::select(tiny, V::all(24.0f), V::zero()));
    const Reg f = V::sub(V::fraction(normal), V::all(1.0f));
    const Reg square = V::mul(f, f);
    Reg low = V::mul(V::mul(square, f), polynomial(f, kRest));
    low = V::fma(square, V::all(-0.5f), V::fma(e, V::all(1.42860677e-6f), low));
    Reg result = V::fma(e, V::all(0.693145752f), V::add(f, low));
    const Reg infinity = V::all(__builtin_inff());
    result = V::select(V::less(x, infinity), result, x);  // infinity and NaN
    result = V::select(V::less(x, V::zero()), V::all(__builtin_nanf("")), result);
    const Reg magnitude = V::abs(x);
    return V::select(V::less(V::zero(), magnitude), result,
                     V::select(V::is_nan(x), x, V::flip(infinity, V::all(-0.0f))));
  }

  // Within 2 ulp. Odd polynomial below 0.625, 1 - 2 / (exp(2x) + 1) above.
  static Reg tanh(Reg x) noexcept {
    static constexpr float kRest[] = {-0.333333313f, 0.133332223f,    -0.053948462f,
                                      0.0217087492f, -0.00819508638f, 0.00215763575f};
    const Reg magnitude = V::abs(x);
    const Reg square = V::mul(x, x);
    const Reg small = V::fma(V::mul(square, x), polynomial(square, kRest), x);
    const Reg power = exp(V::add(magnitude, magnitude));
    const Reg large = V::sub(V::all(1.0f), V::div(V::all(2.0f), V::add(power, V::all(1.0f))));
    return V::select(V::less(magnitude, V::all(0.625f)), small, V::flip(large, V::sign(x)));
  }

  // Within 2 ulp. x + x q(x^2) below 1, 1 - exp(-p(x)) with p = -log(erfc) above; from 4 on erf rounds to 1.
  static Reg erf(Reg x) noexcept {
    static constexpr float kRatio[] = {0.128379166f,   -0.376126289f,    0.112836182f,   -0.026855126f,
                                       0.00519073382f, -0.000803076138f, 7.92036808e-05f};
    static constexpr float kTail[] = {-0.000204358148f, 1.1296612f,      0.633039415f,
                                      0.10863933f,      -0.0253738444f,  0.00428252248f,
                                      -0.000463825185f, 2.53197049e-05f, -2.51565439e-07f};
    const Reg magnitude = V::abs(x);
    const Reg square = V::mul(x, x);
    const Reg small = V::fma(x, polynomial(square, kRatio), x);
    const Reg tail = polynomial(V::min(V::all(4.0f), magnitude), kTail);
    const Reg large = V::sub(V::all(1.0f), exp(V::flip(tail, V::all(-0.0f))));
    return V::select(V::less(magnitude, V::all(1.0f)), small, V::flip(large, V::sign(x)));
  }

  static Reg logistic(Reg x) noexcept {
    return V::div(V::all(1.0f), V::add(V::all(1.0f), exp(V::flip(x, V::all(-0.0f)))));
  }
  static Reg relu(Reg x) noexcept { return V::max(V::zero(), x); }
  static Reg gelu_erf(Reg x) noexcept {
    const Reg half = V::mul(V::all(0.5f), x);
    return V::fma(half, erf(V::mul(x, V::all(0.70710678118654752f))), half);
  }
  static Reg gelu_tanh(Reg x) noexcept {
    const Reg half = V::mul(V::all(0.5f), x);
    const Reg cubic = V::fma(V::mul(V::mul(x, x), x), V::all(0.044715f), x);
    return V::fma(half, tanh(V::mul(cubic, V::all(0.79788456080286536f))), half);
  }
  // x / (1 + exp(-x)); where exp overflows the quotient is -0, as it should be.
  static Reg silu(Reg x) noexcept { return V::div(x, V::add(V::all(1.0f), exp(V::flip(x, V::all(-0.0f))))); }
  static Reg activate(Activation activation, Reg x) noexcept {
    switch (activation) {
      case Activation::kNone:
        return x;
      case Activation::kRelu:
        return relu(x);
      case Activation::kGeluErf:
        return gelu_erf(x);
      case Activation::kGeluTanh:
        return gelu_tanh(x);
      case Activation::kSilu:
        return silu(x);
    }
    return x;
  }
};

}  // namespace
}  // namespace ganglion::kernels
