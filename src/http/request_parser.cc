#include "http/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/optional.hpp>

#include "base/error.h"

namespace ganglion::http {
namespace {

namespace beast = boost::beast;

// Like beast's string_body, but it never reserves what the client merely declares.
struct GrowingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool kRequest, class Fields>
    reader(beast::http::header<kRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, beast::error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, beast::error_code& error) {
      error = {};
      std::size_t total = 0;
      for (auto part : beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(part.data()), part.size());
        total += part.size();
      }
      return total;
    }
    void finish(beast::error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};

// "METHOD SP target SP HTTP/1.x" with a visible method: refuses a TLS hello or another protocol at its first line
// instead of waiting for a header that never ends.
bool looks_like_request_line(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || last == first) return false;
  if (!line.substr(last + 1).starts_with("HTTP/1.")) return false;
  return std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(first),
                     [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

// A chunk header with its extensions, or a trailer line, longer than this is an attack.
constexpr std::size_t kLongestBodyLine = 16384;

}  // namespace

struct RequestParser::Grammar {
  beast::http::request_parser<GrowingBody> parser;
};

RequestParser::RequestParser(const RequestLimits& limits) : limits_(limits), grammar_(std::make_unique<Grammar>()) {
  grammar_->parser.header_limit(static_cast<std::uint32_t>(limits.request_line_bytes + limits.header_bytes));
  grammar_->parser.body_limit(limits.body_bytes);
}

RequestParser::~RequestParser() = default;

std::uint64_t RequestParser::body_bytes() const noexcept { return grammar_->parser.get().body().size(); }

std::size_t RequestParser::put(std::string_view bytes) {
  std::size_t used = 0;
  if (state_ == State::kHeader) used = put_header(bytes);
  while (state_ == State::kBody && used < bytes.size()) {
    beast::error_code error;
    const std::size_t taken =
        grammar_->parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
    used += taken;
    if (error == beast::http::error::need_more) {
      if (bytes.size() - used > kLongestBodyLine) state_ = State::kMalformed;
      break;
    }
    if (error) {
      state_ = error == beast::http::error::body_limit ? State::kBodyTooLarge : State::kMalformed;
    } else if (grammar_->parser.is_done()) {
      state_ = State::kDone;
    } else if (taken == 0) {
      break;
    }
  }
  return used;
}

std::size_t RequestParser::put_header(std::string_view bytes) {
  std::size_t used = 0;
  if (header_bytes_ == 0) {
    // An empty line before a request is tolerated (RFC 9112 section 2.2), a stream of them is not.
    while (used < bytes.size() && (bytes[used] == '\r' || bytes[used] == '\n')) ++used;
    blank_bytes_ += used;
    if (blank_bytes_ > 8) state_ = State::kMalformed;
    bytes.remove_prefix(used);
    if (bytes.empty() || state_ != State::kHeader) return used;
    if (!check_request_line(bytes)) {
      state_ = State::kMalformed;
      return used;
    }
  }

  // Whole lines are taken as they come, so a header may arrive in any number of pieces.
  beast::error_code error;
  const std::size_t taken = grammar_->parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  header_bytes_ += taken;
  const std::size_t waiting = error == beast::http::error::need_more ? bytes.size() - taken : 0;
  if (error == beast::http::error::body_limit) {
    state_ = State::kBodyTooLarge;
  } else if (header_bytes_ + waiting > line_bytes_ + limits_.header_bytes + 2) {
    state_ = State::kMalformed;
  } else if (error == beast::http::error::need_more) {
    return used + taken;
  } else if (error || !grammar_->parser.is_header_done() || !check_header()) {
    state_ = State::kMalformed;
  } else {
    state_ = grammar_->parser.is_done() ? State::kDone : State::kBody;
  }
  return used + taken;
}

bool RequestParser::check_request_line(std::string_view bytes) {
  const std::size_t line_end = bytes.substr(0, limits_.request_line_bytes + 2).find('\n');
  const auto first = static_cast<unsigned char>(bytes.front());
  if (first <= ' ' || first >= 0x7f) return false;
  line_bytes_ = line_end == std::string_view::npos ? bytes.size() : line_end + 1;
  if (line_end == std::string_view::npos) return bytes.size() <= limits_.request_line_bytes + 1;
  return looks_like_request_line(bytes.substr(0, line_end));
}

bool RequestParser::check_header() {
  const auto& message = grammar_->parser.get();
  if (message.version() != 10 && message.version() != 11) return false;
  request_.minor_version = static_cast<int>(message.version()) - 10;
  request_.method = std::string(message.method_string());
  request_.target = std::string(message.target());
  for (const auto& field : message) request_.headers.add(std::string(field.name_string()), std::string(field.value()));

  const Headers& headers = request_.headers;
  const auto length = headers.get("Content-Length");
  const auto coding = headers.get("Transfer-Encoding");
  if (headers.count("Content-Length") > 1 || headers.count("Transfer-Encoding") > 1 || (length && coding)) return false;
  if (length && (length->empty() || length->find_first_not_of("0123456789") != std::string_view::npos)) return false;
  if (coding && (!equal_ignoring_case(*coding, "chunked") || request_.minor_version == 0)) return false;
  if (headers.count("Host") > 1) return false;

  bool close = false, keep = false;
  for (const auto& [name, value] : headers.fields()) {
    if (!equal_ignoring_case(name, "Connection")) continue;
    close = close || list_has_token(value, "close");
    keep = keep || list_has_token(value, "keep-alive");
  }
  request_.keep_alive = !close && (request_.minor_version == 1 || keep);
  if (const auto expect = headers.get("Expect")) {
    if (!equal_ignoring_case(*expect, "100-continue")) return false;
    expects_continue_ = request_.minor_version == 1 && !grammar_->parser.is_done();
  }
  return parse_target(request_.target, request_.path, request_.query);
}

Request RequestParser::take() {
  GANGLION_CHECK(state_ == State::kDone);
  request_.body = std::move(grammar_->parser.get().body());
  return std::move(request_);
}

}  // namespace ganglion::http
