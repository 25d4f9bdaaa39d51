"""The registry over HTTP, on an ECR store and on one of its own; without any client but urllib3."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import boto3
import pytest
import urllib3
from moto import mock_aws

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.moto_ecr import EcrSimulator, install
from longshore_local.registry import ECR_MANNERS, OPEN, SPEC_MANNERS, Auth, Manners, Push, Registry
from longshore_local.registry_memory import MemoryStore
from longshore_local.timeline import VirtualTimeline

ACCOUNT = "123456789012"
REGION = "eu-west-1"
Answer = urllib3.BaseHTTPResponse


class Client:
    """Requests to one registry, never following redirects."""

    def __init__(self, registry: Registry, http: urllib3.PoolManager) -> None:
        self.registry = registry
        self._http = http

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        url = path if path.startswith("http") else self.registry.url + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._http.request(method, url, body=body, headers=named, redirect=False, retries=False)

    def code(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        answer = self.ask(method, path, body, **headers)
        return answer.status, answer.json()["errors"][0]["code"]

    def push(self, repository: str, tag: str | None, image: images.SyntheticImage) -> str:
        return images.push(self.registry, repository, tag, image)


class Bundle:
    """Registries of one test and what they told."""

    def __init__(self, stack: ExitStack) -> None:
        self.timeline = VirtualTimeline()
        self.events: list[dict[str, Any]] = []
        self.pushes: list[Push] = []
        self._stack = stack
        self._http = stack.enter_context(urllib3.PoolManager())
        self._simulator: EcrSimulator | None = None

    @property
    def simulator(self) -> EcrSimulator:
        if self._simulator is None:
            self._stack.enter_context(mock_aws(config={"core": {"reset_boto3_session": False}}))
            self._simulator = self._stack.enter_context(install(self.timeline, self.events.append))
            self.ecr = boto3.client("ecr", region_name=REGION)
            self.ecr.create_repository(repositoryName="team/web")
        return self._simulator

    def ecr_registry(self, manners: Manners = ECR_MANNERS, auth: Auth = OPEN) -> Client:
        return Client(self.simulator.serve(ACCOUNT, REGION, manners=manners, auth=auth), self._http)

    def upstream(self, manners: Manners = SPEC_MANNERS, auth: Auth = OPEN, *, immutable_tags: bool = False) -> Client:
        store = MemoryStore(immutable_tags=immutable_tags)
        self._stack.callback(store.close)
        now = self.timeline.now
        registry = Registry(store, manners=manners, auth=auth, now=now, on_push=self.pushes.append)
        return Client(self._stack.enter_context(registry), self._http)


@pytest.fixture
def bundle() -> Iterator[Bundle]:
    before = threading.active_count()
    with ExitStack() as stack:
        yield Bundle(stack)
    assert threading.active_count() == before


def begin(client: Client, repository: str = "team/web") -> str:
    answer = client.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert answer.status == 202
    return answer.headers["Location"]


def test_a_push_over_http_is_an_image_in_ecr_and_an_event(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    index = images.multi_platform("a")

    client.push("team/web", "1.0", index)

    [detail] = bundle.ecr.describe_images(repositoryName="team/web", imageIds=[{"imageTag": "1.0"}])["imageDetails"]
    assert detail["imageDigest"] == index.digest
    assert [e["detail"].get("image-tag") for e in bundle.events] == [None] * 4 + ["1.0"]
    assert bundle.events[-1]["detail"]["image-digest"] == index.digest
    assert bundle.events[-1]["account"] == ACCOUNT


def test_a_push_by_the_api_can_be_pulled_over_http(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    image = images.single("a")
    images.push(bundle.ecr, "team/web", "1.0", image)

    pulled = client.ask("GET", "/v2/team/web/manifests/1.0")

    assert pulled.data == image.manifest
    assert pulled.headers["Docker-Content-Digest"] == image.digest
    assert pulled.headers["Content-Type"] == image.media_type
    for digest, content in image.blobs.items():
        redirect = client.ask("GET", f"/v2/team/web/blobs/{digest}")
        assert redirect.status == 307
        assert client.ask("GET", redirect.headers["Location"]).data == content


def test_pushing_the_same_again_succeeds_and_raises_no_event(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    for _ in range(2):
        client.push("team/web", "1.0", images.single("a"))
    assert len(bundle.events) == 1


def test_ecr_repositories_must_exist(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    image = images.single("a")

    assert client.code("POST", "/v2/no/such/blobs/uploads/") == (404, "NAME_UNKNOWN")
    assert client.code("GET", "/v2/no/such/tags/list") == (404, "NAME_UNKNOWN")
    assert client.code("PUT", "/v2/no/such/manifests/1", image.manifest) == (404, "NAME_UNKNOWN")
    with pytest.raises(images.PushError, match="NAME_UNKNOWN"):
        client.push("no/such", "1.0", image)
    assert client.ask("GET", "/v2/_catalog").json() == {"repositories": ["team/web"]}


def test_ecr_refuses_over_http_what_it_refuses_in_the_api(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    image, index = images.single("a"), images.multi_platform("b")
    put = "/v2/team/web/manifests/"
    assert client.code("PUT", f"{put}1", image.manifest) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert client.code("PUT", f"{put}1", index.manifest) == (404, "MANIFEST_BLOB_UNKNOWN")
    client.push("team/web", "1.0", image)
    assert client.code("PUT", f"{put}{index.digest}", image.manifest) == (400, "DIGEST_INVALID")
    assert client.code("PUT", f"{put}-1", image.manifest) == (400, "TAG_INVALID")
    assert client.code("PUT", f"{put}1", image.manifest, Content_Type="text/plain") == (400, "MANIFEST_INVALID")
    bundle.ecr.put_image_tag_mutability(repositoryName="team/web", imageTagMutability="IMMUTABLE")
    assert client.code("PUT", f"{put}1.0", image.manifest) == (400, "TAG_INVALID")
    assert len(bundle.events) == 1


def test_a_manifest_without_media_type_is_unsupported_by_ecr_alone(bundle: Bundle) -> None:
    image = images.single("a")
    bare = image.manifest.replace(b'"mediaType":"application/vnd.oci.image.manifest.v1+json",', b"", 1)
    ecr, upstream = bundle.ecr_registry(), bundle.upstream()
    for client in (ecr, upstream):
        client.push("team/web", "1.0", image)

    put = ("PUT", "/v2/team/web/manifests/2.0", bare)
    assert ecr.code(*put, Content_Type=image.media_type) == (405, "UNSUPPORTED")
    assert upstream.ask(*put, Content_Type=image.media_type).status == 201
    assert upstream.ask("GET", "/v2/team/web/manifests/2.0").headers["Docker-Content-Digest"] == digest_of(bare)


def test_ecr_chunks_answer_201_and_their_range_sticks(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    location = begin(client)
    chunks = [b"a" * 5 * 1024 * 1024, b"b" * 5 * 1024 * 1024, b"c"]

    answers = [client.ask("PATCH", location, chunk) for chunk in chunks[:2]]
    finished = client.ask("PUT", f"{location}?digest={digest_of(b''.join(chunks))}", chunks[2])

    assert [(answer.status, answer.headers["Range"]) for answer in answers] == [(201, "0-5242879")] * 2
    assert finished.status == 201


def test_spec_chunks_answer_202_and_tell_how_far_they_came(bundle: Bundle) -> None:
    client = bundle.upstream()
    location = begin(client)

    answers = [client.ask("PATCH", location, b"0123456789") for _ in range(2)]

    assert [(answer.status, answer.headers["Range"]) for answer in answers] == [(202, "0-9"), (202, "0-19")]


def test_small_chunks_are_refused_when_the_upload_is_completed(bundle: Bundle) -> None:
    for client, expected in ((bundle.ecr_registry(), 400), (bundle.upstream(), 201)):
        location = begin(client)
        assert client.ask("PATCH", location, b"small").status in (201, 202)
        assert client.ask("PUT", f"{location}?digest={digest_of(b'smallest')}", b"est").status == expected


def test_an_upload_resumes_where_its_status_says(bundle: Bundle) -> None:
    client = bundle.upstream()
    location = begin(client)
    client.ask("PATCH", location, b"01234", Content_Range="0-4")
    assert client.ask("PATCH", location, b"56789", Content_Range="6-10").status == 416

    status = client.ask("GET", location)
    assert (status.status, status.headers["Range"]) == (204, "0-4")
    client.ask("PATCH", location, iter([b"567", b"89"]), Content_Range="5-9")
    digest = digest_of(b"0123456789")
    assert client.ask("PUT", f"{location}?digest={digest}").status == 201

    assert client.ask("GET", f"/v2/team/web/blobs/{digest}").data == b"0123456789"
    assert client.code("GET", location) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_wrong_digests_and_cancelled_uploads_leave_nothing(bundle: Bundle) -> None:
    for client in (bundle.ecr_registry(), bundle.upstream()):
        location = begin(client)
        assert client.code("PUT", f"{location}?digest={digest_of(b'x')}", b"y") == (400, "DIGEST_INVALID")
        assert client.code("GET", location) == (404, "BLOB_UPLOAD_UNKNOWN")
        location = begin(client)
        assert client.code("PUT", f"{location}?digest=md5:0", b"y") == (400, "DIGEST_INVALID")
        assert client.ask("DELETE", location).status == 204
        assert client.code("PATCH", location, b"y") == (404, "BLOB_UPLOAD_UNKNOWN")
        assert client.ask("HEAD", f"/v2/team/web/blobs/{digest_of(b'y')}").status == 404


def test_a_cut_chunk_is_as_if_it_had_not_come(bundle: Bundle) -> None:
    import socket
    from urllib.parse import urlsplit

    client = bundle.upstream()
    location = begin(client)
    client.ask("PATCH", location, b"01234")
    path, port = urlsplit(location).path, urlsplit(location).port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n567".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""

    assert client.ask("GET", location).headers["Range"] == "0-4"
    assert client.ask("PUT", f"{location}?digest={digest_of(b'0123456789')}", b"56789").status == 201


def test_a_chunked_body_with_trailers_leaves_the_connection_usable(bundle: Bundle) -> None:
    import http.client
    from urllib.parse import urlsplit

    client = bundle.upstream()
    location = urlsplit(begin(client))
    connection = http.client.HTTPConnection("127.0.0.1", location.port or 0, timeout=5)
    connection.putrequest("PATCH", location.path)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(b"5;x=y\r\n01234\r\n0\r\nChecksum: none\r\n\r\n")
    answer = connection.getresponse()
    answer.read()
    assert (answer.status, answer.getheader("Range")) == (202, "0-4")

    connection.auto_open = 0  # from here on only the same connection will do
    connection.request("GET", "/v2/")
    assert connection.getresponse().read() == b"{}"
    connection.close()


def test_a_single_post_takes_a_whole_blob_where_it_is_known(bundle: Bundle) -> None:
    post = ("POST", f"/v2/team/web/blobs/uploads/?digest={digest_of(b'x')}", b"x")
    assert bundle.upstream().ask(*post).status == 201
    assert bundle.ecr_registry().ask(*post).status == 202


def test_blobs_mount_from_repositories_whose_images_have_them(bundle: Bundle) -> None:
    image = images.single("a")
    digest = next(iter(image.blobs))
    path = f"/v2/team/api/blobs/uploads/?mount={digest}&from=team/web"
    closed, opened = bundle.ecr_registry(), bundle.ecr_registry(Manners(mounts=True))
    bundle.ecr.create_repository(repositoryName="team/api")
    closed.push("team/web", "1.0", image)

    assert closed.ask("POST", path).status == 202
    assert opened.ask("POST", path.replace(digest, digest_of(b"?"))).status == 202
    assert opened.ask("POST", path).status == 201
    assert opened.ask("HEAD", f"/v2/team/api/blobs/{digest}").status == 200


@pytest.mark.parametrize(
    ("asked", "status", "content_range", "content"),
    [
        ("bytes=0-3", 206, "bytes 0-3/10", b"0123"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=7-99", 206, "bytes 7-9/10", b"789"),
        ("bytes=-4", 206, "bytes 6-9/10", b"6789"),
        ("bytes=0-1,3-4", 200, None, b"0123456789"),
    ],
)
def test_blob_ranges(bundle: Bundle, asked: str, status: int, content_range: str | None, content: bytes) -> None:
    client = bundle.upstream()
    digest = digest_of(b"0123456789")
    client.ask("PUT", f"{begin(client)}?digest={digest}", b"0123456789")

    answer = client.ask("GET", f"/v2/team/web/blobs/{digest}", Range=asked)

    assert (answer.status, answer.headers.get("Content-Range"), answer.data) == (status, content_range, content)
    assert client.code("GET", f"/v2/team/web/blobs/{digest}", Range="bytes=10-") == (416, "RANGE_INVALID")


def test_signed_urls_need_no_credentials_and_take_none(bundle: Bundle) -> None:
    client = bundle.ecr_registry(auth=Auth("basic"))
    image = images.single("a")
    client.push("team/web", "1.0", image)
    digest, content = next(iter(image.blobs.items()))
    url = bundle.ecr.get_download_url_for_layer(repositoryName="team/web", layerDigest=digest)["downloadUrl"]

    assert client.ask("GET", url).data == content
    assert client.ask("GET", url, Range="bytes=0-1").status == 206
    assert client.ask("HEAD", url).status == 403
    assert client.ask("PUT", url).status == 405
    assert client.ask("GET", url, Authorization="Basic QVdTOng=").status == 400
    assert client.code("GET", url[:-4] + "0000") == (403, "DENIED")
    bundle.timeline.advance_to(bundle.timeline.now() + timedelta(hours=2))
    assert client.code("GET", url) == (403, "DENIED")


def test_tags_and_catalog_are_paged_by_links(bundle: Bundle) -> None:
    client = bundle.upstream()
    image = images.single("a")
    for tag in "abcde":
        client.push("team/web", tag, image)
    pages, path = [], "/v2/team/web/tags/list?n=2"
    while path:
        answer = client.ask("GET", path)
        pages.append(answer.json()["tags"])
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")

    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    assert client.code("GET", "/v2/team/web/tags/list?n=1001") == (400, "PAGINATION_NUMBER_INVALID")
    assert client.code("GET", "/v2/team/web/tags/list?n=x") == (400, "PAGINATION_NUMBER_INVALID")
    assert client.ask("GET", "/v2/_catalog?n=1").json() == {"repositories": ["team/web"]}


def test_referrers(bundle: Bundle) -> None:
    image = images.single("a")
    sbom = images.artifact("s", "application/spdx+json", image)
    for client in (bundle.ecr_registry(), bundle.upstream()):
        client.push("team/web", "1.0", image)
        client.push("team/web", None, sbom)
        path = f"/v2/team/web/referrers/{image.digest}"

        assert [d["digest"] for d in client.ask("GET", path).json()["manifests"]] == [sbom.digest]
        filtered = client.ask("GET", f"{path}?artifactType=text/plain")
        assert filtered.json()["manifests"] == []
        assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
        assert client.ask("GET", f"/v2/team/web/referrers/{sbom.digest}").json()["manifests"] == []
    without = bundle.upstream(Manners(referrers=False))
    assert without.ask("GET", f"/v2/team/web/referrers/{image.digest}").status == 404


@pytest.mark.parametrize("make", [Bundle.ecr_registry, Bundle.upstream])
def test_manifests_are_deleted_by_tag_and_by_digest(bundle: Bundle, make: Callable[[Bundle], Client]) -> None:
    client = make(bundle)
    image = images.single("a")
    for tag in ("1.0", "1", "latest"):
        client.push("team/web", tag, image)

    assert client.ask("DELETE", "/v2/team/web/manifests/latest").status == 202
    assert client.ask("GET", "/v2/team/web/tags/list").json()["tags"] == ["1", "1.0"]
    assert client.ask("DELETE", f"/v2/team/web/manifests/{image.digest}").status == 202
    assert client.code("GET", "/v2/team/web/manifests/1.0") == (404, "MANIFEST_UNKNOWN")
    assert client.code("DELETE", "/v2/team/web/manifests/1.0") == (404, "MANIFEST_UNKNOWN")


def test_deletions_over_http_raise_events(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    index = images.multi_platform("a")
    client.push("team/web", "1.0", index)
    child = index.children[0].digest

    assert client.code("DELETE", f"/v2/team/web/manifests/{child}") == (405, "DENIED")
    client.ask("DELETE", "/v2/team/web/manifests/1.0")
    client.ask("DELETE", f"/v2/team/web/manifests/{child}")

    told = [(e["detail"]["action-type"], e["detail"].get("image-tag")) for e in bundle.events[-2:]]
    assert told == [("DELETE", "1.0"), ("DELETE", None)]


def test_an_upstream_makes_repositories_on_push_and_calls_the_hook(bundle: Bundle) -> None:
    client = bundle.upstream()
    index = images.multi_platform("a", attestations=False)

    client.push("library/nginx", "1.27", index)

    assert [(push.repository, push.tag) for push in bundle.pushes] == [
        ("library/nginx", None),
        ("library/nginx", None),
        ("library/nginx", "1.27"),
    ]
    assert bundle.pushes[-1].manifest.digest == index.digest
    assert client.code("GET", "/v2/library/redis/manifests/1") == (404, "NAME_UNKNOWN")


def test_immutable_tags_of_an_upstream(bundle: Bundle) -> None:
    client = bundle.upstream(immutable_tags=True)
    client.push("team/web", "1.0", images.single("a"))
    client.push("team/web", "1.0", images.single("a"))
    with pytest.raises(images.PushError, match="TAG_INVALID"):
        client.push("team/web", "1.0", images.single("b"))


def test_basic_authentication_as_ecr_has_it(bundle: Bundle) -> None:
    client = bundle.ecr_registry(auth=Auth("basic"))
    [data] = bundle.ecr.get_authorization_token()["authorizationData"]

    refused = client.ask("GET", "/v2/")
    assert (refused.status, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
    assert data["proxyEndpoint"] == client.registry.url
    assert client.ask("GET", "/v2/", Authorization=f"Basic {data['authorizationToken']}").status == 200
    other = urllib3.make_headers(basic_auth="root:x")["authorization"]
    assert client.ask("GET", "/v2/", Authorization=other).status == 401
    assert client.ask("GET", "/v2/", Authorization="Basic ???").status == 401


def test_bearer_tokens_as_docker_hub_has_them(bundle: Bundle) -> None:
    client = bundle.upstream(auth=Auth("bearer", users={"joe": "secret"}))
    challenge = client.ask("GET", "/v2/a/b/tags/list").headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="{client.registry.url}/token",service="registry",scope="repository:a/b:pull"'

    def token(scope: str, basic: str | None = None) -> dict[str, str]:
        headers = {"Authorization": urllib3.make_headers(basic_auth=basic)["authorization"]} if basic else {}
        return {"Authorization": f"Bearer {client.ask('GET', f'/token?scope={scope}', **headers).json()['token']}"}

    anonymous, known = token("repository:a/b:pull,push"), token("repository:a/b:pull,push", "joe:secret")
    post = ("POST", "/v2/a/b/blobs/uploads/")
    assert client.ask("GET", "/v2/", **anonymous).status == 200
    assert client.ask("GET", "/v2/a/b/tags/list", **anonymous).status == 404
    assert client.ask(*post, **anonymous).status == 401
    assert client.ask(*post, **known).status == 202
    assert client.ask("POST", "/v2/a/c/blobs/uploads/", **known).status == 401
    assert client.ask("GET", "/v2/_catalog", **token("registry:catalog:*", "joe:secret")).status == 200
    assert client.ask("GET", "/v2/_catalog", **known).status == 401
    wrong = urllib3.make_headers(basic_auth="joe:guess")["authorization"]
    assert client.ask("GET", "/token", Authorization=wrong).status == 401
    bundle.timeline.advance_to(bundle.timeline.now() + timedelta(minutes=5))
    assert client.ask(*post, **known).status == 401


def test_manifest_gets_are_limited_as_on_docker_hub(bundle: Bundle) -> None:
    client = bundle.upstream(Manners(manifest_gets=2, retry_after="30"))
    client.push("team/web", "1.0", images.single("a"))
    path = "/v2/team/web/manifests/1.0"

    looked = client.ask("HEAD", path)
    answers = [client.ask("GET", path) for _ in range(3)]

    assert looked.headers["ratelimit-remaining"] == "2;w=21600"
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-limit"] == "2;w=21600"
    assert answers[2].headers["Retry-After"] == "30"
    assert client.ask("HEAD", path).status == 200
    bundle.timeline.advance_to(bundle.timeline.now() + timedelta(hours=6))
    assert client.ask("GET", path).status == 200


def test_head_of_blobs_may_be_refused_as_on_ecr_public(bundle: Bundle) -> None:
    client = bundle.upstream(Manners(head_blob_status=403))
    image = images.single("a")
    client.push("team/web", "1.0", image)
    assert client.ask("HEAD", f"/v2/team/web/blobs/{next(iter(image.blobs))}").status == 403


def test_a_smallest_part_may_be_announced(bundle: Bundle) -> None:
    client = bundle.upstream(Manners(announce_min_part=True))
    assert client.ask("POST", "/v2/team/web/blobs/uploads/").headers["OCI-Chunk-Min-Length"] == "5242880"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/", (404, "NOT_FOUND")),
        ("POST", "/v2/team/web/tags/list", (405, "UNSUPPORTED")),
        ("GET", "/v2/Team/manifests/1", (400, "NAME_INVALID")),
        ("GET", "/v2/team/web/blobs/latest", (400, "DIGEST_INVALID")),
        ("GET", "/v2/team/web/blobs/..%2F..%2Fetc", (404, "NOT_FOUND")),
        ("GET", "/v2/team/web/referrers/latest", (400, "DIGEST_INVALID")),
    ],
)
def test_requests_that_make_no_sense(bundle: Bundle, method: str, path: str, expected: tuple[int, str]) -> None:
    assert bundle.ecr_registry().code(method, path) == expected


def test_the_last_requests_are_kept(bundle: Bundle) -> None:
    client = bundle.upstream()
    client.ask("GET", "/v2/")
    [record] = client.registry.requests
    assert (record.method, record.path, record.status) == ("GET", "/v2/", 200)


def test_closing_cuts_idle_connections_and_frees_the_port(bundle: Bundle) -> None:
    client = bundle.upstream()
    assert client.ask("GET", "/v2/").status == 200  # the pool keeps the connection open
    client.registry.close()

    assert not client.registry.running
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.ask("GET", "/v2/")
    store = MemoryStore()
    with Registry(store, port=int(client.registry.host.partition(":")[2])) as again:
        assert again.running
    store.close()


def test_parallel_pushes_do_not_disturb_each_other(bundle: Bundle) -> None:
    client = bundle.ecr_registry()
    pushed = [images.single(str(number)) for number in range(8)]
    threads = [
        threading.Thread(target=client.push, args=("team/web", f"v{number}", image))
        for number, image in enumerate(pushed)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    listed = bundle.ecr.list_images(repositoryName="team/web")["imageIds"]
    assert {(i["imageTag"], i["imageDigest"]) for i in listed} == {(f"v{n}", i.digest) for n, i in enumerate(pushed)}
    assert len(bundle.events) == 8
