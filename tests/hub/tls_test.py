#!/usr/bin/env python3
"""The hub by https: whom we trust, and what is said to whoever is not.
usage: tls_test.py PROGRAM SOURCE_DIR"""
import subprocess
import sys
import unittest

from certificates import Authority
from hub_case import NAME, HubCase
from hub_server import Hub

VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


class Tls(HubCase):
    def make_hub(self):
        self.authority = Authority(self.folder)
        return Hub(self.authority.certify("IP:127.0.0.1"))

    def setUp(self):
        super().setUp()
        self.assertTrue(self.hub.url.startswith("https:"))
        self.trust = {"SSL_CERT_FILE": str(self.authority.file)}

    def test_an_authority_is_trusted_that_any_of_the_usual_variables_names(self):
        for variable in VARIABLES:
            folder = self.download(NAME, "--cache", self.folder / variable, environment={variable: str(self.authority.file)})
            self.same_files(folder, self.wanted)

    def test_a_folder_of_certificates_does_as_well(self):
        trusted = self.folder / "trusted"
        trusted.mkdir()
        (trusted / "a.pem").write_bytes(self.authority.file.read_bytes())
        self.authority.openssl("rehash", trusted)
        for variable in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
            self.same_files(self.download(NAME, "--cache", self.folder / variable, environment={variable: str(trusted)}), self.wanted)

    def test_the_variable_of_requests_counts_before_the_others_as_in_python(self):
        other = str(Authority(self.folder, "other").file)
        mine = str(self.authority.file)
        self.download(NAME, environment={"REQUESTS_CA_BUNDLE": mine, "CURL_CA_BUNDLE": other, "SSL_CERT_FILE": other})
        self.refused(6, "SSL_CERT_FILE", NAME, "--cache", self.folder / "b", environment={"REQUESTS_CA_BUNDLE": other, "CURL_CA_BUNDLE": mine, "SSL_CERT_FILE": mine})

    def test_a_stranger_is_refused_at_once_and_hears_nothing(self):
        token = {"HF_TOKEN": "hf_verysecret"}
        errors = self.refused(6, ["certificate", "trusted is what the system holds", "SSL_CERT_FILE"], NAME, environment=token)
        self.assertNotIn("trying again", errors)
        other = str(Authority(self.folder, "other").file)
        self.refused(6, ["certificate", f"trusted is what {other} holds"], NAME, environment=token | {"SSL_CERT_FILE": other})
        self.assertEqual(self.hub.requests, [])

    def test_a_certificate_of_another_host_is_refused(self):
        with Hub(self.authority.certify("DNS:hub.example")) as other:
            errors = self.refused(6, ["no alternative certificate subject name matches", "127.0.0.1"], NAME,
                                  environment=self.trust | {"HF_ENDPOINT": other.url})
            self.assertNotIn("trying again", errors)
            self.assertNotIn("its authority", errors)
            self.assertEqual(other.requests, [])

    def test_a_file_of_certificates_that_is_not_there_or_holds_none_is_named(self):
        empty = self.folder / "empty.pem"
        empty.write_text("nothing")
        for file in ("/no/such.pem", empty):
            self.refused(6, [str(file), "REQUESTS_CA_BUNDLE"], NAME, environment={"REQUESTS_CA_BUNDLE": str(file)})

    def test_a_redirect_from_https_to_http_is_refused(self):
        with Hub() as plain:
            plain.repositories = self.hub.repositories
            self.hub.cdn = plain.url
            self.refused(2, "redirects from https to http", NAME, environment=self.trust)
            self.assertEqual(plain.requests, [])

    def test_a_server_without_tls_is_no_https_server(self):
        with Hub() as plain:
            self.refused(6, "SSL", NAME, environment=self.trust | {"HF_ENDPOINT": plain.url.replace("http:", "https:")})

    def test_huggingface_hub_trusts_and_refuses_by_the_same_variables(self):
        try:
            import huggingface_hub  # noqa: F401
        except ImportError:
            self.skipTest("huggingface_hub is not installed (./dev test installs it)")
        text = f"import huggingface_hub as h; print(h.hf_hub_download({NAME!r}, 'config.json'))"
        for variable, works in ((None, False), ("REQUESTS_CA_BUNDLE", True), ("CURL_CA_BUNDLE", True)):
            trust = {variable: str(self.authority.file)} if variable else {}
            more = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_ETAG_TIMEOUT": "60", "HF_HOME": str(self.folder / str(variable))}
            done = subprocess.run([sys.executable, "-c", text], env=self.environment | more | trust, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode == 0, works, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
