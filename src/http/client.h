// A blocking HTTP client over one loopback connection, for tests and measuring: it sends exactly the bytes it is given
// and reads answers back one by one. Not for talking to strangers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace ganglion::http {

class Client {
 public:
  // Connects to 127.0.0.1:port; kUnavailable when nobody listens. Reads give up after `patience` (kDeadlineExceeded).
  // A receive_buffer above 0 sets SO_RCVBUF, to be a client that takes little at a time.
  explicit Client(std::uint16_t port, std::chrono::seconds patience = std::chrono::seconds(60), int receive_buffer = 0);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends all bytes; false when the server closed the connection meanwhile.
  bool send(std::string_view bytes);
  // Sends a request with a content-length and returns its answer.
  Response request(std::string_view method, std::string_view target, std::string_view body = "",
                   std::string_view more_headers = "");
  // The next answer, chunked or with a length or until close; nullopt when the server closed before the first byte.
  // Errors: kDataCorrupt when what arrives is not a whole answer.
  std::optional<Response> read(bool head = false);
  // Bytes up to and including `mark`; nullopt when the server closes first.
  std::optional<std::string> read_until(std::string_view mark);
  // True when the server closes without sending anything more.
  bool closed();
  // Closes our sending side, or both.
  void close_sending();
  void close();

 private:
  bool fill();

  int socket_ = -1;
  std::string input_;
};

}  // namespace ganglion::http
