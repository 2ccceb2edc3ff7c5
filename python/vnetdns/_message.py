"""DNS messages (RFC 1035), as far as a test needs them."""

import ipaddress
import struct
from dataclasses import dataclass, field

RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "SVCB": 64, "HTTPS": 65,
         "CAA": 257, "ANY": 255}
_NAMES = {number: name for name, number in TYPES.items()}
_OPT = 41
# Bytes of a response over UDP that a client takes, and that no path fragments.
_PAYLOAD = 1232


class MessageError(ValueError):
    """Bytes that are no DNS message."""


@dataclass(frozen=True)
class Record:
    """A record of an answer."""

    name: str
    """Its owner, without a dot at the end."""
    type: str
    """Its type, such as `A`; one that has no name here is `TYPE` with its number."""
    ttl: int
    data: str
    """What it holds, as zone files write it; names without a dot at the end."""


@dataclass(frozen=True)
class Answer:
    """What a client of a network is answered."""

    network: str
    name: str
    type: str
    rcode: str
    """The response code, as dig writes it: `NOERROR`, `NXDOMAIN`, `REFUSED`, …"""
    answer: tuple[Record, ...] = ()
    """All records of the answer section, in their order."""
    authoritative: bool = False
    authority: tuple[Record, ...] = field(default=(), repr=False)

    @property
    def chain(self) -> list[str]:
        """The targets of aliases, from the first to the last."""
        return [record.data for record in self.answer if record.type == "CNAME" and self.type != "CNAME"]

    @property
    def records(self) -> list[str]:
        """What the records of the type that was asked for hold, sorted."""
        return sorted(record.data for record in self.answer if self.type in (record.type, "ANY"))

    @property
    def addresses(self) -> list[str]:
        """The addresses of the answer, sorted."""
        return sorted(record.data for record in self.answer if record.type in ("A", "AAAA"))

    @property
    def ttl(self) -> int | None:
        """The lowest TTL of the answer: for how long a client may keep it; that of the SOA record (RFC 2308) where it is
        negative, and None where there is neither."""
        ttls = [record.ttl for record in self.answer]
        for record in self.authority if not ttls else ():
            if record.type == "SOA":
                ttls.append(min(record.ttl, int(record.data.rsplit(" ", 1)[1])))
        return min(ttls, default=None)

    def __str__(self) -> str:
        through = "".join(f" → {target}" for target in self.chain)
        found = ", ".join(self.records) or "no records"
        return f"{self.network} asked {self.name} {self.type}: {self.rcode}{through} → {found}"


def type_number(name: str) -> int:
    """The number of a type."""
    name = name.upper()
    if name in TYPES:
        return TYPES[name]
    if name.startswith("TYPE") and name[4:].isdigit() and int(name[4:]) < 65536:
        return int(name[4:])
    raise ValueError(f"{name} is no type that is known here: write {', '.join(TYPES)}, or TYPE with its number")


def query(number: int, name: str, rtype: str) -> bytes:
    """A query with EDNS (RFC 6891)."""
    header = struct.pack("!6H", number, 0x0100, 1, 0, 0, 1)
    return header + _pack_name(name) + struct.pack("!2H", type_number(rtype), 1) + struct.pack("!BHHIH", 0, _OPT, _PAYLOAD, 0, 0)


def is_response_to(response: bytes, request: bytes) -> bool:
    """Whether it has the number of the request and is a response."""
    return len(response) >= 12 and response[:2] == request[:2] and response[2] & 0x80 != 0


def is_truncated(response: bytes) -> bool:
    """Whether the rest is to be had over TCP."""
    return response[2] & 0x02 != 0


def read(response: bytes, network: str, name: str, rtype: str) -> Answer:
    """Reads a response."""
    try:
        _, flags, questions, answers, authorities, additional = struct.unpack_from("!6H", response)
        at = 12
        for _ in range(questions):
            _, at = _name(response, at)
            at += 4
        answer, at = _records(response, at, answers)
        authority, at = _records(response, at, authorities)
        # The OPT record has the upper bits of the response code.
        code = flags & 0x000F | _extended_rcode(response, at, additional) << 4
    except (IndexError, struct.error) as error:
        raise MessageError("the response ends within a record") from error
    rcode = RCODES.get(code, f"RCODE{code}")
    return Answer(network, name.rstrip("."), rtype.upper(), rcode, answer, flags & 0x0400 != 0, authority)


