import numpy as np
import pytest

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import encode, input_of
from popflip.golden.datasets.loading import from_arrays
from popflip.golden.description.flash_image import read_image, write_image
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.support.errors import InputError
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.standalone import StandaloneTrainer, first_state, image_of
from popflip.golden.training.state import differences

PARAMS = Params.load("local-small").replace(
    learning={"shift": 1, "tau_growth": 30.0},
    standalone={"flash": "quad", "order_bits": 7, "epochs": 3},
)


def draw_data():
    rng = np.random.default_rng(3)
    parts = []
    for n in (100, 20):
        parts += [rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n)]
    return Dataset("drawn", *parts)


DATA = draw_data()


def train(machine, **options):
    trainer = StandaloneTrainer(PARAMS, DATA, machine, **options)
    trainer.run(3)
    return trainer


def test_the_fast_engine_comes_to_the_same():
    golden, fast = GoldenMachine(PARAMS), FastMachine(PARAMS, 1)
    histories = [train(machine).history for machine in (golden, fast)]
    assert differences(golden.read_state(), fast.read_state()) == []
    errors = [[(log.train_error, log.test_error) for log in logs] for logs in histories]
    assert errors[0] == errors[1]


def test_weights_are_drawn_bit_by_bit():
    state, lfsr = first_state(PARAMS)
    again = Lfsr(PARAMS.standalone.state)
    for layer in range(PARAMS.depth):
        shape = PARAMS.synapses(layer)
        assert not state.latents[layer].any()
        drawn = [
            again.draw(-(-shape.word_bits // 8) * 8) & (1 << shape.word_bits) - 1
            for _ in range(shape.weight_depth)
        ]
        bits = np.array([[word >> i & 1 for i in range(shape.word_bits)] for word in drawn], bool)
        np.testing.assert_array_equal(state.weights[layer], bits)
    assert again.state == lfsr.state


def test_an_epoch_is_all_samples_moved_by_a_pixel_at_most():
    trainer = StandaloneTrainer(PARAMS, DATA, GoldenMachine(PARAMS))
    orders = set()
    for epoch in (2, 0, 1):
        x, labels = trainer.epoch_samples(epoch)
        assert sorted(labels) == sorted(DATA.train_labels)
        orders.add(tuple(labels))
        middle = x.reshape(-1, 28, 28)[:, 5:-5, 5:-5].sum()
        assert middle == pytest.approx(
            encode(DATA.train_images, (127,)).mean() * 100 * 18**2, rel=0.05
        )
    assert len(orders) == 3


def test_seeds_differ():
    other = PARAMS.replace(standalone={"seed": 2})
    (a, _), (b, _) = first_state(PARAMS), first_state(other)
    assert 0.45 < (a.weights[0] != b.weights[0]).mean() < 0.55


def test_a_table_is_the_same_bits_in_the_flash_as_in_software():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(40, 30)) ** 3
    params = Params.build({
        "network": {"image": [1, 30], "hidden": [8], "classes": 2, "thresholds": [63, 127, 191]},
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "standalone": {"flash": "single"},
    })
    data = from_arrays(values, np.where(values[:, 0] > 0, "up", "down"), params=params)
    image = image_of(params, data)
    found = read_image(params, write_image(params, *image))
    assert (len(found.train), len(found.test)) == (32, 8)
    seen = input_of(params.network, data.train_images)
    np.testing.assert_array_equal(found.train, pack_samples(params, seen, data.train_labels))


def test_images_of_another_size_do_not_go_into_the_flash():
    small = PARAMS.replace(network={"image": (20, 20)})
    with pytest.raises(
        InputError, match=r"^network\.image must be 28 x 28 for drawn, not 20 x 20$"
    ):
        image_of(small, DATA)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 129}, "^samples must be 1 to 128, which fit the flash beside 20 test images"),
        ({"samples": 0}, "^samples must be 1 to 128"),
    ],
)
def test_no_more_than_the_flash_holds(options, message):
    with pytest.raises(ValueError, match=message):
        StandaloneTrainer(PARAMS, DATA, GoldenMachine(PARAMS), **options)
