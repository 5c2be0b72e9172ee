#include <algorithm>
#include <cstring>

#include "runtime/cpu/element_types.h"
#include "runtime/cpu/steps.h"

namespace ganglion::runtime::cpu {
namespace {

template <std::size_t kSize>
void move_strided(std::byte* to, std::int64_t to_stride, const std::byte* from, std::int64_t from_stride,
                  std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * to_stride * static_cast<std::int64_t>(kSize),
                from + i * from_stride * static_cast<std::int64_t>(kSize), kSize);
  }
}

// `count` elements along one dimension.
void move_line(std::size_t size, std::byte* to, std::int64_t to_stride, const std::byte* from, std::int64_t from_stride,
               std::int64_t count) {
  if (to_stride == 1 && from_stride == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * size);
    return;
  }
  switch (size) {
    case 1:
      return move_strided<1>(to, to_stride, from, from_stride, count);
    case 2:
      return move_strided<2>(to, to_stride, from, from_stride, count);
    case 4:
      return move_strided<4>(to, to_stride, from, from_stride, count);
    default:
      return move_strided<8>(to, to_stride, from, from_stride, count);
  }
}

// The move as nested loops, neighbours that lie together joined into one.
struct Loops {
  Dims dims, source, target;

  Loops(const program::MoveParams& params, std::int64_t rows) {
    for (std::size_t i = 0; i < params.dims.size(); ++i) {
      const std::int64_t dim = i == 0 ? rows : params.dims[i];
      if (dim == 1) continue;
      const std::int64_t s = params.source_strides[i], t = params.target_strides[i];
      if (!dims.empty() && source.back() == s * dim && target.back() == t * dim) {
        dims.back() *= dim;
        source.back() = s;
        target.back() = t;
      } else {
        dims.push_back(dim);
        source.push_back(s);
        target.push_back(t);
      }
    }
    if (dims.empty()) {
      dims = {1};
      source = target = {1};
    }
  }
  std::int64_t lines() const {
    std::int64_t count = 1;
    for (std::size_t i = 0; i + 1 < dims.size(); ++i) count *= dims[i];
    return count;
  }
};

// What the dynamic starts add.
std::int64_t start_offset(const program::MoveParams& params, const StepContext& context, const Frame& frame) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < params.start_limits.size(); ++i) {
    const program::Operand& operand = context.step.operands[i + 1];
    const std::int64_t start = load_integer(operand.dtype, frame.at(operand));
    offset += std::clamp<std::int64_t>(start, 0, params.start_limits[i]) * params.start_strides[i];
  }
  return offset;
}

constexpr std::int64_t kPiece = 4096;  // elements of a long line that one thread moves at a time

}  // namespace

void run_step(const program::MoveParams& params, const StepContext& context) {
  const program::Operand& source = context.step.operands[0];
  const program::Operand& target = context.step.results[0];
  const std::size_t size = dtype_size(target.dtype);
  const std::int64_t rows = params.dims.empty() ? 1 : context.frames[0].rows_of(params.rows, params.dims[0]);
  const Loops loops(params, rows);
  const std::int64_t line = loops.dims.back();
  const std::int64_t pieces = (line + kPiece - 1) / kPiece;
  for_share(context, loops.lines() * pieces, std::min(line, kPiece) * static_cast<std::int64_t>(size), 1,
            [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
              std::byte* to_base = frame.at(target);
              if (to_base == nullptr) return;  // a result that nobody asked this rank for
              const std::byte* from_base = frame.at(source);
              std::int64_t from = params.source_offset, to = params.target_offset;
              if (params.dynamic) {
                (params.starts_on_target ? to : from) += start_offset(params, context, frame);
              }
              for (std::int64_t unit = begin; unit < end; ++unit) {
                const std::int64_t first = unit % pieces * kPiece;
                std::int64_t s = from + first * loops.source.back(), t = to + first * loops.target.back();
                std::int64_t index = unit / pieces;
                for (std::size_t d = loops.dims.size() - 1; d-- > 0;) {
                  s += index % loops.dims[d] * loops.source[d];
                  t += index % loops.dims[d] * loops.target[d];
                  index /= loops.dims[d];
                }
                const auto bytes = static_cast<std::int64_t>(size);
                move_line(size, to_base + t * bytes, loops.target.back(), from_base + s * bytes, loops.source.back(),
                          std::min(kPiece, line - first));
              }
            });
}

void run_step(const program::FillParams&, const StepContext& context) {
  const program::Operand& target = context.step.results[0];
  const std::size_t size = dtype_size(target.dtype);
  for_share(context, context.frames[0].elements(target), static_cast<std::int64_t>(size), 1024,
            [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
              std::byte* to = frame.at(target) + begin * static_cast<std::int64_t>(size);
              move_line(size, to, 1, frame.at(context.step.operands[0]), 0, end - begin);
            });
}

void run_step(const program::IotaParams& params, const StepContext& context) {
  const program::Operand& target = context.step.results[0];
  std::int64_t inner = 1;
  for (std::size_t i = static_cast<std::size_t>(params.dimension) + 1; i < target.dims.size(); ++i) {
    inner *= target.dims[i];
  }
  const std::int64_t along = target.dims[static_cast<std::size_t>(params.dimension)];
  const auto size = static_cast<std::int64_t>(dtype_size(target.dtype));
  for_share(context, context.frames[0].elements(target), 8, 1024,
            [&](const Frame& frame, std::int64_t begin, std::int64_t end) {
              std::byte* to = frame.at(target);
              for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t value = i / inner % along;
                if (is_float(target.dtype)) {
                  store_float(target.dtype, to + i * size, static_cast<float>(value));
                } else {
                  store_integer(target.dtype, to + i * size, wrap_integer(target.dtype, value));
                }
              }
            });
}

void run_step(const program::ReplicaIdParams&, const StepContext& context) {
  if (context.team.thread != 0) return;
  for (const Frame& frame : context.frames) {
    *frame.as<std::uint32_t>(context.step.results[0]) = static_cast<std::uint32_t>(frame.rank);
  }
}

}  // namespace ganglion::runtime::cpu
