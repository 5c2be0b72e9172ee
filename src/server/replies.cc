#include "server/replies.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <random>

#include "server/json_text.h"

namespace ganglion::server {

std::string random_uuid() {
  thread_local std::mt19937_64 random{(std::uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  const std::uint64_t high = (random() & ~std::uint64_t{0xF000}) | 0x4000;
  const std::uint64_t low = (random() >> 2) | (std::uint64_t{1} << 63);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF, high & 0xFFFF, low >> 48,
                     low & 0xFFFFFFFFFFFF);
}

std::string request_id_of(const http::Request& request) {
  const auto own = request.headers.get("x-request-id");
  return own && !own->empty() ? std::string(*own) : random_uuid();
}

http::Response reply(int status, std::string body, std::string_view content_type, const std::string& request_id) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  response.close = status >= 400;
  if (!content_type.empty()) response.headers.add("content-type", std::string(content_type));
  response.headers.add("x-request-id", request_id);
  response.headers.add("Pragma", "no-cache");
  response.headers.add("Cache-Control", "no-cache; no-store, must-revalidate, private");
  response.headers.add("Expires", "Thu, 01 Jan 1970 00:00:00 UTC");
  return response;
}

http::Response error_reply(int status, std::string_view type, std::string_view message, const std::string& request_id) {
  http::Response response = reply(status, error_text(status, type, message), "application/json", request_id);
  if (type == "BadRequestException") response.reason = std::string(message);
  return response;
}

http::Response prediction_failure(std::string_view message, const std::string& request_id) {
  const nlohmann::ordered_json body = {{"code", 424}, {"message", "prediction failure"}, {"error", message}};
  http::Response response = reply(424, python_text(body), "application/json", request_id);
  response.reason = "prediction failure";
  return response;
}

}  // namespace ganglion::server
