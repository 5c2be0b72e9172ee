#include "http/request_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace ganglion::http {
namespace {

using State = RequestParser::State;

// Offers the bytes in pieces, as a connection does, and says where the parser stood at the end.
State feed(RequestParser& parser, const std::string& bytes, std::size_t piece, std::string* rest = nullptr) {
  std::string input;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    input += bytes.substr(at, piece);
    if (parser.state() == State::kHeader || parser.state() == State::kBody) input.erase(0, parser.put(input));
  }
  if (rest) *rest = input;
  return parser.state();
}

State state_of(const std::string& bytes, const RequestLimits& limits = {}) {
  RequestParser whole(limits), by_byte(limits);
  const State state = feed(whole, bytes, bytes.size());
  EXPECT_EQ(feed(by_byte, bytes, 1), state) << bytes.substr(0, 200);
  return state;
}

TEST(RequestParser, ReadsARequestWithABodyAndLeavesTheNextOne) {
  RequestParser parser{RequestLimits{}};
  std::string rest;
  ASSERT_EQ(feed(parser, "POST /a?b=c HTTP/1.1\r\nContent-Length: 3\r\nX-Y: z\r\n\r\nabcGET /", 1000, &rest),
            State::kDone);
  const Request request = parser.take();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(request.parameter("b"), "c");
  EXPECT_EQ(request.headers.get("x-y"), "z");
  EXPECT_EQ(request.body, "abc");
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(rest, "GET /");
}

TEST(RequestParser, ReadsChunkedBodiesOfAnyPieces) {
  const std::string bytes =
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
  for (std::size_t piece : {1, 2, 7, 1000}) {
    RequestParser parser{RequestLimits{}};
    ASSERT_EQ(feed(parser, bytes, piece), State::kDone);
    EXPECT_EQ(parser.take().body, "abcde");
  }
}

TEST(RequestParser, KeepAliveFollowsVersionAndConnection) {
  const auto keep = [](const std::string& head) {
    RequestParser parser{RequestLimits{}};
    EXPECT_EQ(feed(parser, head + "\r\n", 1000), State::kDone) << head;
    return parser.take().keep_alive;
  };
  EXPECT_TRUE(keep("GET / HTTP/1.1\r\n"));
  EXPECT_FALSE(keep("GET / HTTP/1.1\r\nConnection: Close\r\n"));
  EXPECT_FALSE(keep("GET / HTTP/1.0\r\n"));
  EXPECT_TRUE(keep("GET / HTTP/1.0\r\nConnection: keep-alive\r\n"));
}

TEST(RequestParser, AmbiguousFramingIsMalformed) {
  for (const char* headers : {
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
           "Content-Length: 3\r\nContent-Length: 3\r\n",
           "Content-Length: 3\r\nContent-Length: 4\r\n",
           "Content-Length: 3, 3\r\n",
           "Content-Length: +3\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 0x3\r\n",
           "Content-Length: 99999999999999999999999\r\n",
           "Content-Length:\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: chunked, identity\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Content-Length : 3\r\n",
           "Host: a\r\nHost: b\r\n",
           "Expect: 200-ok\r\n",
       }) {
    EXPECT_EQ(state_of(std::string("POST / HTTP/1.1\r\n") + headers + "\r\n"), State::kMalformed) << headers;
  }
  EXPECT_EQ(state_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), State::kMalformed);
}

TEST(RequestParser, GarbageIsMalformedAtItsFirstLine) {
  EXPECT_EQ(state_of("\x16\x03\x01\x02"), State::kMalformed);
  EXPECT_EQ(state_of("hello\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("GET /\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("GET / HTTP/2.0\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("GET / HTTP/1.7\r\n\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("\r\n\r\n\r\n\r\n\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("\r\nGET / HTTP/1.1\r\n\r\n"), State::kDone);
  EXPECT_EQ(state_of(std::string("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26)), State::kMalformed);
  EXPECT_EQ(state_of("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("GET / HTTP/1.1\r\nA b\r\n\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("GET /%zz HTTP/1.1\r\n\r\n"), State::kMalformed);
}

TEST(RequestParser, HeaderLimitsAreThoseOfNetty) {
  const auto line = [](std::size_t bytes) { return "GET /" + std::string(bytes - 14, 'a') + " HTTP/1.1\r\n"; };
  EXPECT_EQ(state_of(line(4096) + "\r\n"), State::kDone);
  EXPECT_EQ(state_of(line(4098) + "\r\n"), State::kMalformed);
  const auto header = [](std::size_t bytes) { return "A: " + std::string(bytes - 5, 'a') + "\r\n"; };
  EXPECT_EQ(state_of("GET / HTTP/1.1\r\n" + header(8190) + "\r\n"), State::kDone);
  EXPECT_EQ(state_of("GET / HTTP/1.1\r\n" + header(8193) + "\r\n"), State::kMalformed);
  EXPECT_EQ(state_of("GET / HTTP/1.1\r\n" + header(1 << 20)), State::kMalformed);
}

TEST(RequestParser, ALargeDeclaredBodyIsRefusedFromItsHeader) {
  EXPECT_EQ(state_of("POST / HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n"), State::kBodyTooLarge);
  EXPECT_EQ(state_of("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n"), State::kBodyTooLarge);
}

TEST(RequestParser, AChunkedBodyIsRefusedWhenItPassesTheLimit) {
  RequestLimits limits;
  limits.body_bytes = 10;
  const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(state_of(head + "a\r\n0123456789\r\n0\r\n\r\n", limits), State::kDone);
  EXPECT_EQ(state_of(head + "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", limits), State::kBodyTooLarge);
  EXPECT_EQ(state_of(head + "7fffffffffffffff\r\n", limits), State::kBodyTooLarge);
}

TEST(RequestParser, BrokenChunksAreMalformed) {
  const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* body : {"g\r\n", "-1\r\n", "fffffffffffffffff\r\nx", "3\r\nabcd\r\n0\r\n\r\n", "3 3\r\nabc"}) {
    EXPECT_EQ(state_of(head + body), State::kMalformed) << body;
  }
  RequestParser parser{RequestLimits{}};
  EXPECT_EQ(feed(parser, head + "3;" + std::string(1 << 20, 'x'), 4096), State::kMalformed);
}

TEST(RequestParser, OneByteChunksAreReadInLinearTime) {
  std::string bytes = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 200'000; ++i) bytes += "1\r\nx\r\n";
  RequestParser parser{RequestLimits{}};
  ASSERT_EQ(feed(parser, bytes + "0\r\n\r\n", 16384), State::kDone);
  EXPECT_EQ(parser.take().body.size(), 200'000u);
}

TEST(RequestParser, AClientThatWaitsForContinueIsRecognised) {
  RequestParser parser{RequestLimits{}};
  ASSERT_EQ(feed(parser, "POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n", 1000), State::kBody);
  EXPECT_TRUE(parser.expects_continue());
}

}  // namespace
}  // namespace ganglion::http
