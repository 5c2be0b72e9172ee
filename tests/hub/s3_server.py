"""The two calls of S3 that a download makes, on loopback, refusing what is not signed as AWS Signature Version 4 wants:
checked here by code of its own. (tests/hub/moto_test.py runs the same against moto.)"""
import hashlib
import hmac
import re
import urllib.parse
from xml.sax.saxutils import escape

import loopback

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def expected_signature(handler, region, names, date):
    url = urllib.parse.urlsplit(handler.path)
    query = "&".join("=".join(pair) for pair in sorted((p.split("=") + [""])[:2] for p in url.query.split("&") if p))
    fields = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in names)
    request = "\n".join([handler.command, url.path, query, fields, ";".join(names), handler.headers["x-amz-content-sha256"]])
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in (date[:8], region, "s3", "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


class Handler(loopback.Handler):
    def answer(self):
        s3 = self.service
        url = urllib.parse.urlsplit(self.path)
        if url.path in s3.plain:  # credentials' endpoints
            wanted, body = s3.plain[url.path]
            good = all(self.headers.get(name) == value for name, value in wanted.items())
            return self.reply(200 if good else 401, body.encode())
        if (refusal := self.check()) is not None:
            return self.error(*refusal)
        _, bucket, key = (urllib.parse.unquote(url.path).split("/", 2) + [""])[:3]
        if bucket != s3.bucket:
            return self.error(404, "NoSuchBucket", "The specified bucket does not exist")
        if key == "":
            return self.list(urllib.parse.parse_qs(url.query, keep_blank_values=True))
        if key not in s3.objects:
            return self.error(404, "NoSuchKey", "The specified key does not exist.")
        data = s3.objects[key]
        etag = s3.etag(data)
        if self.headers.get("If-Match", etag) != etag:
            return self.error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        fields = {"ETag": etag}
        if wanted := self.range_of(data):
            begin, end = wanted
            return self.reply(206, data[begin:end], fields | {"Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"})
        self.reply(200, data, fields)

    def check(self):
        s3 = self.service
        if s3.public:
            return None
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)",
                             self.headers.get("Authorization", ""))
        if not match:
            return 403, "AccessDenied", "Access Denied"
        key, _, region, names, signature = match.groups()
        if region != s3.region:
            return 400, "AuthorizationHeaderMalformed", f"the region '{region}' is wrong; expecting '{s3.region}'"
        if key != KEY:
            return 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
        if s3.session_token and ("x-amz-security-token" not in names or self.headers.get("x-amz-security-token") != s3.session_token):
            return 403, "InvalidToken", "The provided token is malformed or otherwise invalid."
        if signature != expected_signature(self, region, names.split(";"), self.headers["x-amz-date"]):
            return 403, "SignatureDoesNotMatch", "The request signature we calculated does not match"
        return None

    def list(self, query):
        s3 = self.service
        prefix = query["prefix"][0]
        keys = sorted(key for key in s3.objects if key.startswith(prefix))
        begin = int(query["continuation-token"][0].removeprefix("token +/")) if "continuation-token" in query else 0
        page = keys[begin:begin + s3.page]
        body = "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
        body += f"<EncodingType>url</EncodingType><Prefix>{urllib.parse.quote_plus(prefix)}</Prefix>"
        more = begin + s3.page < len(keys)
        body += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            body += f"<NextContinuationToken>token +/{begin + s3.page}</NextContinuationToken>"
        for key in page:
            data = s3.objects[key]
            body += f"<Contents><Key>{urllib.parse.quote_plus(key)}</Key><ETag>{escape(s3.etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
        self.reply(200, (body + "</ListBucketResult>").encode())

    def error(self, status, code, message):
        region = f"<Region>{self.service.region}</Region>"
        body = f"<Error><Code>{code}</Code><Message>{message}</Message><AWSAccessKeyId>{KEY}</AWSAccessKeyId>{region}</Error>"
        self.reply(status, body.encode())


class S3(loopback.Service):
    handler = Handler

    def __init__(self):
        super().__init__()
        self.bucket, self.region, self.objects, self.page = "models", "eu-west-1", {}, 1000
        self.session_token, self.public, self.plain = None, False, {}

    @staticmethod
    def etag(data):
        return f'"{hashlib.md5(data).hexdigest()}"'
