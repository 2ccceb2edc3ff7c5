"""The fixture, in runs of pytest within this one, and the examples of the README."""

import re
from pathlib import Path

import pytest

WORLD = '''
[[virtual_network]]
name = "spoke"

[[private_dns_zone]]
name = "corp.test"
virtual_network_links = [{ virtual_network = "spoke" }]
record_set = [{ name = "www", type = "A", ttl = 60, records = ["10.1.0.80"] }]
'''
README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_readme_shows_passes(pytester, example):
    config = Path(__file__).parents[2] / "config"
    if "config/" in example and not config.exists():
        pytest.skip("the lab is part of a checkout, not of the package")
    for folder in [config, config.parent / "zones"]:
        (pytester.path / folder.name).symlink_to(folder)
    pytester.makepyfile(example)
    tests = len(re.findall(r"^def test_", example, re.MULTILINE))
    assert tests > 0
    pytester.runpytest_subprocess().assert_outcomes(passed=tests)


def test_a_failed_test_says_why_each_client_got_its_answer(pytester):
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.vnetdns({WORLD!r})
        def test_fails(vnetdns):
            vnetdns.ask("outside", "www.corp.test")
            assert vnetdns.ask("spoke", "wwww.corp.test").addresses == ["10.1.0.80"]

        @pytest.mark.vnetdns({WORLD!r})
        def test_passes(vnetdns):
            assert vnetdns.ask("spoke", "www.corp.test").addresses == ["10.1.0.80"]
    """)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([
        "*assert [[]] == [[]'10.1.0.80']*",
        "*vnetdns explain: outside asked www.corp.test A: REFUSED*",
        "*REFUSED*",
        "*vnetdns explain: spoke asked wwww.corp.test A: NXDOMAIN*",
        "*the name does not exist*",
    ])


def test_the_ini_file_names_what_is_served(pytester):
    pytester.makefile(".toml", world=WORLD)
    pytester.makeini("[pytest]\nvnetdns_topology = world.toml\n")
    folder = pytester.mkpydir("below")
    (folder / "test_below.py").write_text("def test_it(vnetdns):\n    assert vnetdns.ask('spoke', 'www.corp.test').addresses\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_fixture_without_a_topology_says_what_to_write(pytester):
    pytester.makepyfile("def test_it(vnetdns):\n    pass\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*say what vnetdns serves: the key vnetdns_topology*"])


def test_a_refused_topology_is_an_error_with_its_place(pytester):
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.vnetdns({WORLD.replace("10.1.0.80", "10.1.0")!r})
        def test_it(vnetdns):
            pass
    """)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*topology.toml:*: error[[]VN*]: *10.1.0*"])
