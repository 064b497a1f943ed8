"""Which alerts are about a host: Prometheus matchers with `{host}` and `{address}` to be filled in.

https://prometheus.io/docs/alerting/latest/configuration/#matcher: regular expressions are RE2 and match the
whole value of a label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

OWN_INSTANCE = 'instance=~"{host}(:[0-9]+)?"'
"""The host's own exporters, whatever their port."""

_WRITTEN = re.compile(
    r"\s*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<operator>=~|!~|!=|=)\s*"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^",\s]*))\s*',
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_RE2_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
_PLACES = ("{host}", "{address}")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher as written; `value` may hold `{host}` and `{address}`."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool

    @property
    def is_about_host(self) -> bool:
        """It selects by the host, so that others are left out."""
        return self.is_equal and any(place in self.value for place in _PLACES)

    def of_host(self, host: str, address: str = "") -> Matcher:
        """The matcher with that host filled in."""
        value = self.value
        for place, text in zip(_PLACES, (host, address or host), strict=True):
            value = value.replace(place, re2_quoted(text) if self.is_regex else text)
        return Matcher(self.name, value, self.is_regex, self.is_equal)

    def as_json(self) -> dict[str, object]:
        """As Alertmanager's API v2 has it."""
        return {
            "name": self.name,
            "value": self.value,
            "isRegex": self.is_regex,
            "isEqual": self.is_equal,
        }

    def selects(self, value: str) -> bool:
        """Whether a label of that value is selected. Raises re.error for an expression Python can't read."""
        found = re.fullmatch(self.value, value) is not None if self.is_regex else self.value == value
        return found is self.is_equal


def parse(text: str) -> Matcher:
    """`name="value"`, `name=~"expression"`, `!=` or `!~`. Raises ValueError with a reader's sentence."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no matcher; write it as {OWN_INSTANCE}")
    quoted, bare = match["quoted"], match["bare"]
    value = _ESCAPED.sub(_unescaped, quoted) if quoted is not None else bare
    operator = match["operator"]
    matcher = Matcher(match["name"], value, "~" in operator, "!" not in operator)
    if matcher.is_regex:
        try:
            re.compile(matcher.of_host("h", "a").value)
        except re.error as error:
            raise ValueError(f"{text!r} holds no regular expression: {error}") from error
    return matcher


def _unescaped(match: re.Match[str]) -> str:
    """As in Prometheus: \\n, \\" and \\\\ are escapes; any other backslash belongs to the expression."""
    return {"n": "\n", '"': '"', "\\": "\\"}.get(match[1], match[0])


def re2_quoted(text: str) -> str:
    """The text as an expression that matches it alone (Go's regexp.QuoteMeta)."""
    return _RE2_SPECIAL.sub(r"\\\1", text)


def takes_in(matchers: tuple[Matcher, ...], host: str, others: Mapping[str, str]) -> str:
    """The first other host (name to address) whose alerts these matchers of `host` would select; else empty.

    Label values are tried as exporters have them: bare, and with a port. Labels that do not name the host are
    taken to be the same everywhere.
    """
    naming = [matcher for matcher in matchers if matcher.is_about_host]
    mine = [matcher.of_host(host, others.get(host, "")) for matcher in naming]
    for other, address in others.items():
        if other == host:
            continue
        told = [text for name in {other, address} if name for text in (name, f"{name}:9100")]
        if mine and all(any(matcher.selects(text) for text in told) for matcher in mine):
            return other
    return ""
