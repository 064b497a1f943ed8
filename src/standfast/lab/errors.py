"""The one error of this room: a sentence that says what failed, where, why, and what to do now."""

from __future__ import annotations


class LabError(Exception):
    """Building, finding or removing the lab failed; ``str()`` is a sentence for the operator."""

    exit_code = 1


class LabRefusedError(LabError):
    """A precondition does not hold (not root, not Debian, the lab exists); nothing was changed."""

    exit_code = 5


class LabUsageError(LabError):
    """What was asked for makes no sense as written: a name, a size, a number; nothing was changed."""

    exit_code = 2
