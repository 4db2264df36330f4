"""A store under a prefix of an S3 bucket, on AWS or any server that speaks its protocol, over boto3."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from flows.store.interface import Entry, StorageError, UnsafeNameError, check_name, check_prefix, is_hidden
from stylecore.errors import StylepressError

MULTIPART_THRESHOLD = 64 * 2**20  # bytes
PAGE_SIZE = 1000  # names per listing request, S3's own limit

_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")


class S3Store:
    """A bucket's prefix as a store, reached as boto3 is configured: AWS_* variables, profiles, AWS_ENDPOINT_URL.

    Args:
        url: `s3://bucket` or `s3://bucket/prefix`.
        multipart_threshold: data of this many bytes and more is sent in parts.
        page_size: names per listing request, 1 to 1000.

    Raises:
        StylepressError: the URL is malformed, or has credentials in it.
    """

    def __init__(self, url: str, *, multipart_threshold: int = MULTIPART_THRESHOLD, page_size: int = PAGE_SIZE) -> None:
        self.url = url
        self.bucket, self.prefix = _split(url)
        self.multipart_threshold = multipart_threshold
        self.page_size = page_size

    @property
    def address(self) -> str:
        """See `Store.address`; connects, so that the server is known."""
        with self._translated("read"):
            self._client  # noqa: B018 - made here
        return f"{self._endpoint()}/{self.bucket}/{self.prefix}"

    def read(self, name: str) -> bytes:
        """See `Store.read`."""
        with self._translated("read", name):
            data: bytes = self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"].read()
        return data

    def stat(self, name: str) -> Entry | None:
        """See `Store.stat`."""
        with suppress(FileNotFoundError), self._translated("read", name):
            found = self._client.head_object(Bucket=self.bucket, Key=self._key(name))
            return Entry(check_name(name), found["ContentLength"], _token(found))
        return None

    def write(
        self,
        name: str,
        data: bytes,
        content_type: str,
        *,
        exclusive: bool = False,
        caching: str = "",
        lasting: bool = True,  # noqa: ARG002 - every object lasts
    ) -> Entry:
        """See `Store.write`; the server compares what arrives with its SHA-256."""
        key = self._key(name)
        headers = {"ContentType": content_type, **({"CacheControl": caching} if caching else {})}
        with self._translated("write", name):
            if exclusive or len(data) < self.multipart_threshold:  # boto3 makes no upload in parts conditional
                stored = self._put(key, data, headers | ({"IfNoneMatch": "*"} if exclusive else {}))
            else:
                stored = self._put_parts(key, data, headers)
        return Entry(check_name(name), len(data), _token(stored))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """See `Store.list`; sorts by itself, because not every server does."""
        found = []
        with self._translated("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=self.prefix + check_prefix(prefix),
                PaginationConfig={"PageSize": self.page_size},
            )
            for item in (item for page in pages for item in page.get("Contents", ())):
                name = item["Key"].removeprefix(self.prefix)
                if name and not name.endswith("/") and not is_hidden(name):  # consoles mark folders by "folder/"
                    found.append(Entry(name, item["Size"], _token(item)))
        yield from sorted(found, key=lambda entry: entry.name)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        with suppress(FileNotFoundError), self._translated("delete", name):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def check_writable(self) -> None:
        """See `Store.check_writable`.

        Begins an upload in parts and drops it: that needs the right to write, and unlike an object that is put and
        deleted leaves no version and no delete marker in a bucket that keeps them.
        """
        where = {"Bucket": self.bucket, "Key": f"{self.prefix}.stylepress-check"}
        with self._translated("write"):
            self._find_bucket()
            upload = self._client.create_multipart_upload(**where)["UploadId"]
            self._client.abort_multipart_upload(**where, UploadId=upload)

    def check_readable(self) -> None:
        """See `Store.check_readable`."""
        with self._translated("read"):
            self._find_bucket()
            self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)

    def sweep(self) -> int:
        """See `Store.sweep`; objects appear whole or not at all, so there is nothing to remove."""
        return 0

    def child(self, name: str) -> str:
        """See `Store.child`."""
        return f"{self.url.rstrip('/')}/{name}"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_client"}  # a client does not pickle

    @cached_property
    def _client(self) -> Any:
        from botocore.exceptions import BotoCoreError

        try:
            return _connect()
        except BotoCoreError:
            raise
        except ValueError as error:  # not repeated: the URL may hold a password
            raise StorageError(
                f"cannot reach {self.url}: AWS_ENDPOINT_URL is not a URL; expected for example http://127.0.0.1:8333"
            ) from error

    def _find_bucket(self) -> None:
        """Ask first whether the bucket is there: some servers create it for whoever begins to write."""
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "404":
                error.response["Error"]["Code"] = "NoSuchBucket"
            if code != "403":  # an answer without a body; the next request is told why
                raise

    def _key(self, name: str) -> str:
        key = self.prefix + check_name(name)
        try:
            key.encode()
        except UnicodeEncodeError as error:
            raise UnsafeNameError(f"{name!r} is not valid Unicode; S3 takes only such names, rename it") from error
        return key

    def _put(self, key: str, data: bytes, headers: dict[str, str]) -> Any:
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        return self._client.put_object(Bucket=self.bucket, Key=key, Body=data, ChecksumSHA256=digest, **headers)

    def _put_parts(self, key: str, data: bytes, headers: dict[str, str]) -> Any:
        from boto3.s3.transfer import TransferConfig

        self._client.upload_fileobj(
            io.BytesIO(data),
            self.bucket,
            key,
            ExtraArgs={**headers, "ChecksumAlgorithm": "SHA256"},
            Config=TransferConfig(multipart_threshold=self.multipart_threshold),
        )
        return self._client.head_object(Bucket=self.bucket, Key=key)

    @contextmanager
    def _translated(self, action: str, name: str = "") -> Iterator[None]:
        """Say what S3 refused, where, and what to do about it.

        The errors of botocore are cut off: their texts may hold URLs with a password, as that of a proxy does.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        where = self.child(name) if name else self.url
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in ("NoSuchKey", "NotFound", "404"):
                raise FileNotFoundError(errno.ENOENT, "no such object", where) from None
            if code in ("PreconditionFailed", "412"):
                raise FileExistsError(errno.EEXIST, "the name is taken", where) from None
            reason, transient = _refusal(code, status, self.bucket, self._endpoint())
            raise StorageError(f"cannot {action} {where}: {reason}", transient=transient) from None
        except BotoCoreError as error:
            reason, transient = _failure(error, self._endpoint())
            raise StorageError(f"cannot {action} {where}: {reason}", transient=transient) from None

    def _endpoint(self) -> str:
        """Scheme, host and port of the server, without a user or password that its URL may carry."""
        client = vars(self).get("_client")
        if client is None:
            return "the S3 server"
        parts = urlsplit(client.meta.endpoint_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _connect() -> Any:
    """An S3 client that gives up on a server that does not answer within half a minute."""
    import boto3
    from botocore.config import Config

    # Other tools read AWS_REGION, boto3 only AWS_DEFAULT_REGION.
    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None)
    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4})
    client = session.client("s3", config=config)
    if "amazonaws.com" in client.meta.endpoint_url or "addressing_style" in (client.meta.config.s3 or {}):
        return client
    # Other servers rarely have a host name for every bucket.
    return session.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))


