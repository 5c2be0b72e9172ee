#include "hub/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace ganglion::hub {

std::string_view hash_name(HashKind kind) noexcept {
  switch (kind) {
    case HashKind::kSha256:
      return "sha256";
    case HashKind::kSha1:
      return "git sha1";
    case HashKind::kMd5:
      return "md5";
  }
  return "";
}

void Hasher::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Hasher::Hasher(HashKind kind) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* digest = kind == HashKind::kSha256 ? EVP_sha256() : kind == HashKind::kSha1 ? EVP_sha1() : EVP_md5();
  GANGLION_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), digest, nullptr) == 1);
}

void Hasher::update(std::string_view bytes) {
  GANGLION_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Hasher::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  GANGLION_CHECK(EVP_DigestFinal_ex(context_.get(), out.data(), &size) == 1);
  return to_hex({reinterpret_cast<const char*>(out.data()), size});
}

std::string sha256_hex(std::string_view bytes) {
  Hasher hasher(HashKind::kSha256);
  hasher.update(bytes);
  return hasher.finish();
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  GANGLION_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out.data(),
                      &size) != nullptr);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string to_hex(std::string_view raw) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char byte : raw) {
    out += kDigits[static_cast<unsigned char>(byte) >> 4];
    out += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return out;
}

bool is_hex(std::string_view text, std::size_t digits) noexcept {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace ganglion::hub
