"""The C driver, compiled for this machine and called from Python, which is its bus or its line."""

import ctypes
import subprocess
from enum import IntEnum

from popflip.boards.driver.header import design_header, driver_files
from popflip.boards.driver.image import image_bytes
from popflip.rtl.identity import identity

#: What a user is told to compile with.
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffreestanding"]

#: With the source itself, whose parts for frames are tested by themselves.
_SHIM = """\
#include "popflip.c"
#include "mine_design.h"

size_t shim_size(void) { return sizeof(struct popflip); }
const struct popflip_design *shim_design(void) { return &mine_design; }

int shim_send(struct popflip *device, const uint8_t *raw, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        device->frame[i] = raw[i];
    device->length = n;
    return send_frame(device);
}

/* Length of the frame in a piece of a line, which ends with a zero; 0 if it is none. */
uint32_t shim_take(struct popflip *device, const uint8_t *piece, uint32_t n, uint8_t *raw)
{
    bool good = false;
    begin_frame(device);
    for (uint32_t i = 0; i < n; i++)
        good = take_byte(device, piece[i]);
    for (uint32_t i = 0; good && i < device->length; i++)
        raw[i] = device->frame[i];
    return good ? device->length : 0;
}
"""


class Result(IntEnum):
    """What functions of the driver return."""

    OK = 0
    TIMEOUT = 1
    GARBAGE = 2
    LINE = 3
    OTHER_DESIGN = 4
    REFUSED = 5
    BUSY = 6
    RANGE = 7
    IMAGE = 8


_U32, _U8P, _VOID = ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint8), ctypes.c_void_p
_READ = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, _U32, ctypes.POINTER(_U32))
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, _U32, _U32)
_SEND = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, _U8P, _U32)
_PUT = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, ctypes.c_uint8)
_GET = ctypes.CFUNCTYPE(ctypes.c_int, _VOID)


class _Bus(ctypes.Structure):
    _fields_ = (
        ("read", _READ), ("write", _WRITE), ("send", _SEND), ("pause", _VOID), ("context", _VOID),
        ("patience", _U32),
    )  # fmt: skip


class _Line(ctypes.Structure):
    _fields_ = (("put", _PUT), ("get", _GET), ("context", _VOID), ("patience", _U32))


def compile_driver(folder, params, bus, design=None, *flags):
    """Compile the driver with the header of a design; return the library."""
    texts = driver_files() | {
        "mine_design.h": design_header(params, bus, "mine", design or identity(params, bus)),
        "shim.c": _SHIM,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    command = ["gcc", *FLAGS, *flags, "-O1", "-fPIC", "-shared", "-o", "driver.so", "shim.c"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr
    return folder / "driver.so"


class Driver:
    """A machine that the driver has to do with; methods return its results.

    Parameters
    ----------
    path : Path
        From :func:`compile_driver`.
    params : Params
        Of the design.
    """

    def __init__(self, path, params):
        self.library, self.params = ctypes.CDLL(str(path)), params
        self.library.shim_design.restype = _VOID
        self.library.shim_size.restype = ctypes.c_size_t
        self.library.shim_take.restype = _U32
        self._device = ctypes.create_string_buffer(self.library.shim_size())
        self._port = None

    def open_line(self, put, get, patience=2000):
        """``put`` takes a byte, ``get`` returns one or None."""

        def got(_):
            byte = get()
            return -1 if byte is None else byte

        def sent(_, byte):
            return int(put(byte) is False)

        self._port = _Line(_PUT(sent), _GET(got), None, patience)
        return self._open("line")

    def open_bus(self, read, write, send=None, patience=2000):
        """``read`` returns a word, None for the bus's error; ``write`` whether there was none."""

        def do_read(_, address, value):
            word = read(address)
            value[0] = word or 0
            return int(word is None)

        def do_write(_, address, value):
            return int(not write(address, value))

        def do_send(_, sample, n):
            return int(not send(bytes(sample[:n])))

        self._port = _Bus(
            _READ(do_read), _WRITE(do_write), _SEND(do_send) if send else _SEND(), None, None,
            patience,
        )  # fmt: skip
        return self._open("bus")

    def _open(self, kind):
        design = ctypes.c_void_p(self.library.shim_design())
        return self._call(f"open_{kind}", design, ctypes.byref(self._port))

    def _call(self, name, *arguments):
        return Result(getattr(self.library, f"popflip_{name}")(self._device, *arguments))

    def read(self, region, word, count):
        """Return the result and the bytes."""
        n = count * self.params.regions[region].word_bytes
        data = ctypes.create_string_buffer(n)
        number = self.params.regions[region].index
        result = self._call("read", _U32(number), _U32(word), _U32(count), data)
        return result, data.raw

    def write(self, region, word, data):
        region = self.params.regions[region]
        count = len(data) // region.word_bytes
        return self._call("write", _U32(region.index), _U32(word), _U32(count), data)

    def get(self, register):
        value = _U32()
        number = self.params.registers[register].index
        return self._call("get", _U32(number), ctypes.byref(value)), value.value

    def set(self, register, value):
        return self._call("set", _U32(self.params.registers[register].index), _U32(value))

    def count(self, counter):
        value = ctypes.c_uint64()
        number = self.params.registers.counters.names.index(counter)
        return self._call("count", _U32(number), ctypes.byref(value)), value.value

    def clear(self):
        return self._call("clear")

    def load(self, image):
        return self._call("load", image, ctypes.c_size_t(len(image)))

    def save(self):
        image = ctypes.create_string_buffer(image_bytes(self.params))
        return self._call("save", image, ctypes.c_size_t(len(image))), image.raw

    def train(self, samples, flush=True):
        """Learn from packed samples; return the result and the classes."""
        classes = ctypes.create_string_buffer(len(samples))
        arguments = samples.tobytes(), _U32(len(samples)), ctypes.c_bool(flush), classes
        return self._call("train", *arguments), list(classes.raw)

    def infer(self, samples):
        """Predict packed samples; return the result and the classes."""
        classes = ctypes.create_string_buffer(len(samples))
        result = self._call("infer", samples.tobytes(), _U32(len(samples)), classes)
        return result, list(classes.raw)

    def begin(self, flags, first, count):
        return self._call("begin", _U32(flags), _U32(first), _U32(count))

    def wait(self):
        return self._call("wait")

    def stop(self):
        return self._call("stop")

    def interrupt(self, events):
        return self._call("interrupt", _U32(events))

    def events(self):
        value = _U32()
        return self._call("events", ctypes.byref(value)), value.value

    def pack(self, pixels, label):
        sample = ctypes.create_string_buffer(self.params.sample_bytes)
        design = ctypes.c_void_p(self.library.shim_design())
        self.library.popflip_pack(design, pixels, ctypes.c_uint8(label), sample)
        return sample.raw

    def encode(self, raw):
        """Return what goes over the line for a frame."""
        line = bytearray()
        self.open_line(line.append, lambda: None, patience=0)
        line.clear()
        assert not self.library.shim_send(self._device, raw, _U32(len(raw)))
        return bytes(line)

    def decode(self, piece):
        """Return the frame in a piece of a line without its CRC, or None."""
        raw = ctypes.create_string_buffer(2000)
        n = self.library.shim_take(self._device, piece, _U32(len(piece)), raw)
        return raw.raw[:n] if n else None
