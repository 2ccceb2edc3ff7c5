"""The fixture `vnetdns`, and what a failed test shows: why each client got its answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ._server import Server, running

# Most answers of a failed test that are explained.
EXPLAINED = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("vnetdns_topology", "files that the fixture vnetdns serves, relative to this one", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vnetdns(*topology, lab=None, files=None): what the fixture vnetdns serves in this test")


@pytest.fixture(scope="session")
def vnetdns_topology(pytestconfig: pytest.Config) -> object:
    """What the fixture `vnetdns` serves: a text, a file or a list of files. Override it in a module or a conftest.py."""
    return pytestconfig.getini("vnetdns_topology")


@pytest.fixture
def vnetdns(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of its own for each test."""
    marker = request.node.get_closest_marker("vnetdns")
    if marker:
        topology, more = marker.args, marker.kwargs
    else:
        given = request.getfixturevalue("vnetdns_topology")
        topology, more = tuple(given) if isinstance(given, (list, tuple)) else (given,), {}
    if not topology and not more:
        raise pytest.UsageError("say what vnetdns serves: the key vnetdns_topology of the ini-file, a fixture vnetdns_topology, or "
                                "@pytest.mark.vnetdns(…)")
    with Server(*topology, **more) as server:
        yield server


def pytest_runtest_setup() -> None:
    for server in running():
        server.asked.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    for server in running():
        # A question that was asked again is explained once, as it was asked last.
        asked = list({(answer.network, answer.name, answer.type): answer for answer in server.asked}.values())
        for answer in asked[-EXPLAINED:]:
            report.sections.append((f"vnetdns explain: {answer}", server.explain(answer.network, answer.name, answer.type)))
