#include "program/work.h"

#include <algorithm>

namespace ganglion::program {
namespace {

double elements(const Dims& dims) {
  double count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<double>(dim);
  return count;
}

// Bytes of a packed row of `cols` elements: two of s4 share one.
double stored_bytes(DType dtype, double elements) {
  return dtype == DType::kS4 ? elements / 2 : elements * static_cast<double>(dtype_size(dtype));
}

class Counter {
 public:
  explicit Counter(const Step& step) : step_(step) {}

  SizedWork sum() {
    std::visit([this](const auto& params) { count(params); }, step_.params);
    return sum_;
  }

 private:
  // The size that rows of this operand are counted by; the first that has one decides.
  bool by_row(const Operand& operand) {
    if (operand.rows == kAllRows || operand.dims.empty() || operand.dims[0] == 0) return false;
    if (sum_.rows == kAllRows) sum_.rows = operand.rows;
    return sum_.rows == operand.rows;
  }
  void add_bytes(const Operand& operand) {
    const double bytes = stored_bytes(operand.dtype, elements(operand.dims));
    if (by_row(operand)) {
      sum_.row.bytes += bytes / static_cast<double>(operand.dims[0]);
    } else {
      sum_.fixed.bytes += bytes;
    }
  }
  void add_all_bytes() {
    for (const Operand& operand : step_.operands) add_bytes(operand);
    for (const Operand& result : step_.results) add_bytes(result);
  }
  // `each` operations for each element of the operand.
  void add_flops(const Operand& operand, double each) {
    const double flops = each * elements(operand.dims);
    if (by_row(operand)) {
      sum_.row.flops += flops / static_cast<double>(operand.dims[0]);
    } else {
      sum_.fixed.flops += flops;
    }
  }

  void count(const MatmulParams& p) {
    const auto k = static_cast<double>(p.k), n = static_cast<double>(p.n);
    add_bytes(step_.operands[0]);
    add_bytes(step_.results[0]);
    sum_.fixed.bytes += stored_bytes(p.storage, k * n);
    std::size_t next = 2;
    if (p.storage == DType::kS8) sum_.fixed.bytes += 4 * n;
    if (p.storage == DType::kS4) sum_.fixed.bytes += 2 * n * k / static_cast<double>(p.group);
    if (p.storage == DType::kS8 || p.storage == DType::kS4) ++next;
    // What has been prepared of x is read instead of x.
    const std::size_t end = step_.operands.size() - (p.prepared ? 1 : 0);
    for (; next < end; ++next) add_bytes(step_.operands[next]);
    add_flops(step_.results[0], 2 * k + (p.has_bias ? 1 : 0) + (p.has_residual ? 1 : 0));
  }
  void count(const PrepareRowsParams&) { add_all_bytes(); }
  // Mean, variance and the line through both, as written in kernels/table.h.
  void count(const LayerNormParams&) {
    add_all_bytes();
    add_flops(step_.results[0], 7);
  }
  void count(const RmsNormParams&) {
    add_all_bytes();
    add_flops(step_.results[0], 4);
  }
  void count(const RotaryParams& p) {
    add_all_bytes();
    add_flops(step_.results[0], 6.0 * static_cast<double>(p.pairs) / static_cast<double>(p.head_dim));
  }
  void count(const EmbeddingParams& p) {
    add_bytes(step_.operands[1]);
    add_bytes(step_.results[0]);
    double row = stored_bytes(step_.operands[0].dtype, static_cast<double>(p.cols));
    if (step_.operands.size() == 3) row += 4;
    const double ids = elements(step_.operands[1].dims);
    if (by_row(step_.operands[1])) {
      sum_.row.bytes += row * ids / static_cast<double>(step_.operands[1].dims[0]);
    } else {
      sum_.fixed.bytes += row * ids;
    }
  }
  void count(const KvWriteParams& p) {
    for (const Operand& operand : step_.operands) {
      if (operand.space != Space::kState) add_bytes(operand);
    }
    const auto heads = static_cast<double>(p.kv_heads);
    const double row =
        p.scales ? heads * 4 : stored_bytes(step_.results[0].dtype, heads * static_cast<double>(p.head_dim));
    if (by_row(step_.operands[0])) {
      sum_.row.bytes += row;
    } else {
      sum_.fixed.bytes += row * static_cast<double>(step_.operands[0].dims[0]);
    }
  }
  void count(const AttentionParams& p) {
    add_bytes(step_.operands[0]);
    add_bytes(step_.results[0]);
    const auto heads = static_cast<double>(p.heads), kv_heads = static_cast<double>(p.kv_heads);
    const auto head_dim = static_cast<double>(p.head_dim);
    const bool scaled = step_.operands.size() == 8;
    sum_.cached_bytes += 2 * kv_heads * (stored_bytes(step_.operands[1].dtype, head_dim) + (scaled ? 4 : 0));
    sum_.pair_flops += 4 * heads * head_dim;
  }
  void count(const ElementwiseParams& p) {
    add_all_bytes();
    add_flops(step_.results[0], static_cast<double>(p.instructions.size()));
  }
  void count(const MoveParams& p) {
    const double bytes = 2 * stored_bytes(step_.results[0].dtype, elements(p.dims));
    if (p.rows != kAllRows && !p.dims.empty() && p.dims[0] != 0) {
      sum_.rows = p.rows;
      sum_.row.bytes += bytes / static_cast<double>(p.dims[0]);
    } else {
      sum_.fixed.bytes += bytes;
    }
  }
  void count(const DotParams& p) {
    add_all_bytes();
    add_flops(step_.results[0], 2 * elements(p.contracted));
  }
  void count(const ReduceParams&) {
    add_all_bytes();
    add_flops(step_.operands[0], 1);
  }
  void count(const GatherParams&) {
    add_bytes(step_.operands[1]);
    add_bytes(step_.results[0]);
    add_bytes(step_.results[0]);
  }
  // The updates are read, and what they fall on is read and written.
  void count(const ScatterParams&) {
    add_bytes(step_.operands[1]);
    for (int i = 0; i < 3; ++i) add_bytes(step_.operands[2]);
    add_flops(step_.operands[2], 1);
  }
  void count(const AllReduceParams& p) {
    add_all_bytes();
    const double joined = p.groups.empty() ? 1 : static_cast<double>(p.groups[0].size());
    add_flops(step_.results[0], joined - 1 + (p.has_bias ? 1 : 0) + (p.has_residual ? 1 : 0));
  }
  void count(const FillParams&) { add_bytes(step_.results[0]); }
  void count(const IotaParams&) { add_bytes(step_.results[0]); }
  void count(const ReplicaIdParams&) { add_bytes(step_.results[0]); }
  void count(const AllGatherParams&) { add_all_bytes(); }
  void count(const SortParams&) { add_all_bytes(); }
  // How often it goes round is known by its run only: what is carried, once.
  void count(const WhileParams&) { add_all_bytes(); }

