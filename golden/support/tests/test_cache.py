import logging
import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from popflip.golden.support import cache
from popflip.golden.support.cache import (
    LockedError,
    cache_folder,
    entry,
    is_whole,
    key_of,
    locked,
    text_entry,
)


class Maker:
    """Makes an entry of two files, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self, work):
        self.calls += 1
        (work / "large").write_bytes(bytes(range(256)) * 1000)
        (work / "below").mkdir()
        (work / "below" / "small").write_text("made")


@pytest.fixture
def make():
    return Maker()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "room" / "key"


@pytest.fixture(params=["same process", "another process"])
def forget(request, monkeypatch):
    """Either keep what this process knows of entries, or forget it as a new process would."""

    def forget():
        if request.param == "another process":
            monkeypatch.setattr(cache, "_known", {})

    return forget


def left(room):
    """Names in a room of the cache but of locks, which some versions of the library leave."""
    return [path.name for path in room.iterdir() if path.suffix != ".lock"]


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPFLIP_CACHE", "there")
    assert cache_folder() == tmp_path / "there"
    monkeypatch.setenv("POPFLIP_CACHE", "~/popflip")
    assert cache_folder() == Path.home() / "popflip"
    monkeypatch.setenv("POPFLIP_CACHE", "")
    assert cache_folder().is_absolute()
    assert cache_folder().name == "popflip"


def test_keys_keep_parts_apart():
    keys = {key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("abc", ""), key_of()}
    assert len(keys) == 5
    assert key_of("ä", b"b") == key_of("ä".encode(), "b")
    assert len(key_of("a")) == 32


def test_an_entry_is_made_once(folder, make, forget):
    for _ in range(3):
        assert entry(folder, make) == folder
        assert (folder / "below" / "small").read_text() == "made"
        forget()
    assert make.calls == 1
    assert {path.name for path in folder.iterdir()} == {"large", "below", cache.MANIFEST}
    assert left(folder.parent) == ["key"]


def cut(folder):
    os.truncate(folder / "large", 5000)


def lengthen(folder):
    with open(folder / "large", "ab") as file:
        file.write(b"x")


def alter(folder):
    data = bytearray((folder / "large").read_bytes())
    data[77] ^= 1
    (folder / "large").write_bytes(data)


def remove(folder):
    (folder / "below" / "small").unlink()


def add(folder):
    (folder / "more").write_text("")


def cut_manifest(folder):
    os.truncate(folder / cache.MANIFEST, 30)


def lose_manifest(folder):
    (folder / cache.MANIFEST).unlink()


def wrong_manifest(folder):
    (folder / cache.MANIFEST).write_text('["large"]')


def make_a_file_of_it(folder):
    folder.rename(folder.with_name("was"))
    folder.write_text("no folder")


@pytest.mark.parametrize(
    "damage",
    [cut, lengthen, alter, remove, add, cut_manifest, lose_manifest, wrong_manifest,
     make_a_file_of_it],
)  # fmt: skip
def test_a_damaged_entry_is_made_anew(folder, make, forget, damage, caplog):
    entry(folder, make)
    damage(folder)
    forget()
    assert not is_whole(folder)
    with caplog.at_level(logging.WARNING):
        entry(folder, make)
    assert make.calls == 2
    assert (folder / "large").stat().st_size == 256_000
    assert is_whole(folder)
    assert caplog.messages == [f"{folder} in the cache is damaged; it is made anew"]
    assert not any(name.startswith(".") for name in left(folder.parent))


def test_a_known_entry_is_not_read_again(folder, make, monkeypatch):
    entry(folder, make)
    assert is_whole(folder)
    monkeypatch.setattr(cache, "_digest", None)
    assert is_whole(folder)


def test_what_fails_leaves_nothing(folder):
    def fail(work):
        (work / "half").write_text("half")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match=r"^half way$"):
        entry(folder, fail)
    assert left(folder.parent) == []


def test_text(folder, forget):
    texts = iter(["first\r\nä\n", "second"])
    assert text_entry(folder, lambda: next(texts)) == "first\r\nä\n"
    forget()
    assert text_entry(folder, lambda: next(texts)) == "first\r\nä\n"
    os.truncate(folder / "text", 3)
    forget()
    assert text_entry(folder, lambda: next(texts)) == "second"


def make_slowly(folder, started, go):
    """Make an entry; tell when it has begun, and end when told to."""

    def make(work):
        (work / "by").write_text(str(os.getpid()))
        started.set()
        go.wait(60)

    entry(folder, make)


def test_processes_wait_for_each_other(folder):
    context = multiprocessing.get_context("spawn")
    started, go = context.Event(), context.Event()
    first = context.Process(target=make_slowly, args=(folder, started, go))
    first.start()
    assert started.wait(60)
    found = []

    def second():
        found.append((entry(folder, lambda work: None) / "by").read_text())

    waiter = threading.Thread(target=second)
    waiter.start()
    waiter.join(0.3)
    assert waiter.is_alive(), "the second must wait for the first"
    go.set()
    waiter.join(60)
    first.join(60)
    assert found == [str(first.pid)]


def test_a_lock_is_held_by_one(tmp_path):
    path = tmp_path / "deep" / "lock"
    with locked(path):
        with pytest.raises(LockedError, match=r"^somebody else is at it$"):
            with locked(path, refusal="somebody else is at it"):
                pass
    with locked(path, refusal="nobody"):
        pass


def test_a_lock_excludes_threads(tmp_path):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        for _ in range(10):
            with locked(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
