// Which proxy a request goes by. Decided here, not by libcurl: whether an address is private is only asked about
// connections that are made without one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hub/options.h"
#include "hub/url.h"

namespace ganglion::hub {

// The proxy for this URL; nullopt for none: no proxy of its scheme is set, the host is this machine, or NO_PROXY names
// it.
std::optional<std::string> proxy_for(const Url& url, const HttpOptions& options);

// Whether a list of NO_PROXY holds the host: hosts with all below them ("example.org", ".example.org",
// "*.example.org"), addresses, networks ("10.0.0.0/8"), each with a port of its own or none; "*" is all. Separated by
// commas or blanks. An address is compared as a number, never by its ending.
bool is_exempt(const Url& url, std::string_view no_proxy);

// The proxy without the user name and the password in it.
std::string shown_proxy(std::string_view proxy);

}  // namespace ganglion::hub
