// Which addresses of the network anybody can reach, and which only this machine or this network: a redirect from
// outside to the latter would make this program fetch what the sender cannot (IANA's special-purpose registries, RFC
// 6890).
#pragma once

#include <string_view>

struct sockaddr;

namespace ganglion::hub {

// Whether the address is a public one: not loopback, link-local, private, shared, multicast, reserved, and not one of
// these in an IPv6 dress (mapped, 6to4, NAT64). Families other than IPv4 and IPv6 are not public.
bool is_public(const sockaddr& address) noexcept;
// The same for the text of a host: nullopt-like `kName` when it is not a literal address.
enum class HostKind { kName, kPublicAddress, kPrivateAddress };
// "localhost" and names below it count as private. IPv4 only in its usual four-part form; other spellings of numbers
// ("127.1", "0x7f000001", "2130706433") count as private addresses, since resolvers take them for addresses.
HostKind host_kind(std::string_view host);
// Whether the host is this machine: "localhost", 127.0.0.0/8 or ::1.
bool is_loopback(std::string_view host);

}  // namespace ganglion::hub
