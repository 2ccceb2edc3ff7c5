"""The server, asked as the networks of a topology."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from vnetdns import NotFound, Refused, Server, VnetdnsError, find_program

WORLD = """
[[virtual_network]]
name = "spoke"
address_space = ["10.1.0.0/16"]

[[virtual_network]]
name = "twin"
resource_group = "rg-a"

[[virtual_network]]
name = "twin"
resource_group = "rg-b"

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "spoke" }, { virtual_network = "rg-b/twin" }]
file = "zones/corp.zone"
"""
ZONE = """
www 60 A 10.1.0.80
www 60 A 10.1.0.9
api 120 CNAME www
mail 60 MX 10 www
_ldap._tcp 60 SRV 1 2 389 www
note 60 TXT "a \\"quoted\\" text" "two"
""" + "".join(f'many 60 TXT "{number:03} {"x" * 200}"\n' for number in range(20))
FILES = {"zones/corp.zone": ZONE}


@pytest.fixture(scope="module")
def server():
    with Server(WORLD, files=FILES) as server:
        yield server


def test_each_network_sees_its_own(server):
    assert sorted(server.clients) == ["outside", "rg-a/twin", "rg-b/twin", "spoke"]
    for network in ["spoke", "rg-b/twin", "Spoke"]:
        answer = server.ask(network, "www.corp.test.")
        assert (answer.rcode, answer.addresses, answer.ttl) == ("NOERROR", ["10.1.0.80", "10.1.0.9"], 60)
        assert answer.authoritative and answer.name == "www.corp.test"
    for network in ["outside", "rg-a/twin"]:
        assert server.ask(network, "www.corp.test").rcode == "REFUSED"


def test_an_alias_is_a_chain_and_the_ttl_is_the_lowest(server):
    answer = server.ask("spoke", "api.corp.test")
    assert answer.chain == ["www.corp.test"]
    assert [record.ttl for record in answer.answer] == [120, 60, 60]
    assert answer.ttl == 60
    alias = server.ask("spoke", "api.corp.test", "cname")
    assert (alias.chain, alias.records) == ([], ["www.corp.test"])


def test_records_read_as_zone_files_write_them(server):
    assert server.ask("spoke", "mail.corp.test", "MX").records == ["10 www.corp.test"]
    assert server.ask("spoke", "_ldap._tcp.corp.test", "SRV").records == ["1 2 389 www.corp.test"]
    assert server.ask("spoke", "note.corp.test", "TXT").records == ['"a \\"quoted\\" text" "two"']


def test_an_answer_that_is_too_long_for_udp_comes_over_tcp(server):
    assert len(server.ask("spoke", "many.corp.test", "TXT").records) == 20
    assert server.ask("spoke", "www.corp.test", tcp=True).addresses == ["10.1.0.80", "10.1.0.9"]


def test_a_negative_answer_has_the_ttl_of_the_soa_record(server):
    answer = server.ask("spoke", "nowhere.corp.test")
    assert (answer.rcode, answer.records, answer.ttl) == ("NXDOMAIN", [], 10)


def test_a_network_that_there_is_none_of_is_named_with_those_that_there_are(server):
    with pytest.raises(VnetdnsError, match="nowhere.*rg-a/twin, rg-b/twin, spoke"):
        server.ask("nowhere", "www.corp.test")


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", ".".join(["x" * 60] * 5)])
def test_what_is_no_name_is_refused(server, name):
    with pytest.raises(ValueError, match="domain name"):
        server.ask("spoke", name)


def test_an_explanation_is_that_of_the_program(server):
    assert "10.1.0.80" in server.explain("spoke", "www.corp.test")
    assert "REFUSED" in server.explain("outside", "www.corp.test")


def test_another_text_is_served_when_reload_returns_and_a_refused_one_is_not():
    with Server(WORLD, files=FILES) as server:
        server.reload(WORLD.replace('"spoke"', '"renamed"'))
        assert "spoke" not in server.clients
        assert server.ask("renamed", "www.corp.test").addresses == ["10.1.0.80", "10.1.0.9"]
        for _ in range(2):
            with pytest.raises(Refused, match=r"topology\.toml:\d+:\d+: error\[VN\d+\]: .*nowhere[\s\S]*help: "):
                server.reload(WORLD + '[[private_dns_zone]]\nname = "b.test"\nvirtual_network_links = [{ virtual_network = "nowhere" }]\n')
        assert server.ask("renamed", "www.corp.test").addresses == ["10.1.0.80", "10.1.0.9"]
        # What is served is what the files say.
        server.reload()


def test_files_are_served_as_they_are_now(tmp_path):
    config = tmp_path / "world.toml"
    config.write_text(WORLD.replace("zones/", ""))
    (tmp_path / "corp.zone").write_text(ZONE)
    with Server(config) as server:
        (tmp_path / "corp.zone").write_text(ZONE.replace("10.1.0.80", "10.1.0.81"))
        server.reload()
        assert server.ask("spoke", "www.corp.test").addresses == ["10.1.0.81", "10.1.0.9"]
        with pytest.raises(TypeError, match="change the files"):
            server.reload(WORLD)


def test_an_estate_is_served_as_it_is():
    estate = Path(__file__).parents[2] / "tests" / "import" / "state-azurerm4.json"
    if not estate.exists():
        pytest.skip("the estate is part of a checkout, not of the package")
    with Server(estate) as server:
        answer = server.ask("vnet-adatum-hub", "kv-adatum-hub.vault.azure.net")
        assert answer.addresses == ["10.60.1.4"]
        assert answer.chain == ["kv-adatum-hub.privatelink.vaultcore.azure.net"]


def test_what_is_refused_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(Refused, match="topology.toml"):
        Server(WORLD)  # Without its zone file.
    with pytest.raises(FileNotFoundError, match="more than one line"):
        Server("nowhere.toml")
    with pytest.raises(TypeError):
        Server()
    with pytest.raises(ValueError, match="outside"):
        Server(WORLD, files={"../corp.zone": ZONE})
    assert list(tmp_path.iterdir()) == []


def test_it_is_gone_when_it_is_stopped():
    server = Server(lab="default")
    address, process = server.address, server._process
    server.stop()
    server.stop()
    assert process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)


def test_it_ends_with_a_program_that_does_not_stop_it():
    program = "import vnetdns; server = vnetdns.Server(lab='default'); print(server._process.pid, server._folder)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    pid, folder = done.stdout.split(" ", 1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), signal.SIG_DFL)
    assert not os.path.exists(folder.strip())


def test_the_program_is_that_of_the_variable_or_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("VNETDNS_BIN", str(tmp_path))
    with pytest.raises(NotFound, match="VNETDNS_BIN="):
        find_program()
    program = tmp_path / "vnetdns"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.delenv("VNETDNS_BIN")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() == program


def test_answers_suffer_faults_until_these_are_ended():
    with Server(WORLD, files=FILES) as server:
        server.fault("servfail", virtual_networks=["spoke"], domains=["www.corp.test"], times=1)
        assert [server.ask("spoke", "www.corp.test").rcode for _ in range(2)] == ["SERVFAIL", "NOERROR"]
        with server.fault("truncate", "cut", virtual_networks=["spoke"]) as cut:
            # Asked again over TCP, and whole.
            assert server.ask("spoke", "www.corp.test").addresses == ["10.1.0.80", "10.1.0.9"]
            assert server.ask("rg-b/twin", "www.corp.test").rcode == "NOERROR"
            assert cut.struck == 1
            assert "fault cut, on purpose: answers over UDP are truncated" in server.explain("spoke", "www.corp.test")
        assert "fault cut" not in server.explain("spoke", "www.corp.test")
        with pytest.raises(VnetdnsError, match="no effect of a fault"):
            server.fault("vanish")
        with pytest.raises(VnetdnsError, match="there is no fault"):
            cut.end()
