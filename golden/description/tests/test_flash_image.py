import zlib

import numpy as np
import pytest

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.flash_image import (
    ImageError,
    flash_cycles,
    kind_of,
    most_samples,
    read_image,
    record_lengths,
    records,
    write_image,
)
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.description.protocol import CRC
from popflip.golden.description.sections.standalone import SECTOR
from popflip.golden.training.standalone import image_of

PARAMS = Params.load("local-small").replace(standalone={"flash": "quad", "order_bits": 5})


def packed(n, seed):
    return np.random.default_rng(seed).integers(0, 256, (n, PARAMS.sample_bytes), np.uint8)


TRAIN, TEST = packed(32, 1), packed(7, 2)
IMAGE = write_image(PARAMS, TRAIN, TEST)


def test_an_image_is_read_as_it_was_written():
    train, test = read_image(PARAMS, IMAGE)
    np.testing.assert_array_equal(train, TRAIN)
    np.testing.assert_array_equal(test, TEST)
    assert len(IMAGE) % SECTOR == 0


def test_samples_lie_where_the_hardware_looks():
    assert IMAGE[:12] == b"pop\x01" + kind_of(PARAMS)
    assert IMAGE[12:18] == bytes([32, 0, 0, 7, 0, 0])
    at = SECTOR + 33 * PARAMS.sample_bytes
    assert IMAGE[at : at + PARAMS.sample_bytes] == TEST[1].tobytes()
    assert set(IMAGE[24:SECTOR]) == {0xFF}


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (0, "^this is no image of a data set"),
        (5, "^the image is damaged: the checksum of its header"),
        (13, "^the image is damaged: the checksum of its header"),
        (SECTOR, "^the image is damaged: the checksum of its samples"),
        (SECTOR + 39 * PARAMS.sample_bytes - 1, "^the image is damaged: the checksum of its sa"),
    ],
)
def test_damage_is_found(at, message):
    damaged = bytearray(IMAGE)
    damaged[at] ^= 1
    with pytest.raises(ImageError, match=message):
        read_image(PARAMS, bytes(damaged))


def test_what_is_cut_off_is_missed():
    for length in (0, 11, SECTOR - 1, SECTOR, len(IMAGE) - SECTOR):
        with pytest.raises(ImageError):
            read_image(PARAMS, IMAGE[:length])


@pytest.mark.parametrize(
    "changes", [{"thresholds": [90]}, {"thresholds": [90, 120]}, {"classes": 11}]
)
def test_images_of_other_samples_are_refused(changes):
    # Windows and lanes may change, as long as samples are packed alike.
    other = PARAMS.replace(network=changes, machine={"row_lanes": 50})
    with pytest.raises(ImageError, match=r"^the image was made for other samples than"):
        read_image(other, IMAGE)
    same = PARAMS.replace(network={"window": 8, "features": 3}, machine={"row_lanes": 50})
    assert len(read_image(same, IMAGE).train) == 32


RECORDS = PARAMS.replace(standalone={"record_bytes": 128})


def test_records_leave_out_zero_bytes():
    sample = np.zeros((1, PARAMS.sample_bytes), np.uint8)
    sample[0, [0, 7, 8, 112]] = [5, 6, 7, 9]
    assert record_lengths(sample).tolist() == [1 + 15 + 4]
    wanted = [19, 0b10000001, 5, 6, 0b1, 7, *[0] * 12, 0b1, 9]
    assert records(RECORDS, sample)[0].tolist() == wanted + [0xFF] * (128 - len(wanted))


def test_an_image_of_records_is_read_as_it_was_written():
    rng = np.random.default_rng(3)
    sparse = packed(32, 4) * (rng.random((32, PARAMS.sample_bytes)) < 0.3)
    image = write_image(RECORDS, sparse, sparse[:5])
    train, test = read_image(RECORDS, image)
    np.testing.assert_array_equal(train, sparse)
    np.testing.assert_array_equal(test, sparse[:5])
    assert image[SECTOR + 128 : SECTOR + 256] == records(RECORDS, sparse)[1].tobytes()
    with pytest.raises(ImageError, match=r"^the image was made for other samples than"):
        read_image(PARAMS, image)
    with pytest.raises(ImageError, match=r"^the image was made for other samples than"):
        read_image(RECORDS, IMAGE)


