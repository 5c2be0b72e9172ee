#include "hub/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace ganglion::hub {
namespace {

TEST(Address, PrivateOnesAreToldFromPublicOnes) {
  for (const char* host : {"127.0.0.1",
                           "127.9.9.9",
                           "10.0.0.1",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "169.254.169.254",
                           "100.64.0.1",
                           "0.0.0.0",
                           "255.255.255.255",
                           "224.0.0.1",
                           "198.18.0.1",
                           "::1",
                           "::",
                           "fe80::1",
                           "fd00:ec2::254",
                           "ff02::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "64:ff9b::a00:1",
                           "2002:7f00:1::",
                           "2001:db8::1",
                           "2001::1",
                           "localhost",
                           "LOCALHOST.",
                           "x.localhost",
                           "127.1",
                           "2130706433",
                           "0x7f000001",
                           "0177.0.0.1"}) {
    EXPECT_EQ(host_kind(host), HostKind::kPrivateAddress) << host;
  }
  for (const char* host : {"8.8.8.8", "172.32.0.1", "172.15.255.255", "100.128.0.1", "52.216.0.1", "2600:1f00::1",
                           "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"}) {
    EXPECT_EQ(host_kind(host), HostKind::kPublicAddress) << host;
  }
  for (const char* host : {"huggingface.co", "s3.us-east-1.amazonaws.com", "localhost.example", "a1"}) {
    EXPECT_EQ(host_kind(host), HostKind::kName) << host;
  }
}

TEST(Address, SocketAddressesAreJudgedByTheirBytes) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  ::inet_pton(AF_INET, "169.254.169.254", &v4.sin_addr);
  EXPECT_FALSE(is_public(reinterpret_cast<const sockaddr&>(v4)));
  ::inet_pton(AF_INET, "8.8.8.8", &v4.sin_addr);
  EXPECT_TRUE(is_public(reinterpret_cast<const sockaddr&>(v4)));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  ::inet_pton(AF_INET6, "::ffff:192.168.0.1", &v6.sin6_addr);
  EXPECT_FALSE(is_public(reinterpret_cast<const sockaddr&>(v6)));
  v6.sin6_family = AF_UNIX;
  EXPECT_FALSE(is_public(reinterpret_cast<const sockaddr&>(v6)));
}

TEST(Address, LoopbackIsThisMachineAlone) {
  EXPECT_TRUE(is_loopback("127.0.0.1") && is_loopback("localhost") && is_loopback("::1"));
  EXPECT_FALSE(is_loopback("10.0.0.1") || is_loopback("localhost.example"));
}

}  // namespace
}  // namespace ganglion::hub
