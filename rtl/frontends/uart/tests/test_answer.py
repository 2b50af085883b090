import re

import pytest

from popflip.golden.description.protocol import (
    CRC,
    CRC_BYTES,
    HEADER,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    STATUS_ANSWER,
    VERSION,
    Status,
)
from popflip.rtl.frontends.uart.answer import AnswerPart, AnswerSender
from popflip.rtl.simulation import simulate

IDENTITY = bytes(range(100, 116))


def send(payload, facts, *, status=Status.OK, words=b"", stall=0):
    """Have an answer sent, and compare it with what the protocol says."""
    dut = AnswerSender(IDENTITY)
    body = HEADER.pack(VERSION, 42, status) + payload + words
    parts = [(AnswerPart.HEADER, i) for i in range(HEADER.size)]
    parts += [(AnswerPart.FACTS, i) for i in range(len(payload))]
    parts += [(AnswerPart.WORD, i % 3) for i in range(len(words))]
    parts += [(AnswerPart.CRC, i) for i in range(CRC_BYTES)]
    expected = body + CRC.compute(body).to_bytes(CRC_BYTES, "little")

    async def bench(ctx):
        for name, value in facts.items():
            ctx.set(getattr(dut, name), value)
        ctx.set(dut.sequence, 42)
        ctx.set(dut.status, status)
        for _ in range(2):  # The second answer does not depend on the first.
            ctx.set(dut.part, AnswerPart.NONE)
            ctx.set(dut.start, 1)
            await ctx.tick()
            assert ctx.get(dut.o.valid) == 0
            ctx.set(dut.start, 0)
            sent = []
            for part, position in parts:
                ctx.set(dut.part, part)
                ctx.set(dut.position, position)
                if part == AnswerPart.WORD:
                    ctx.set(dut.byte, words[len(sent) - HEADER.size - len(payload)])
                for ready in (*stall * [0], 1):
                    ctx.set(dut.o.ready, ready)
                    await ctx.delay(0)
                    assert ctx.get(dut.o.valid) == 1
                    assert ctx.get(dut.o.p.last) == 0
                    if part == AnswerPart.FACTS:
                        assert ctx.get(dut.last_fact) == (position == len(payload) - 1)
                    if ready:
                        sent.append(ctx.get(dut.o.p.data))
                    await ctx.tick()
            assert bytes(sent) == expected
            ctx.set(dut.part, AnswerPart.END)
            await ctx.delay(0)
            assert (ctx.get(dut.o.valid), ctx.get(dut.o.p.last)) == (1, 1)

    simulate(dut, bench)


@pytest.mark.parametrize("stall", [0, 2])
def test_identify(stall):
    send(IDENTIFY_ANSWER.pack(IDENTITY, MAX_PAYLOAD), {"identify": 1}, stall=stall)


@pytest.mark.parametrize("busy", [0, 1])
def test_status(busy):
    facts = {"identify": 0, "busy": busy, "good": 0x1234, "bad": 0xFEDC}
    send(STATUS_ANSWER.pack(busy, 0x1234, 0xFEDC), facts)


@pytest.mark.parametrize("status", Status)
def test_words_and_errors(status):
    send(b"", {}, status=status, words=bytes([0, 255, 7, 130]), stall=1)


def test_rejects_an_identity_of_another_length_or_kind():
    with pytest.raises(ValueError, match=r"^identity must be 16 bytes, not 15$"):
        AnswerSender(bytes(15))
    with pytest.raises(TypeError, match=re.escape("identity must be bytes, not 'id'")):
        AnswerSender("id")
