#include "http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/error.h"

namespace ganglion::http {
namespace {

std::uint64_t number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data()) fail(Code::kDataCorrupt, "[http] answer has a bad length '{}'", text);
  return value;
}

}  // namespace

Client::Client(std::uint16_t port, std::chrono::seconds patience, int receive_buffer) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) fail(Code::kResourceExhausted, "[http] no socket: {}", std::strerror(errno));
  if (receive_buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const timeval limit{patience.count(), 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int why = errno;
    ::close(socket_);
    fail(Code::kUnavailable, "[http] 127.0.0.1:{}: {}", port, std::strerror(why));
  }
}

Client::~Client() { close(); }

void Client::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void Client::close_sending() { ::shutdown(socket_, SHUT_WR); }

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool Client::fill() {
  char buffer[65536];
  const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    fail(Code::kDeadlineExceeded, "[http] the server did not answer in time");
  if (count <= 0) return false;
  input_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

Response Client::request(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view more_headers) {
  send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", method, target, body.size(),
                   more_headers, body));
  auto answer = read(method == "HEAD");
  if (!answer) fail(Code::kUnavailable, "[http] the server closed the connection without an answer");
  return *answer;
}

std::optional<std::string> Client::read_until(std::string_view mark) {
  std::size_t at;
  while ((at = input_.find(mark)) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  std::string found = input_.substr(0, at + mark.size());
  input_.erase(0, at + mark.size());
  return found;
}

bool Client::closed() { return input_.empty() && !fill(); }

std::optional<Response> Client::read(bool head) {
  const auto header = read_until("\r\n\r\n");
  if (!header) {
    if (input_.empty()) return std::nullopt;
    fail(Code::kDataCorrupt, "[http] answer ends in its header: '{}'", input_);
  }
  Response response;
  std::string_view rest = *header;
  const auto line = [&rest] {
    const std::size_t end = rest.find("\r\n");
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    return text;
  };
  const std::string_view first = line();
  if (first.size() < 12 || !first.starts_with("HTTP/1.1 "))
    fail(Code::kDataCorrupt, "[http] answer begins with '{}'", first);
  response.status = static_cast<int>(number(first.substr(9, 3), 10));
  response.reason = first.size() > 13 ? std::string(first.substr(13)) : "";
  for (std::string_view field = line(); !field.empty(); field = line()) {
    const std::size_t colon = field.find(": ");
    if (colon == std::string_view::npos) fail(Code::kDataCorrupt, "[http] answer has the header '{}'", field);
    response.headers.add(std::string(field.substr(0, colon)), std::string(field.substr(colon + 2)));
  }
  response.close = response.headers.get("connection").value_or("") == "close";
  const auto need = [this](std::size_t bytes) {
    while (input_.size() < bytes) {
      if (!fill()) fail(Code::kDataCorrupt, "[http] answer ends after {} of {} bytes", input_.size(), bytes);
    }
  };
  if (head || response.status == 100) return response;
  if (const auto length = response.headers.get("content-length")) {
    const std::size_t bytes = number(*length, 10);
    need(bytes);
    response.body = input_.substr(0, bytes);
    input_.erase(0, bytes);
  } else if (response.headers.has("transfer-encoding")) {
    while (true) {
      const auto size_line = read_until("\r\n");
      if (!size_line) fail(Code::kDataCorrupt, "[http] stream was cut after {} bytes", response.body.size());
      const std::size_t bytes = number(*size_line, 16);
      need(bytes + 2);
      response.body += input_.substr(0, bytes);
      input_.erase(0, bytes + 2);
      if (bytes == 0) break;
    }
  } else {
    while (fill()) {
    }
    response.body = std::exchange(input_, {});
  }
  return response;
}

}  // namespace ganglion::http
