"""A server for tests."""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from . import _message
from ._message import Answer
from ._program import find_program

# Seconds for the server to start, reload or stop: a bound for a machine that is busy, not what it takes.
PATIENCE = 60.0

_running: weakref.WeakSet[Server] = weakref.WeakSet()


class VnetdnsError(Exception):
    """The server does not do what it was asked for."""


class Refused(VnetdnsError):
    """The topology has mistakes: each is named with its place and what to write instead."""


class Fault:
    """A fault that a server has its answers suffer, until it is ended: by `end`, or at the end of a `with` block."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self.name = name

    @property
    def struck(self) -> int:
        """How many queries it has struck."""
        faults = self._server._ask_control({"command": "faults"})["faults"]
        return next((fault["struck"] for fault in faults if fault["name"] == self.name), 0)

    def end(self) -> None:
        """Ends it."""
        self._server._carry_out({"command": "end_faults", "name": self.name})

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Server:
    """`vnetdns serve` on a free port of 127.0.0.1, until it is stopped.

    The topology is a text of several lines, or one or more files: configurations, or what `vnetdns import` takes. A text names
    the files of `files`, such as zone files, by their keys.

        with Server("topology.toml") as server:
            assert server.ask("vnet-n1", "www.corp.test").addresses == ["10.1.0.80"]
    """

    def __init__(self, *topology: str | os.PathLike[str], lab: str | None = None,
                 files: Mapping[str, str] | None = None, program: str | os.PathLike[str] | None = None) -> None:
        self._program = find_program() if program is None else Path(program)
        self._folder = Path(tempfile.mkdtemp(prefix="vnetdns-"))
        self._end = weakref.finalize(self, _end, None, self._folder)
        self._text = self._folder / "topology.toml"
        self.asked: list[Answer] = []
        """What was asked so far."""
        try:
            self._configuration = self._configure(topology, lab, files or {})
            self._process = self._start()
        except BaseException:
            self.stop()
            raise
        _running.add(self)

    def _configure(self, topology: tuple[str | os.PathLike[str], ...], lab: str | None, files: Mapping[str, str]) -> list[str]:
        """The arguments that say what is served."""
        if (lab is None) == (not topology):
            raise TypeError("give a topology, as text or files, or lab=NAME")
        if lab is not None:
            return ["--lab", lab]
        for name, text in files.items():
            path = self._folder / name
            if not path.resolve().is_relative_to(self._folder.resolve()):
                raise ValueError(f"{name} is outside the folder of the topology")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        arguments = []
        for part in topology:
            if isinstance(part, str) and "\n" in part:
                if len(topology) > 1:
                    raise TypeError("a topology as text stands alone: write it to a file to give it with others")
                self._text.write_text(part, encoding="utf-8")
                part = self._text
            elif not Path(part).exists():
                raise FileNotFoundError(f"there is no file {part}; a topology as text has more than one line")
            arguments += ["--config", os.fspath(Path(part).absolute())]
        return arguments

    def _start(self) -> subprocess.Popen[bytes]:
        self._control = self._folder / "run" / "c.sock"
        command = [os.fspath(self._program), "serve", *self._configuration, "--listen", "127.0.0.1:0", "--loopback",
                   "--faults", "--control-socket", os.fspath(self._control), "--ready", "json"]
        with open(self._folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self._end.detach()
        self._end = weakref.finalize(self, _end, process, self._folder)
        line = _first_line(process)
        if not line:
            process.kill()
            process.wait()
            error = Refused if process.returncode == 1 else VnetdnsError
            raise error(self.log.strip() or f"{self._program} said nothing within {PATIENCE} seconds")
        ready = json.loads(line)
        host, port = ready["listen"][0].rsplit(":", 1)
        self.address: tuple[str, int] = (host, int(port))
        """Where it answers, over UDP and TCP."""
        self.clients: dict[str, str] = ready.get("clients", {})
        """An address for each network, and for `outside`: who sends from there is in that network."""
        return process

    def ask(self, network: str, name: str, type: str = "A", *, tcp: bool = False, timeout: float = PATIENCE) -> Answer:
        """Asks as a client of a network; `outside` are those of none."""
        number = secrets.randbits(16)
        request = _message.query(number, name, type)
        source = (self.client(network), 0)
        deadline = time.monotonic() + timeout
        try:
            response = None if tcp else self._over_udp(source, request, deadline)
            if response is None or _message.is_truncated(response):
                response = self._over_tcp(source, request, deadline)
        except TimeoutError:
            raise VnetdnsError(f"no answer to {name} {type} for {network} within {timeout} seconds\n{self.log}") from None
        answer = _message.read(response, network, name, type)
        self.asked.append(answer)
        return answer

    def _over_udp(self, source: tuple[str, int], request: bytes, deadline: float) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(source)
            client.connect(self.address)
            client.send(request)
            while True:
                client.settimeout(_left(deadline))
                response = client.recv(65535)
                if _message.is_response_to(response, request):
                    return response

    def _over_tcp(self, source: tuple[str, int], request: bytes, deadline: float) -> bytes:
        with socket.create_connection(self.address, _left(deadline), source_address=source) as client:
            client.sendall(struct.pack("!H", len(request)) + request)
            (length,) = struct.unpack("!H", _receive(client, 2, deadline))
            response = _receive(client, length, deadline)
        if not _message.is_response_to(response, request):
            raise VnetdnsError("the server answers another question over TCP")
        return response

    def client(self, network: str) -> str:
        """An address of this host: who sends from there is in that network."""
        for name, address in self.clients.items():
            if name.lower() == network.lower():
                return address
        known = ", ".join(self.clients) or "none"
        raise VnetdnsError(f"no client of a network {network} can be played here; those that can: {known}")

    def reload(self, topology: str | None = None) -> None:
        """Serves another text in place of the first one; without it the files as they are now. It is served when this returns; a
        refused one raises `Refused` and leaves the old one served."""
        before = None
        if topology is not None:
            if self._configuration != ["--config", os.fspath(self._text)]:
                raise TypeError("another text can take the place of a text alone: change the files, and call reload()")
            before = self._text.read_text(encoding="utf-8")
            self._text.write_text(topology, encoding="utf-8")
        response = self._ask_control({"command": "reload", "wait": True})
        if not response["ok"]:
            if before is not None:
                self._text.write_text(before, encoding="utf-8")
            findings = [_finding(finding) for finding in response.get("findings", ())]
            raise Refused("\n".join(findings) or response["error"])
        self.clients = self._ask_control({"command": "topology"})["clients"]

    def fault(self, effect: str, name: str | None = None, **more: object) -> Fault:
        """Has answers suffer a fault from now on: `delay`, `drop`, `servfail`, `truncate`, `count-down`, `slow-server` or `flap`, with
        the keys that `[[faults.fault]]` of a configuration has. It is called as its effect is, unless `name` says otherwise.

            server.fault("servfail", virtual_networks=["spoke"], times=2)
            with server.fault("delay", milliseconds=200): ...
        """
        fault = {"name": name or effect, "effect": effect, **more}
        self._carry_out({"command": "set_fault", "fault": fault})
        return Fault(self, fault["name"])

    def _carry_out(self, request: dict[str, object]) -> None:
        response = self._ask_control(request)
        if not response["ok"]:
            raise VnetdnsError(response["error"])

    def _ask_control(self, request: dict[str, object]) -> dict:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(PATIENCE)
            control.connect(os.fspath(self._control))
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile("rb") as lines:
                line = lines.readline()
        if not line:
            raise VnetdnsError(f"the server does not respond\n{self.log}")
        return json.loads(line)

    def explain(self, network: str, name: str, type: str = "A") -> str:
        """Why a client of a network gets its answer, in the words of `vnetdns explain`."""
        client = self.client(network) if network.lower() == "outside" else network
        command = [os.fspath(self._program), "explain", *self._configuration, "--from", client, name, type]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)
        lines = [(done.stdout or done.stderr).rstrip()]
        try:
            faults = self._ask_control({"command": "faults"})["faults"]
        except OSError:
            faults = []
        lines += [f"(fault {fault['name']}, on purpose: {fault['what']}; it has struck {fault['struck']})" for fault in faults]
        return "\n".join(lines)

    @property
    def log(self) -> str:
        """What it has logged."""
        try:
            return (self._folder / "log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def stop(self) -> None:
        """Stops it, and removes its files. Further calls do nothing."""
        _running.discard(self)
        self._end()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def running() -> list[Server]:
    """The servers of this process that have not been stopped."""
    return list(_running)


def _end(process: subprocess.Popen[bytes] | None, folder: Path) -> None:
    if process is not None:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """What it says when it is ready; nothing where it ends before, or takes too long."""
    deadline, line = time.monotonic() + PATIENCE, b""
    output = process.stdout.fileno()
    while not line.endswith(b"\n"):
        if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return b""
        part = os.read(output, 65536)
        if not part:
            process.wait(PATIENCE)
            return b""
        line += part
    return line


def _receive(client: socket.socket, length: int, deadline: float) -> bytes:
    received = b""
    while len(received) < length:
        client.settimeout(_left(deadline))
        part = client.recv(length - len(received))
        if not part:
            raise VnetdnsError("the server closed the connection before its answer was whole")
        received += part
    return received


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _finding(finding: dict) -> str:
    place = ":".join(str(finding[key]) for key in ("file", "line", "column") if finding.get(key) is not None)
    return f"{place}: {finding['severity']}[{finding['code']}]: {finding['what']}\n  help: {finding['help']}"
