"""A file as text with its encoding found out, or a sentence on why not."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from standfast.eventlogs.seen import Trouble

MOST_BYTES = 512 * 1024**2
EVTX_MAGIC = b"ElfFile\x00"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Log:
    """A log's name, as it is told in sentences, and its text."""

    name: str
    text: str

    def at(self, offset: int) -> str:
        """file:line of a place in the text."""
        return f"{self.name}:{self.text.count(chr(10), 0, max(0, offset)) + 1}"

    def line(self, number: int) -> str:
        return f"{self.name}:{number}"

    @property
    def stem(self) -> str:
        return Path(self.name).name.split(".")[0] or self.name


def raw_bytes(path: Path) -> bytes | Trouble:
    """The file's bytes."""
    name = str(path)
    try:
        if path.is_dir():
            return Trouble(name, "is a directory; name the files in it.")
        if path.stat().st_size > MOST_BYTES:
            return Trouble(name, "is larger than 512 MiB; filter the events on export.")
        return path.read_bytes()
    except OSError as error:
        return Trouble(name, f"can't be read: {error.strerror or error}.")


def text_of(name: str, data: bytes) -> Log | Trouble:
    """The text in UTF-8, UTF-16 or UTF-32: what Linux and Windows tools write."""
    if not data.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        return Trouble(f"{name}:1", "is empty.")
    encoding = next((found for mark, found in _MARKS if data.startswith(mark)), "")
    if not encoding:
        # PowerShell can write UTF-16 without a mark: every other byte of English text is then zero.
        even, odd = data[:200:2].count(0), data[1:200:2].count(0)
        encoding = "utf-16-le" if odd > 50 > even else "utf-16-be" if even > 50 > odd else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x}" if error.start < len(data) else "its end"
        kind = encoding.upper().removesuffix("-SIG")
        return Trouble(f"{name}:{line}", f"{what} is not {kind}; save it as UTF-8 or UTF-16.")
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        return Trouble(f"{name}:{line}", "holds binary data, no log.")
    return Log(name, text.replace("\r\n", "\n").replace("\r", "\n"))
