"""A throw-away S3 server on loopback, in a process of its own: moto's, over HTTP."""

import subprocess
import sys
import uuid
from dataclasses import dataclass
from urllib.request import Request, urlopen

SERVE = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # it ends with whoever started it
"""
BUCKET = "arc-tests"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@dataclass(frozen=True)
class S3Server:
    process: "subprocess.Popen[str]"
    endpoint: str
    key: str
    secret: str

    @classmethod
    def start(cls) -> "S3Server":
        """With one bucket and one user; other keys are refused."""
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
        open_to_all = cls(process, endpoint, "anybody", "anything")
        open_to_all.client("s3").create_bucket(Bucket=BUCKET)
        iam = open_to_all.client("iam")
        iam.create_user(UserName="arc")
        iam.put_user_policy(UserName="arc", PolicyName="all", PolicyDocument=POLICY)
        made = iam.create_access_key(UserName="arc")["AccessKey"]
        plain, ask = {"Content-Type": "text/plain"}, f"{endpoint}/moto-api/reset-auth"
        urlopen(Request(ask, data=b"0", headers=plain)).close()  # noqa: S310  # from now on it asks
        return cls(process, endpoint, made["AccessKeyId"], made["SecretAccessKey"])

    def client(self, service: str):
        """boto3's, which is not what ARC uses."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def new_place(self) -> str:
        """The URL of a new, empty place."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}/runs"

    def objects(self, url: str) -> dict[str, bytes]:
        """Name under the URL → content, as another client than ARC's sees it."""
        prefix, s3 = url.removeprefix(f"s3://{BUCKET}/") + "/", self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return {
            key.removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys
        }

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
