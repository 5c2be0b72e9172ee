#!/usr/bin/env python3
"""Models from S3 as moto has it, whose requests are signed and checked by botocore. Needs moto[server] and boto3:
`./dev oracle hub` runs it. usage: moto_test.py PROGRAM SOURCE_DIR"""
import json
import logging
import os
import sys
import unittest

os.environ |= {"AWS_ACCESS_KEY_ID": "first", "AWS_SECRET_ACCESS_KEY": "first", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3
import requests
from botocore.config import Config
from moto.server import ThreadedMotoServer

from client import Case

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}


class Moto(Case):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.server.start()
        host, port = cls.server.get_host_and_port()
        cls.url = f"http://{host}:{port}"

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        super().setUp()
        requests.post(self.url + "/moto-api/reset", timeout=60)
        self.actions_without_check(1_000_000_000)
        self.s3 = boto3.client("s3", endpoint_url=self.url, config=Config(s3={"addressing_style": "path"}))
        iam = boto3.client("iam", endpoint_url=self.url)
        iam.create_user(UserName="reader")
        iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(POLICY))
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        self.keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"], "AWS_REGION": "us-east-1"}
        self.environment |= self.keys | {"AWS_ENDPOINT_URL": self.url}
        self.s3.create_bucket(Bucket="models")
        self.files = {"config.json": b"{}", "pytorch_model.bin/a b+c=d&e.w": b"odd", "pytorch_model.bin/\u00e9\u1234%41~.w": b"odder"}

    def put(self, prefix):
        for name, data in self.files.items():
            self.s3.put_object(Bucket="models", Key=prefix + name, Body=data)

    def actions_without_check(self, count):
        requests.post(self.url + "/moto-api/reset-auth", data=str(count), timeout=60)

    def check_signatures(self):
        self.actions_without_check(0)

    def test_signed_requests_are_accepted_and_forged_ones_are_not(self):
        self.put("a b/opt+1/")
        self.check_signatures()
        self.same_files(self.download("s3://models/a b/opt+1"), self.files)
        self.same_files(self.download("s3://models/a b/opt+1/"), self.files)
        self.refused(2, "SignatureDoesNotMatch", "s3://models/a b/opt+1", environment={"AWS_SECRET_ACCESS_KEY": "forged"})
        self.refused(2, "InvalidAccessKeyId", "s3://models/a b/opt+1", environment={"AWS_ACCESS_KEY_ID": "AKNOBODY"})

    def test_more_objects_than_a_page(self):
        self.put("opt/")
        for i in range(1100):
            self.s3.put_object(Bucket="models", Key=f"opt/aa/{i}", Body=b"")
        self.check_signatures()
        self.same_files(self.download("s3://models/opt"), self.files)

    def test_an_upload_in_parts_and_a_large_object(self):
        self.files = {"config.json": b"{}", "model.safetensors": bytes(range(251)) * 120_000}
        self.s3.put_object(Bucket="models", Key="big/config.json", Body=b"{}")
        upload = self.s3.create_multipart_upload(Bucket="models", Key="big/model.safetensors")
        parts = []
        for number, begin in enumerate(range(0, 251 * 120_000, 10_000_000), 1):
            part = self.s3.upload_part(Bucket="models", Key="big/model.safetensors", PartNumber=number, UploadId=upload["UploadId"],
                                       Body=self.files["model.safetensors"][begin:begin + 10_000_000])
            parts.append({"ETag": part["ETag"], "PartNumber": number})
        self.s3.complete_multipart_upload(Bucket="models", Key="big/model.safetensors", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
        self.check_signatures()
        self.same_files(self.download("s3://models/big"), self.files)

    def test_virtual_hosts(self):
        self.put("opt/")
        port = self.url.rsplit(":", 1)[1]
        # "models.localhost" leads to this machine, and moto takes the bucket from the host.
        self.same_files(self.download("s3://models/opt", environment={
            "AWS_ENDPOINT_URL": f"http://localhost:{port}", "GANGLION_S3_ADDRESSING": "virtual"}), self.files)

    def test_what_is_not_there(self):
        self.refused(3, "there is no object below it", "s3://models/none")
        self.refused(3, "NoSuchBucket", "s3://others/none")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=1)
