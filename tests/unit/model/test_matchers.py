"""Matchers as Prometheus writes them, with the host filled in so that it means that host alone."""

from __future__ import annotations

import pytest

from standfast.model.matchers import OWN_INSTANCE, Matcher, parse, takes_in


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        ('instance="h1"', Matcher("instance", "h1", False, True)),
        ("instance=h1:9100", Matcher("instance", "h1:9100", False, True)),
        (' job != "x y" ', Matcher("job", "x y", False, False)),
        (r'node=~"h\d+\\.lan"', Matcher("node", r"h\d+\.lan", True, True)),
        (r'node!~"a\"b"', Matcher("node", 'a"b', True, False)),
    ],
)
def test_is_read_as_prometheus_reads_it(text: str, matcher: Matcher) -> None:
    assert parse(text) == matcher


@pytest.mark.parametrize("text", ["", "instance", 'instance=="x"', 'a-b="x"', 'a="x', 'a="x",b="y"', "a=x y"])
def test_what_is_no_matcher_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no matcher; write it as instance=~"):
        parse(text)


def test_a_broken_expression_is_said() -> None:
    with pytest.raises(ValueError, match="holds no regular expression"):
        parse('instance=~"({host}"')


def test_a_hosts_name_means_itself_in_an_expression() -> None:
    regex = parse(OWN_INSTANCE).of_host("kvm1.lan")
    assert regex.value == r"kvm1\.lan(:[0-9]+)?"
    assert regex.selects("kvm1.lan:9100")
    assert not regex.selects("kvm1xlan:9100")
    assert parse('instance="{host}:9100"').of_host("kvm1.lan").value == "kvm1.lan:9100"
    assert parse('instance="{address}:9100"').of_host("kvm1", "10.0.0.1").value == "10.0.0.1:9100"


HOSTS = {"h1": "10.0.0.1", "h2": "10.0.0.2", "h10": "10.0.0.10"}


@pytest.mark.parametrize(
    ("written", "host", "taken"),
    [
        ([OWN_INSTANCE], "h1", ""),
        (['instance=~"{host}.*"'], "h1", "h10"),
        (['instance=~"{host}.*"'], "h2", ""),
        (['instance=~"{host}.*"', 'node="{host}"'], "h1", ""),
        (['instance=~"{address}.*"'], "h1", "h10"),
        (['job="node"', 'instance="{host}:9100"'], "h1", ""),
        (['instance=~"{host}|.+"'], "h2", "h1"),
    ],
)
def test_matchers_that_take_in_another_host_are_found_out(written: list[str], host: str, taken: str) -> None:
    assert takes_in(tuple(map(parse, written)), host, HOSTS) == taken