def _extended_rcode(message: bytes, at: int, count: int) -> int:
    for _ in range(count):
        _, at = _name(message, at)
        rtype, _, ttl, length = struct.unpack_from("!HHIH", message, at)
        if rtype == _OPT:
            return ttl >> 24
        at += 10 + length
    return 0


def _records(message: bytes, at: int, count: int) -> tuple[tuple[Record, ...], int]:
    records = []
    for _ in range(count):
        name, at = _name(message, at)
        rtype, _, ttl, length = struct.unpack_from("!HHIH", message, at)
        at += 10
        records.append(Record(name, _NAMES.get(rtype, f"TYPE{rtype}"), ttl, _data(message, at, length, rtype)))
        at += length
    return tuple(records), at


def _data(message: bytes, at: int, length: int, rtype: int) -> str:
    data = message[at : at + length]
    if len(data) != length:
        raise IndexError
    kind = _NAMES.get(rtype)
    if kind == "A" and length == 4 or kind == "AAAA" and length == 16:
        return str(ipaddress.ip_address(data))
    if kind in ("CNAME", "NS", "PTR"):
        return _name(message, at)[0]
    if kind == "MX":
        return f"{struct.unpack('!H', data[:2])[0]} {_name(message, at + 2)[0]}"
    if kind == "SRV":
        priority, weight, port = struct.unpack("!3H", data[:6])
        return f"{priority} {weight} {port} {_name(message, at + 6)[0]}"
    if kind == "SOA":
        server, at = _name(message, at)
        mailbox, at = _name(message, at)
        return " ".join([server, mailbox, *map(str, struct.unpack_from("!5I", message, at))])
    if kind == "TXT":
        return _texts(data)
    return f"\\# {length} {data.hex()}".rstrip()  # RFC 3597 §5


def _texts(data: bytes) -> str:
    texts, at = [], 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise IndexError
        texts.append('"' + "".join(map(_shown, data[at + 1 : end])).replace('"', '\\"') + '"')
        at = end
    return " ".join(texts)


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name, and where what follows begins. Each pointer leads back (RFC 1035 §4.1.4), so that it has an end."""
    labels, end, earliest = [], None, at
    while True:
        length = message[at]
        if length & 0xC0 == 0xC0:
            target = struct.unpack_from("!H", message, at)[0] & 0x3FFF
            if end is None:
                end = at + 2
            if target >= earliest:
                raise MessageError("a name has a pointer that does not lead back")
            at = earliest = target
        elif length & 0xC0:
            raise MessageError("a name has a label of a kind that there is not")
        elif length == 0:
            return ".".join(labels) or ".", at + 1 if end is None else end
        else:
            label = message[at + 1 : at + 1 + length]
            if len(label) != length:
                raise IndexError
            labels.append("".join("\\." if octet == 0x2E else _shown(octet) for octet in label))
            at += 1 + length


def _shown(octet: int) -> str:
    if octet == 0x5C:
        return "\\\\"
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03}"


def _pack_name(name: str) -> bytes:
    packed = b""
    for label in _labels(name):
        if not 0 < len(label) < 64:
            raise ValueError(f"{name} is no domain name: a label has 1 to 63 octets")
        packed += bytes([len(label)]) + label
    if len(packed) > 254:
        raise ValueError(f"{name} is no domain name: it is longer than 255 octets")
    return packed + b"\0"


def _labels(name: str) -> list[bytes]:
    """Labels of a name, with `\\.` and `\\DDD` as zone files have them."""
    labels, label, at = [], bytearray(), 0
    name = name[:-1] if name.endswith(".") and not name.endswith("\\.") else name
    if not name:
        return []
    octets = name.encode("utf-8")
    while at < len(octets):
        if octets[at] == 0x5C and octets[at + 1 : at + 4].isdigit():
            label.append(int(octets[at + 1 : at + 4]) & 0xFF)
            at += 4
        elif octets[at] == 0x5C:
            label += octets[at + 1 : at + 2]
            at += 2
        elif octets[at] == 0x2E:
            labels.append(bytes(label))
            label.clear()
            at += 1
        else:
            label.append(octets[at])
            at += 1
    return [*labels, bytes(label)]
