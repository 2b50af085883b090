"""``popflip infer``."""

import csv
import json

from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.trainer import Trainer


def test_inference_gives_every_prediction_of_the_network(popflip, trained, folder, tmp_path):
    out, report, _ = trained
    table = tmp_path / "predictions.csv"
    argv = ["--checkpoint", out / "checkpoint.npz", "--data", folder, "--engine", "golden"]
    status, stdout, err = popflip("infer", *argv, "--json", "--predictions", table)
    assert status == 0, err
    got = json.loads(stdout)
    assert got["test_error"] == report["test_error"]
    data = load(folder)
    params = Params.load(folder / "tiny.toml")
    _, state = Trainer.read_checkpoint(out / "checkpoint.npz")
    x = encode(data.test_images, params.network.thresholds)
    expected = Model(params, state.weights).relax(x).prediction
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [int(row["prediction"]) for row in rows] == expected.tolist()
    assert [int(row["label"]) for row in rows] == data.test_labels.tolist()
    counts = [
        [int(((data.test_labels == true) & (expected == guess)).sum()) for guess in range(3)]
        for true in range(3)
    ]
    assert got["confusion"] == counts
    assert got["correct"] == sum(counts[i][i] for i in range(3))
    status, stdout, _ = popflip("infer", *argv, "--samples", 10)
    assert status == 0
    right = int((expected[:10] == data.test_labels[:10]).sum())
    assert f"{right} of 10 images" in stdout
