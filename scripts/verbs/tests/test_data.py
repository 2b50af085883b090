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


def test_a_look_at_a_data_set(popflip, folder, tmp_path):
    argv = ["data", "--data", folder, "--inspect", "--config", "tiny.toml"]
    picture = tmp_path / "deep" / "a.png"
    status, out, err = popflip(*argv, "--picture", picture, "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["samples"] == 3100
    assert report["test_part"] == "given"
    assert report["features"][0]["high"] == 255
    assert sum(report["classes"]["0"]) + sum(report["classes"]["1"]) < 3100
    assert report["problems"] == []
    assert picture.read_bytes().startswith(b"\x89PNG")
    status, out, _ = popflip(*argv, "--picture", picture)
    assert status == 0
    assert "the test part is given" in out


def test_what_would_be_wrong_ends_with_status_2(popflip, tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("a,b,y\n1,,u\n,1,v\n3,4,u\n5,6,v\n")
    status, out, err = popflip("data", "--data", table, "--inspect", "--json")
    assert status == 2
    assert [each["missing"] for each in json.loads(out)["features"]] == [1, 1]
    assert err == (
        f"popflip: {table} cannot be learned: {table}: column 'a' lacks 1 of 4 values, the first "
        "in sample 2; fill them in, remove those samples, or leave the column out: data.ignore = "
        '["a"]\n'
    )


def test_the_names(popflip):
    status, out, _ = popflip("data", "--list", "--json")
    assert status == 0
    assert {"mnist", "digits", "breast-cancer"} < {row["name"] for row in json.loads(out)}
    assert "scikit-learn" in popflip("data", "--list")[1]