def _split(url: str) -> tuple[str, str]:
    """Bucket, and prefix that is empty or ends in `/`, of `s3://bucket/prefix`."""
    bucket, _, prefix = url[len("s3://") :].partition("/")
    if "@" in bucket:
        raise StylepressError(
            "an s3:// URL has credentials in it; expected s3://bucket/prefix with the credentials in "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a profile named by AWS_PROFILE"
        )
    if not url.lower().startswith("s3://") or not _BUCKET.fullmatch(bucket):
        raise StylepressError(f"{url!r} names no bucket; expected s3://bucket/prefix")
    prefix = check_prefix(prefix)
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _token(answer: Any) -> str:
    token: str = answer["ETag"].strip('"')
    return token


_CREDENTIALS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure", "401"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_BUSY = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "TooManyRequests", "OperationAborted"}
_BUSY |= {"ConditionalRequestConflict", "BadDigest", "IncompleteBody"}  # say so where another attempt is right
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"}


def _refusal(code: str, status: int, bucket: str, endpoint: str) -> tuple[str, bool]:
    """What an error answer of the server means, and whether it may pass."""
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket!r} at {endpoint}; create it or correct the URL", False
    if code in _REFUSED:
        return f"{endpoint} does not accept the credentials for bucket {bucket!r} ({code}); {_CREDENTIALS}", False
    if code in _EXPIRED:
        return f"the credentials for bucket {bucket!r} at {endpoint} have expired; fetch new ones", False
    if code == "RequestTimeTooSkewed":
        return f"{endpoint} refuses because the clock of this machine is wrong; set it", False
    if code in _REGION:
        return f"bucket {bucket!r} is in another region than {endpoint}; set AWS_REGION to the bucket's own", False
    if code in _FULL or status == 507:
        return f"bucket {bucket!r} at {endpoint} is full; free some space and run again, what is finished stays", False
    if status == 403:
        return (
            f"{endpoint} denies access to bucket {bucket!r} ({code}); {_CREDENTIALS}, and that they may do this there",
            False,
        )
    if status >= 500 or status == 429 or code in _BUSY:
        return f"{endpoint} cannot serve bucket {bucket!r} at present ({code}); try again later", True
    return f"{endpoint} refuses the request for bucket {bucket!r} ({code}, HTTP {status})", False


def _failure(error: Exception, endpoint: str) -> tuple[str, bool]:
    """What it means that there was no answer at all, and whether that may pass."""
    from botocore import exceptions as known

    what = type(error).__name__
    if isinstance(error, known.NoCredentialsError | known.PartialCredentialsError | known.ProfileNotFound):
        return f"no credentials for S3 are configured ({what}); {_CREDENTIALS}", False
    if isinstance(error, known.CredentialRetrievalError | known.TokenRetrievalError | known.SSOError):
        return f"the credentials for S3 could not be fetched ({what}); {_CREDENTIALS}", False
    if isinstance(error, known.SSLError):
        return f"{endpoint} shows a certificate that is not trusted; check AWS_ENDPOINT_URL and AWS_CA_BUNDLE", False
    if isinstance(error, known.EndpointConnectionError | known.ProxyConnectionError):
        return f"nobody answers at {endpoint}; check AWS_ENDPOINT_URL and the network", False
    if isinstance(error, known.HTTPClientError | known.ConnectionError | known.IncompleteReadError):
        return f"the connection to {endpoint} broke or timed out ({what}); check the network and try again", True
    return f"boto3 cannot do this ({what}); check the AWS_* variables and the AWS configuration", False
