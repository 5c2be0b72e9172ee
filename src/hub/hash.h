// Digests that files on the network are known by, from OpenSSL.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace ganglion::hub {

enum class HashKind { kSha256, kSha1, kMd5 };
std::string_view hash_name(HashKind kind) noexcept;

// A digest of what update() was given so far. Movable; not thread-safe.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  void update(std::string_view bytes);
  // Lower-case hexadecimal; ends the digest.
  std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string sha256_hex(std::string_view bytes);
// 32 raw bytes (RFC 2104).
std::string hmac_sha256(std::string_view key, std::string_view bytes);
// Lower case.
std::string to_hex(std::string_view raw);
// Whether `text` is `digits` lower-case hexadecimal digits.
bool is_hex(std::string_view text, std::size_t digits) noexcept;

}  // namespace ganglion::hub
