#!/usr/bin/env python3
"""Models from S3 and from archives, through the program, against servers on loopback.
usage: other_sources_test.py PROGRAM SOURCE_DIR"""
import io
import json
import pathlib
import sys
import tarfile
import unittest
import zipfile

from client import MODEL, Case, model_files
from hub_server import Hub
from s3_server import KEY, SECRET, S3


class S3Case(Case):
    def setUp(self):
        super().setUp()
        self.s3 = S3()
        self.s3.__enter__()
        self.addCleanup(self.s3.__exit__)
        self.keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1"}
        self.environment["AWS_ENDPOINT_URL_S3"] = self.s3.url
        self.wanted = {"config.json": b"{}", "vocab.json": b"{}", "model.safetensors": bytes(range(256)) * 4000}
        self.put("opt", self.wanted | {"pytorch_model.bin": b"other", "tf_model.h5": b"other"})

    def put(self, prefix, files):
        for name, data in files.items():
            self.s3.objects[f"{prefix}/{name}" if prefix else name] = data

    def gets(self):
        return [path for method, path, _ in self.s3.requests if method == "GET" and "list-type" not in path]


class Folders(S3Case):
    def test_a_prefix_with_and_without_its_slash_is_one_folder(self):
        self.put("opt-13b", {"config.json": b"another model"})
        self.s3.objects["opt/"] = b""  # the mark of a folder
        self.environment |= self.keys
        folder = self.download("s3://models/opt")
        self.same_files(folder, self.wanted)
        self.s3.requests.clear()
        self.assertEqual(self.download("s3://models/opt/"), folder)
        self.assertEqual(self.gets(), [])

    def test_a_whole_bucket_and_pages_and_shards(self):
        self.environment |= self.keys
        self.s3.objects.clear()
        index = json.dumps({"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}).encode()
        wanted = {"config.json": b"{}", "model.safetensors.index.json": index, "m-1.safetensors": b"one", "m-2.safetensors": b"two"}
        self.put("", wanted | {"m-3.safetensors": b"not named"})
        self.s3.page = 2
        self.same_files(self.download("s3://models"), wanted)
        self.assertEqual(len([path for _, path, _ in self.s3.requests if "list-type" in path]), 3)

    def test_keys_with_odd_characters(self):
        self.environment |= self.keys
        prefix = "a b+c&d=é/ü%41"
        self.put(prefix, {"config.json": b"{}", "pytorch_model.bin/p 0+é%.w": b"w", "x\ny/../z": b"not wanted"})
        self.same_files(self.download(f"s3://models/{prefix}"), {"config.json": b"{}", "pytorch_model.bin/p 0+é%.w": b"w"})

    def test_a_changed_object_is_a_new_folder(self):
        self.environment |= self.keys
        first = self.download("s3://models/opt")
        self.s3.objects["opt/config.json"] = self.wanted["config.json"] = b'{"a":1}'
        second = self.download("s3://models/opt")
        self.assertNotEqual(first, second)
        self.same_files(second, self.wanted)

    def test_a_large_object_comes_in_pieces_and_goes_on(self):
        self.environment |= self.keys
        self.wanted["model.safetensors"] = self.s3.objects["opt/model.safetensors"] = bytes(range(251)) * 120_000
        whole = self.download("s3://models/opt")
        self.same_files(whole, self.wanted)
        weights = [fields["Range"] for method, path, fields in self.s3.requests if method == "GET" and "safetensors" in path]
        self.assertEqual(len(weights), 4)
        partial = pathlib.Path(str(whole) + ".incomplete")
        whole.rename(partial)
        (partial / "model.safetensors").rename(partial / "model.safetensors.incomplete")
        with (partial / "model.safetensors.incomplete").open("r+b") as file:
            file.truncate(30_000_000)
        self.s3.requests.clear()
        self.same_files(self.download("s3://models/opt"), self.wanted)
        self.assertEqual([fields["Range"] for method, _, fields in self.s3.requests if "Range" in fields], ["bytes=30000000-"])

    def test_a_wrong_md5_is_refused(self):
        self.environment |= self.keys
        self.s3.etag = lambda data: '"' + "0" * 32 + '"'
        self.refused(9, "its md5 is", "s3://models/opt")
        self.s3.etag = lambda data: '"' + "0" * 32 + '-2"'  # of an upload in parts: not an md5
        self.same_files(self.download("s3://models/opt"), self.wanted)

    def test_an_archive_is_unpacked(self):
        self.environment |= self.keys
        self.s3.objects["jobs/model.tar.gz"] = tar(self.wanted)
        folder = self.download("s3://models/jobs/model.tar.gz")
        self.same_files(folder, self.wanted)
        self.s3.requests.clear()
        self.assertEqual(self.download("s3://models/jobs/model.tar.gz"), folder)
        self.assertEqual(self.gets(), [])

    def test_what_is_not_there_is_said(self):
        self.environment |= self.keys
        self.refused(3, "there is no object below it", "s3://models/nothing")
        self.refused(3, "NoSuchBucket", "s3://others/opt")
        self.put("tf", {"config.json": b"{}", "tf_model.h5": b"x"})
        self.refused(3, "there is tf_model.h5", "s3://models/tf")
        self.refused(2, "wanted s3://BUCKET/KEY", "s3:///x")
        self.put("escape", {"config.json": b"{}", "pytorch_model.bin/../../x": b"x"})
        self.refused(9, "wanted a relative path without '..'", "s3://models/escape")

    def test_a_million_objects_are_refused(self):
        self.environment |= self.keys
        self.s3.objects.update({f"many/{i}": b"" for i in range(100_200)})
        self.s3.page = 25_000
        self.refused(5, "more than 100000 objects below it", "s3://models/many")

    def test_serve_takes_a_url_whose_folder_may_hold_properties(self):
        self.environment |= self.keys
        self.put("demo", model_files())
        self.serves("-m", "opt=s3://models/demo")
        self.put("demo", {"serving.properties": b"option.n_positions=64\n"})
        self.assertIn("n_positions=64", self.serves("-m", "opt=s3://models/demo/"))
        self.put("named", {"serving.properties": b"option.model_id=s3://models/demo\noption.n_positions=32\n"})
        self.assertIn("n_positions=32", self.serves("-m", "opt=s3://models/named"))
        self.put("named", {"model.py": b"raise SystemExit"})
        _, errors = self.ganglion("serve", "-m", "opt=s3://models/named", "--address", "http://127.0.0.1:0", code=4)
        self.assertIn("handlers of one's own are not run", errors)

    def test_serve_and_generate_take_it(self):
        self.environment |= self.keys
        self.put("demo", model_files())
        outputs = []
        for model in (MODEL, "s3://models/demo"):
            out, _ = self.ganglion("generate", model, "-p", "To be", "--max-new-tokens", "4", "--json")
            outputs.append(json.loads(out)[0]["new_ids"])
        self.assertEqual(outputs[0], outputs[1])
        model = self.folder / "store" / "opt"
        model.mkdir(parents=True)
        (model / "serving.properties").write_text("option.s3url=s3://models/demo/\n")
        self.serves("-s", self.folder / "store")


class Credentials(S3Case):
    def works(self, **environment):
        self.same_files(self.download("s3://models/opt", "--cache", self.folder / str(len(self.s3.requests)), environment=environment), self.wanted)

    def test_of_the_environment_with_a_session_token(self):
        self.s3.session_token = "session+token/="
        self.works(**self.keys, AWS_SESSION_TOKEN=self.s3.session_token)
        errors = self.refused(2, "InvalidToken", "s3://models/opt", environment=self.keys)
        self.assertNotIn(SECRET, errors)

    def test_of_the_files_by_profile(self):
        (self.folder / ".aws").mkdir()
        (self.folder / ".aws" / "credentials").write_text(
            f"[default]\naws_access_key_id=AKWRONG\naws_secret_access_key=x\n[work]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
        (self.folder / ".aws" / "config").write_text("[profile work]\nregion = eu-west-1\n[profile sso]\nsso_session = x\n")
        self.works(AWS_PROFILE="work")
        self.refused(2, "InvalidAccessKeyId", "s3://models/opt", environment={"AWS_REGION": "eu-west-1"})
        self.refused(2, "neither", "s3://models/opt", environment={"AWS_PROFILE": "none"})
        self.refused(4, "sso_session", "s3://models/opt", environment={"AWS_PROFILE": "sso"})
        self.refused(2, "one is set without the other", "s3://models/opt", environment={"AWS_ACCESS_KEY_ID": KEY})

    def test_of_a_container(self):
        reply = json.dumps({"AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2099-01-01T00:00:00Z"})
        self.s3.session_token = "t"
        self.s3.plain["/credentials"] = ({"Authorization": "word"}, reply)
        (self.folder / "word").write_text("word\n")
        address = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.s3.url + "/credentials", "AWS_REGION": "eu-west-1"}
        self.works(**address, AWS_CONTAINER_AUTHORIZATION_TOKEN="word")
        self.works(**address, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(self.folder / "word"))
        self.refused(2, "no credentials were found", "s3://models/opt", environment=address)
        address["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://192.0.2.1/x"
        self.refused(2, "wanted https, or http to this machine's own endpoint", "s3://models/opt", environment=address)

    def test_of_the_instance(self):
        reply = json.dumps({"AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2099-01-01T00:00:00Z"})
        base = "/latest/meta-data/iam/security-credentials/"
        token = {"X-aws-ec2-metadata-token": "imds"}
        self.s3.plain = {"/latest/api/token": ({"X-aws-ec2-metadata-token-ttl-seconds": "300"}, "imds"), base: (token, "role\n"), base + "role": (token, reply)}
        self.s3.session_token = "t"
        self.works(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=self.s3.url, AWS_REGION="eu-west-1")

    def test_a_public_bucket_needs_none_and_another_says_what_was_looked_for(self):
        errors = self.refused(2, ["AccessDenied", "no credentials were found (AWS_ACCESS_KEY_ID"], "s3://models/opt")
        self.assertNotIn(KEY, errors)
        self.s3.public = True
        self.works()
        self.assertTrue(all("Authorization" not in fields for _, _, fields in self.s3.requests[-3:]))

    def test_a_wrong_secret_is_refused_without_being_repeated(self):
        errors = self.refused(2, "SignatureDoesNotMatch", "s3://models/opt", environment=self.keys | {"AWS_SECRET_ACCESS_KEY": "wrongsecret"})
        self.assertNotIn("wrongsecret", errors)
        self.assertNotIn(KEY, errors)

    def test_the_region_of_the_bucket_is_learned(self):
        self.works(**self.keys | {"AWS_REGION": "us-west-2"})


def tar(files, mode="w:gz", prefix=""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(files, prefix=""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(prefix + name, data)
    return out.getvalue()


class Archives(Case):
    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.hub.__enter__()
        self.addCleanup(self.hub.__exit__)
        self.files = {"config.json": b"{}", "sub/model.safetensors": bytes(range(256)) * 1000}

    def test_every_kind_is_unpacked_and_a_folder_alone_is_gone_into(self):
        for name, data in (("a.zip", zipped(self.files)), ("b.mar", zipped(self.files, "model/")), ("c.tgz", tar(self.files, prefix="./x/")),
                           ("d.tar.gz", tar(self.files)), ("e.tar", tar(self.files, "w")), ("f.tar.xz", tar(self.files, "w:xz"))):
            self.hub.plain["/" + name] = data
            self.same_files(self.download(f"{self.hub.url}/{name}?signature=hidden"), self.files)
            (self.folder / name).write_bytes(data)
            self.same_files(self.download(f"file:{self.folder}/{name}"), self.files)

    def test_what_is_there_is_used_until_the_server_has_another(self):
        self.hub.plain["/a.zip"] = zipped(self.files)
        folder = self.download(self.hub.url + "/a.zip")
        self.hub.requests.clear()
        self.assertEqual(self.download(self.hub.url + "/a.zip"), folder)
        self.assertEqual([fields.get("Range") for _, _, fields in self.hub.requests], ["bytes=0-0"])
        self.files["config.json"] = b"[]"
        self.hub.plain["/a.zip"] = zipped(self.files)
        self.same_files(self.download(self.hub.url + "/a.zip"), self.files)

    def test_a_cut_connection_goes_on_only_with_the_same_archive(self):
        data = self.hub.plain["/a.tar"] = tar(self.files, "w")
        cuts = []

        def cut(handler):
            if cuts or "Range" in handler.headers:
                return False
            cuts.append(1)
            handler.cut(200, data[:100_000], {}, len(data))
            return True

        self.hub.faults.append(cut)
        self.same_files(self.download(self.hub.url + "/a.tar"), self.files)
        last = self.hub.requests[-1][2]
        self.assertEqual(last["Range"], "bytes=100000-")
        self.assertTrue(last["If-Range"].startswith('"'))

    def test_hostile_archives_are_refused_and_nothing_is_left(self):
        link = io.BytesIO()
        with tarfile.open(fileobj=link, mode="w") as archive:
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc"
            archive.addfile(member)
        for name, data, code, words in (
            ("up.zip", zipped({"../../evil": b"x"}), 9, "wanted a relative path without '..'"),
            ("root.tar", tar({"/evil": b"x"}, "w"), 9, "wanted a relative path"),
            ("link.tar", link.getvalue(), 9, "wanted something inside the archive"),
            ("bomb.zip", zipped({"zeros": bytes(70 << 20)}), 5, "made to fill disks"),
            ("html.zip", b"<!DOCTYPE html>", 9, "html.zip"),
        ):
            self.hub.plain["/" + name] = data
            self.refused(code, words, f"{self.hub.url}/{name}")
        self.assertEqual([path for path in self.folder.rglob("*evil*")], [])
        self.assertEqual([path for path in (self.folder / "serving" / "archives").iterdir() if path.is_dir()], [])

    def test_other_urls_say_what_is_wanted(self):
        errors = self.refused(2, "a Hugging Face model is named by its id", "https://huggingface.co/facebook/opt-125m?token=hf_secret")
        self.assertNotIn("hf_secret", errors)
        self.refused(3, "answered with 404", self.hub.url + "/none.zip")
        self.refused(2, "user name or password", "https://me:hf_secret@example.org/x.zip")
        self.refused(4, "kind ftp", "ftp://example.org/x.zip")

    def test_serve_takes_the_url_of_an_archive_with_its_properties(self):
        files = model_files() | {"serving.properties": b"engine=Python\noption.n_positions=64\n"}
        self.hub.plain["/demo.tar.gz"] = tar(files, prefix="opt-demo/")
        log = self.serves("-m", f"opt={self.hub.url}/demo.tar.gz?signature=hidden")
        self.assertIn("opt: bringing", log)
        self.assertIn("n_positions=64", log)
        self.assertNotIn("hidden", log)
        (self.folder / "demo.tar.gz").write_bytes(self.hub.plain["/demo.tar.gz"])
        self.serves("-m", f"file:{self.folder}/demo.tar.gz", model="demo")

    def test_generate_takes_an_archive(self):
        self.hub.plain["/demo.tar.gz"] = tar(model_files(), prefix="opt-demo/")
        out, _ = self.ganglion("generate", self.hub.url + "/demo.tar.gz", "-p", "To be", "--max-new-tokens", "2", "--json")
        self.assertEqual(len(json.loads(out)[0]["new_ids"]), 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
