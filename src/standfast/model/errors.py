"""What goes wrong, typed inside and one shape outside.

    StandfastError
    ├── UsageError          2   what was asked for makes no sense as written
    │   ├── ConfigError         the inventory or policy file, with file and line
    │   └── FileFormatError     a snapshot, plan or store that is not what it says it is
    ├── RefusedError        5   a lock, drift or a precondition: nothing was changed
    │   ├── DriftError          the plan no longer matches the cluster
    │   └── LeaseLostError      another controller acts; this one must stop
    ├── AuthError           6   keys, host keys, rights
    └── OutsideError        1   a machine or a service did not do what it was asked
        ├── UnreachableError    no connection within its time
        └── WorkRefusedError    the host's own guard said no

Exit codes follow the table in the reference of the command line.
"""

from __future__ import annotations

from typing import Any, ClassVar


class StandfastError(Exception):
    """One failure told as a sentence: what, where, why, what to do now.

    `code` is stable and machine readable; `what` is a clause without a full stop; `where` names host, VM or
    file:line; `why` is the cause as far as it is known; `do` is what the operator can do now.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, what: str, *, where: str = "", why: str = "", do: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.why = why
        self.do = do

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        text = f"{head}: {self.why}" if self.why else head
        if not text.endswith((".", "!", "?")):
            text += "."
        return f"{text} {self.do}" if self.do else text

    def as_dict(self) -> dict[str, Any]:
        """The one shape in which `--json` and the API show a failure."""
        return {
            "error": {
                "code": self.code,
                "what": self.what,
                "where": self.where,
                "why": self.why,
                "do": self.do,
                "exit_code": self.exit_code,
            }
        }


class UsageError(StandfastError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class FileFormatError(UsageError):
    pass


class RefusedError(StandfastError):
    exit_code = 5


class DriftError(RefusedError):
    pass


class LeaseLostError(RefusedError):
    pass


class AuthError(StandfastError):
    exit_code = 6


class OutsideError(StandfastError):
    exit_code = 1


class UnreachableError(OutsideError):
    pass


class WorkRefusedError(OutsideError):
    pass
