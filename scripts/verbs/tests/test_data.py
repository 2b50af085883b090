"""``popflip data``."""

import json


def test_data_says_what_a_folder_holds(popflip, folder):
    status, out, err = popflip("data", "--data", folder, "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["image"] == [8, 8]
    assert report["classes"] == 3
    assert (report["train"]["images"], report["test"]["images"]) == (3000, 100)
    assert sum(report["train"]["labels"]) == 3000


def test_a_folder_called_mnist_is_not_mnist(popflip, folder, tmp_path, monkeypatch):
    (tmp_path / "mnist").symlink_to(folder)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    status, out, err = popflip("data", "--data", "./mnist", "--json")
    assert status == 0, err
    assert json.loads(out)["data"] == folder.name


def test_the_old_name_of_the_folder_still_works(popflip, folder):
    status, out, err = popflip("data", "--folder", folder, "--json")
    assert status == 0
    assert json.loads(out)["data"] == folder.name
    assert err == "popflip: --folder is now --data; the old name will go with the next version\n"
    status, _, err = popflip("data", "--folder", folder, "--data", folder)
    assert (status, err) == (
        2, "popflip: name one of --data and --folder, its old name, not both\n",
    )  # fmt: skip
    assert "--folder" not in popflip("data", "--help")[1]