def test_records_that_are_too_long_are_refused():
    assert record_lengths(np.maximum(TRAIN, 1)).max() == 1 + 15 + 113
    with pytest.raises(
        ImageError, match=r"^standalone.record_bytes must be at least 129 for these sam"
    ):
        write_image(RECORDS, np.maximum(TRAIN, 1), TEST)
    with pytest.raises(
        ParamsError, match=r"^standalone\.record_bytes must be left out for samples of"
    ):
        Params.build({
            "network": {"image": [4, 4], "hidden": [3], "classes": 2},
            "dynamics": {"gains": [1, 1]},
            "learning": {"tau": [1, 1]},
            "machine": {"row_lanes": 4, "relax_lanes": 2, "latent_lanes": [1, 1]},
            "standalone": {"record_bytes": 8},
        })


@pytest.mark.parametrize("change", [1, 4, 0x80, 0xFF])
def test_records_that_make_no_sense_are_refused(change):
    """A wrong record behind a right checksum: whoever wrote it was wrong."""
    good = records(RECORDS, TRAIN * (TRAIN < 40))
    good[2, 0] ^= change
    content = good.tobytes()
    header = b"pop\x01" + kind_of(RECORDS) + (32).to_bytes(3, "little") + bytes(3)
    header += zlib.crc32(content).to_bytes(4, "little")
    header += CRC.compute(header).to_bytes(2, "little")
    with pytest.raises(ImageError, match=r"^the image is damaged: a record does not end where"):
        read_image(RECORDS, header.ljust(SECTOR, b"\xff") + content)


def test_no_more_than_fits():
    with pytest.raises(ImageError, match=r"^at most 32 training samples fit the flash beside 7 te"):
        write_image(PARAMS, packed(33, 1), TEST)
    wide = PARAMS.replace(standalone={"order_bits": 16})
    room = 4 << 20
    assert most_samples(wide, 10_000, room) == (room - (1 << 20) - SECTOR) // 113 - 10_000
    assert most_samples(wide, 10_000) == 65536
    assert most_samples(PARAMS, 33) == 0
    data = Dataset("d", *[np.zeros((50, 28, 28), np.uint8), np.zeros(50, int)] * 2)
    assert len(image_of(PARAMS, data, None, 5).train) == 32
    with pytest.raises(ValueError, match=r"^samples must be 1 to 32, which fit beside 5 test "):
        image_of(PARAMS, data, 33, 5)
    with pytest.raises(ValueError, match=r"^50 test images of 113 bytes leave no room"):
        image_of(PARAMS, data)


def test_what_a_sample_takes_to_read():
    # 40 bits of a command and 113 bytes; the address of 7 bits, and 4 turns.
    for flash, divider, wanted in (
        ("quad", 2, 2 * (40 + 226)),
        ("dual", 2, 2 * (40 + 452)),
        ("single", 2, 2 * (40 + 904)),
    ):
        params = PARAMS.replace(standalone={"flash": flash, "flash_divider": divider})
        assert flash_cycles(params) == wanted + 7 + 4
    with pytest.raises(
        ValueError, match=r"^standalone\.flash must be single, dual or quad, not none$"
    ):
        flash_cycles(PARAMS.replace(standalone={"flash": "none"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flash_divider": 3}, r"^standalone: flash_divider must be 1 or an even number, not 3$"),
        (
            {"flash_divider": 1},
            r"^standalone: flash_delay must be at least 1 for a flash_divider of 1",
        ),
        ({"flash_base": 4096}, r"^standalone\.flash_base must be a multiple of 8192, not 4096$"),
        (
            {"flash": "octal"},
            r"^standalone\.flash must be 'auto', 'none', .* or 'quad', not 'octal'$",
        ),
    ],
)
def test_parameters_that_cannot_be(changes, message):
    with pytest.raises(ParamsError, match=message):
        PARAMS.replace(standalone=changes)