  const Step& step_;
  SizedWork sum_;
};

void scale(Work& work, double by) {
  work.bytes *= by;
  work.flops *= by;
}

struct Kind {
  std::string_view operator()(const MatmulParams&) const { return "matmul"; }
  std::string_view operator()(const PrepareRowsParams&) const { return "prepare_rows"; }
  std::string_view operator()(const LayerNormParams&) const { return "layer_norm"; }
  std::string_view operator()(const RmsNormParams&) const { return "rms_norm"; }
  std::string_view operator()(const RotaryParams&) const { return "rotary"; }
  std::string_view operator()(const EmbeddingParams&) const { return "embedding"; }
  std::string_view operator()(const KvWriteParams&) const { return "kv_write"; }
  std::string_view operator()(const AttentionParams&) const { return "attention"; }
  std::string_view operator()(const ElementwiseParams&) const { return "elementwise"; }
  std::string_view operator()(const MoveParams&) const { return "move"; }
  std::string_view operator()(const FillParams&) const { return "fill"; }
  std::string_view operator()(const IotaParams&) const { return "iota"; }
  std::string_view operator()(const DotParams&) const { return "dot"; }
  std::string_view operator()(const ReduceParams&) const { return "reduce"; }
  std::string_view operator()(const GatherParams&) const { return "gather"; }
  std::string_view operator()(const ScatterParams&) const { return "scatter"; }
  std::string_view operator()(const SortParams&) const { return "sort"; }
  std::string_view operator()(const WhileParams&) const { return "while"; }
  std::string_view operator()(const AllReduceParams&) const { return "all_reduce"; }
  std::string_view operator()(const AllGatherParams&) const { return "all_gather"; }
  std::string_view operator()(const ReplicaIdParams&) const { return "replica_id"; }
};

}  // namespace

Work SizedWork::at(const RunSizes& sizes) const {
  Work out = fixed;
  if (rows != kAllRows) {
    const auto real = static_cast<double>(sizes.rows[static_cast<std::size_t>(rows)]);
    if (real == 0) return {};
    out.bytes += real * row.bytes;
    out.flops += real * row.flops;
  }
  out.bytes += cached_bytes * sizes.cached;
  out.flops += pair_flops * sizes.pairs;
  return out;
}

SizedWork work_of(const Step& step, int ranks) {
  SizedWork work = Counter(step).sum();
  const double by = step.per_rank ? ranks : 1;
  scale(work.fixed, by);
  scale(work.row, by);
  work.cached_bytes *= by;
  work.pair_flops *= by;
  return work;
}

void add_work(std::vector<SizedWork>& sum, const SizedWork& work) {
  const auto same = std::find_if(sum.begin(), sum.end(), [&](const SizedWork& part) { return part.rows == work.rows; });
  if (same == sum.end()) {
    sum.push_back(work);
    return;
  }
  same->fixed += work.fixed;
  same->row += work.row;
  same->cached_bytes += work.cached_bytes;
  same->pair_flops += work.pair_flops;
}

Work work_at(std::span<const SizedWork> sum, const RunSizes& sizes) {
  Work out;
  for (const SizedWork& part : sum) out += part.at(sizes);
  return out;
}

std::string_view kind(const Step& step) noexcept { return std::visit(Kind{}, step.params); }

}  // namespace ganglion::program
