#include "kernels/avx2/kernels.h"
#include "kernels/pack.h"
#include "kernels/tables.h"

namespace ganglion::kernels {

namespace {

constexpr Conversions kConversions = {
    .to_f32 = {avx2::to_f32<Storage::kF32>, avx2::to_f32<Storage::kF16>, avx2::to_f32<Storage::kBF16>},
    .from_f32 = {avx2::from_f32<Storage::kF32>, avx2::from_f32<Storage::kF16>, avx2::from_f32<Storage::kBF16>},
    .turn_columns = avx2::turn_columns};

}  // namespace

constexpr Table make_avx2_table() noexcept {
  using namespace avx2;
  using enum Storage;
  return Table{
      .isa = "avx2",
      .packing = "16 columns",
      .panel_width = kPanelWidth,
      .packed_bytes = packed_bytes_in_panels<kPanelWidth>,
      .pack = pack<kPanelWidth, kConversions>,
      .pack_turned = pack_turned<kPanelWidth, kConversions>,
      .packed_scale_bytes = packed_scale_bytes<kPanelWidth>,
      .pack_scales = pack_scales<kPanelWidth, kConversions>,
      .matmul = {matmul<kF32>, matmul<kF16>, matmul<kBF16>, matmul<kS8>, matmul<kS4>},
      .matmul_scratch = matmul_scratch,
      .prepared_bytes = nothing_prepared,
      .prepare_rows = nullptr,
      .product_bits = {24, 24, 24, 24, 24},
      .attention_bits = {24, 24, 24, 24},
      .attention = {attention<kF32>, attention<kF16>, attention<kBF16>, attention<kS8>},
      .attention_scratch = attention_scratch,
      .kv_write = {kv_write<kF32>, kv_write<kF16>, kv_write<kBF16>, kv_write<kS8>},
      .kv_scale = kv_scale,
      .layer_norm = layer_norm,
      .rms_norm = rms_norm,
      .rotary = rotary,
      .softmax = softmax,
      .gather_rows = {gather_rows<kF32>, gather_rows<kF16>, gather_rows<kBF16>},
      .gather_packed_rows = gather_packed_rows<kPanelWidth, kConversions>,
      .unary = {unary<Unary::kNegate>, unary<Unary::kAbs>, unary<Unary::kExp>, unary<Unary::kLog>, unary<Unary::kSqrt>,
                unary<Unary::kRsqrt>, unary<Unary::kTanh>, unary<Unary::kErf>, unary<Unary::kLogistic>,
                unary<Unary::kRelu>, unary<Unary::kGeluErf>, unary<Unary::kGeluTanh>, unary<Unary::kSilu>},
      .binary = {binary<Binary::kAdd>, binary<Binary::kSubtract>, binary<Binary::kMultiply>, binary<Binary::kDivide>,
                 binary<Binary::kMaximum>, binary<Binary::kMinimum>},
      .to_f32 = {to_f32<kF32>, to_f32<kF16>, to_f32<kBF16>},
      .from_f32 = {from_f32<kF32>, from_f32<kF16>, from_f32<kBF16>},
      .largest_magnitude = largest_magnitude,
      .round_s8 = round_s8,
      .search_s4 = search_s4,
      .round_s4 = round_s4,
  };
}

constinit const Table kAvx2Table = make_avx2_table();

}  // namespace ganglion::kernels
