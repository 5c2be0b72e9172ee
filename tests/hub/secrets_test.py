#!/usr/bin/env python3
"""Where tokens go, and where redirects may lead.
usage: secrets_test.py PROGRAM SOURCE_DIR"""
import sys
import unittest

from hub_case import NAME, HubCase
from hub_server import Hub


class Secrets(HubCase):
    TOKEN = "hf_verysecret"

    def setUp(self):
        super().setUp()
        self.hub.token = self.TOKEN

    def test_a_gated_model_wants_a_token_and_gets_it_from_the_environment_or_the_file(self):
        self.refused(2, ["accepted its terms", "no token is set (HF_TOKEN)"], NAME)
        errors = self.refused(2, "the token may not read it", NAME, environment={"HF_TOKEN": "hf_wrong"})
        self.assertNotIn("hf_wrong", errors)
        self.download(NAME, environment={"HF_TOKEN": self.TOKEN})
        (self.folder / "hf").mkdir(exist_ok=True)
        (self.folder / "hf" / "token").write_text(self.TOKEN + "\n")
        self.download(NAME, "--cache", self.folder / "b")
        (self.folder / "elsewhere").write_text(self.TOKEN)
        (self.folder / "hf" / "token").unlink()
        self.download(NAME, "--cache", self.folder / "c", environment={"HF_TOKEN_PATH": str(self.folder / "elsewhere")})

    def test_the_token_goes_to_the_hub_alone(self):
        with Hub() as cdn:
            cdn.repositories = self.hub.repositories
            self.hub.cdn = cdn.url  # the same host, another port: another origin
            self.download(NAME, environment={"HF_TOKEN": self.TOKEN})
            self.assertTrue(cdn.requests)
            self.assertTrue(all("Authorization" not in fields for _, _, fields in cdn.requests))
        self.assertTrue(all(fields.get("Authorization") == f"Bearer {self.TOKEN}" for _, _, fields in self.hub.requests))

    def test_no_log_holds_the_token_or_a_signature(self):
        self.hub.once("GET", "/cdn/", lambda handler: handler.cut(200, b"x" * 10, {}, len(self.weights)))
        self.hub.once("GET", "/cdn/", lambda handler: handler.reply(503, b"", {"Retry-After": "0"}))
        _, errors = self.ganglion("--log", "debug", "download", NAME, code=9, environment={"HF_TOKEN": self.TOKEN})
        self.hub.always("GET", "/cdn/", lambda handler: handler.reply(403, b"no"))
        _, more = self.ganglion("--log", "debug", "download", NAME, code=2, environment={"HF_TOKEN": self.TOKEN})
        self.assertIn("answered with 403: no", more)
        self.assertNotIn(self.TOKEN, errors + more)
        self.assertNotIn("signature=", errors + more)

    def test_a_redirect_to_a_private_address_is_refused_unless_allowed(self):
        environment = {"HF_TOKEN": self.TOKEN}
        for host in ("localhost", "127.0.0.2", "127.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]"):
            self.hub.cdn = f"http://{host}:{self.hub.port}"
            errors = self.refused(2, ["whose address is private", "GANGLION_ALLOW_PRIVATE_REDIRECTS=1"], NAME, environment=environment)
            self.assertNotIn("signature=", errors)
        self.assertEqual(self.hub.asked("GET", "/cdn/"), [])
        self.hub.cdn = f"http://localhost:{self.hub.port}"
        self.download(NAME, environment=environment | {"GANGLION_ALLOW_PRIVATE_REDIRECTS": "1"})
        self.same_files(self.snapshot(), self.wanted)

    def test_other_schemes_and_endless_redirects_are_refused(self):
        environment = {"HF_TOKEN": self.TOKEN}
        self.hub.cdn = "file:///etc/passwd?"
        self.refused(2, "neither http nor https", NAME, environment=environment)
        self.hub.cdn = "gopher://127.0.0.1"
        self.refused(2, "neither http nor https", NAME, environment=environment)
        self.hub.cdn = self.hub.url
        self.hub.always("GET", "/cdn/", lambda handler: handler.reply(302, b"", {"Location": handler.path}))
        self.refused(2, "more than 8 redirects", NAME, environment=environment)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
