#!/usr/bin/env python3
"""The hub by way of a proxy.
usage: proxy_test.py PROGRAM SOURCE_DIR"""
import socket
import sys
import unittest

from certificates import Authority
from hub_case import NAME, HubCase
from hub_server import Hub
from proxy_server import Proxy


class ProxyCase(HubCase):
    password = None

    def setUp(self):
        super().setUp()
        self.proxy = Proxy({"hub.example": self.hub.port, "cdn.example": self.hub.port}, self.password)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)


class Http(ProxyCase):
    def setUp(self):
        super().setUp()
        self.environment["HF_ENDPOINT"] = "http://hub.example"
        self.hub.cdn = "http://cdn.example"

    def test_every_request_goes_to_the_proxy_that_any_of_the_usual_variables_names(self):
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            self.hub.requests.clear()
            self.proxy.requests.clear()
            self.same_files(self.download(NAME, "--cache", self.folder / variable, environment={variable: self.proxy.url}), self.wanted)
            self.assertEqual(len(self.proxy.requests), len(self.hub.requests))
            self.assertEqual({path.split("/")[2] for _, path, _ in self.proxy.requests}, {"hub.example", "cdn.example"})
        self.refused(6, "Could not resolve host", NAME)

    def test_hosts_of_no_proxy_are_reached_without_it(self):
        # libcurl resolves names below localhost to this machine without asking.
        environment = {"HTTP_PROXY": self.proxy.url, "HF_ENDPOINT": f"http://hub.localhost:{self.hub.port}"}
        self.hub.cdn = environment["HF_ENDPOINT"]
        for variable, value in (("NO_PROXY", "other.example, .localhost"), ("no_proxy", f"hub.localhost:{self.hub.port}"), ("NO_PROXY", "*")):
            self.same_files(self.download(NAME, "--cache", self.folder / value[:3], environment=environment | {variable: value}), self.wanted)
        self.assertEqual(self.proxy.requests, [])
        self.refused(6, "answered with 502", NAME, environment=environment | {"NO_PROXY": "elsewhere.localhost,ub.localhost"})
        self.assertTrue(self.proxy.requests)

    def test_this_machine_is_reached_without_it(self):
        self.hub.cdn = self.hub.url
        self.download(NAME, environment={"HTTP_PROXY": self.proxy.url, "HF_ENDPOINT": self.hub.url})
        self.assertEqual(self.proxy.requests, [])

    def test_a_redirect_to_a_private_address_is_refused_before_the_proxy_is_asked(self):
        environment = {"HTTP_PROXY": self.proxy.url}
        for host in ("localhost", "127.0.0.1", "127.1", "[::1]", "169.254.169.254", "10.0.0.1"):
            self.hub.cdn = f"http://{host}:{self.hub.port}"
            self.refused(2, ["whose address is private", "GANGLION_ALLOW_PRIVATE_REDIRECTS=1"], NAME, environment=environment)
        self.assertEqual({path.split("/")[2] for _, path, _ in self.proxy.requests}, {"hub.example"})
        self.assertEqual(self.hub.asked("GET", "/cdn/"), [])

    def test_a_name_of_no_proxy_with_a_private_address_is_no_way_round_that(self):
        name = socket.gethostname()
        try:
            inside = socket.gethostbyname(name)
        except OSError:
            self.skipTest(f"{name} has no address here")
        if not inside.startswith(("127.", "10.", "192.168.", "172.")):
            self.skipTest(f"{name} has the address {inside} here")
        self.hub.cdn = f"http://{name}:{self.hub.port}"
        self.refused(2, "whose address is private", NAME, environment={"HTTP_PROXY": self.proxy.url, "NO_PROXY": name})
        self.assertEqual(self.hub.asked("GET", "/cdn/"), [])

    def test_a_proxy_that_nobody_answers_at_is_named(self):
        with Hub() as other:
            closed = other.port
        errors = self.refused(6, f"by way of the proxy http://127.0.0.1:{closed}", NAME,
                              environment={"HTTP_PROXY": f"http://me:secret@127.0.0.1:{closed}"})
        self.assertNotIn("secret", errors)
        errors = self.refused(6, "by way of the proxy", NAME, environment={"HTTP_PROXY": "ftp://me:secret@127.0.0.1"})
        self.assertNotIn("secret", errors)


class Https(ProxyCase):
    def make_hub(self):
        self.authority = Authority(self.folder)
        return Hub(self.authority.certify("DNS:hub.example", "DNS:cdn.example"))

    def setUp(self):
        super().setUp()
        self.hub.cdn = "https://cdn.example"
        self.environment |= {"HF_ENDPOINT": "https://hub.example", "SSL_CERT_FILE": str(self.authority.file)}

    def test_the_proxy_sees_hosts_and_nothing_else(self):
        self.hub.token = "hf_verysecret"
        for variable in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            self.proxy.requests.clear()
            environment = {variable: self.proxy.url, "HF_TOKEN": "hf_verysecret"}
            self.same_files(self.download(NAME, "--cache", self.folder / variable, environment=environment), self.wanted)
            self.assertEqual({(method, path) for method, path, _ in self.proxy.requests},
                             {("CONNECT", "hub.example:443"), ("CONNECT", "cdn.example:443")})
            self.assertNotIn("hf_verysecret", str(self.proxy.requests))

    def test_the_proxy_of_http_is_not_that_of_https(self):
        self.refused(6, "Could not resolve host", NAME, environment={"HTTP_PROXY": self.proxy.url})
        self.assertEqual(self.proxy.requests, [])

    def test_who_answers_behind_the_proxy_must_be_trusted_and_the_host_that_was_asked_for(self):
        self.refused(6, ["certificate", "SSL_CERT_FILE"], NAME, environment={"HTTPS_PROXY": self.proxy.url, "SSL_CERT_FILE": ""})
        self.proxy.names["other.example"] = self.hub.port
        self.refused(6, "no alternative certificate subject name matches", NAME,
                     environment={"HTTPS_PROXY": self.proxy.url, "HF_ENDPOINT": "https://other.example"})
        self.assertEqual(self.hub.requests, [])


class Password(Https):
    password = "me:se cret"

    def setUp(self):
        super().setUp()
        self.asked_as = self.proxy.url
        self.proxy.url = self.proxy.url.replace("//", "//me:se%20cret@")

    def test_one_that_is_missing_or_wrong_is_said_at_once_and_not_shown(self):
        for url in (self.asked_as, self.asked_as.replace("//", "//me:wrongsecret@")):
            self.proxy.requests.clear()
            errors = self.refused(6, ["the proxy answered with 407", f"by way of the proxy {self.asked_as}"], NAME, environment={"HTTPS_PROXY": url})
            self.assertNotIn("wrongsecret", errors)
            self.assertEqual(len(self.proxy.requests), 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
