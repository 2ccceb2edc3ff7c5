"""Messages that no server of ours sends."""

import random
import struct

import pytest

from vnetdns import _message

QUERY = _message.query(7, "www.corp.test", "A")
HEADER = struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0) + QUERY[12:31]


def read(message):
    return _message.read(message, "spoke", "www.corp.test", "A")


def record(name, rtype, data):
    return name + struct.pack("!HHIH", rtype, 1, 60, len(data)) + data


def test_a_compressed_name_is_followed():
    # RFC 1035 §4.1.4: 0xC00C leads to the question, at octet 12.
    answer = read(HEADER + record(b"\xc0\x0c", 1, bytes([10, 0, 0, 1])))
    assert [record.name for record in answer.answer] == ["www.corp.test"]
    assert answer.addresses == ["10.0.0.1"]


@pytest.mark.parametrize("name", [b"\xc0\x1f", b"\xc0\xff", b"\x80\x00"])
def test_a_pointer_that_does_not_lead_back_has_an_end(name):
    with pytest.raises(ValueError):
        read(HEADER + record(name, 1, bytes(4)))


def test_an_unknown_type_reads_as_rfc_3597_has_it():
    answer = read(HEADER + record(b"\xc0\x0c", 62347, b"\x0a\x00"))
    assert (answer.answer[0].type, answer.answer[0].data) == ("TYPE62347", "\\# 2 0a00")


def test_an_extended_response_code_is_whole():
    # RFC 6891 §6.1.3: the upper eight bits are in the OPT record; 23 is BADCOOKIE.
    header = struct.pack("!6H", 7, 0x8187, 1, 0, 0, 1) + QUERY[12:31]
    assert read(header + b"\0" + struct.pack("!HHIH", 41, 1232, 1 << 24, 0)).rcode == "RCODE23"


def test_octets_of_a_name_are_escaped_both_ways():
    packed = _message._pack_name(r"a\.b.c\032d\\e.test")
    assert packed == b"\x03a.b\x05c d\\e\x04test\x00"
    assert _message._name(packed, 0) == (r"a\.b.c d\\e.test", len(packed))


def test_whatever_comes_is_read_or_refused():
    choice = random.Random(1035)
    whole = HEADER + record(b"\xc0\x0c", 16, b"\x03abc") + record(b"\xc0\x0c", 6, b"\0\0" + bytes(20))
    for _ in range(20_000):
        message = bytearray(whole[: choice.randrange(len(whole) + 1)])
        for _ in range(choice.randrange(4)):
            if message:
                message[choice.randrange(len(message))] = choice.randrange(256)
        try:
            read(bytes(message))
        except ValueError:
            pass
