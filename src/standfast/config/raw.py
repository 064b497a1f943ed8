"""The config as written: pydantic models that refuse unknown keys. Descriptions become the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from pydantic import BeforeValidator, Field, WithJsonSchema, create_model

from standfast.config.raw_outward import RawReceiver, RawSilencer
from standfast.config.strict import Strict
from standfast.model.policy import Policy
from standfast.model.units import parse_rate, parse_size


def _whole(value: object, parse: Callable[[str], int], example: str) -> int:
    """A whole number, or text that `parse` understands; more than nothing."""
    number = parse(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"{value!r} is neither a whole number nor text like {example}")
    if number <= 0:
        raise ValueError(f"{value!r} is nothing; write it as {example}")
    if number >= 2**63:
        raise ValueError(f"{value!r} is more than anything has")
    return number


def _size(value: object) -> int:
    return _whole(value, parse_size, "256GiB")


def _rate(value: object) -> int:
    return _whole(value, parse_rate, "10G")


Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": ["integer", "string"], "examples": ["256GiB"]}),
]
Rate = Annotated[
    int,
    BeforeValidator(_rate),
    WithJsonSchema({"type": ["integer", "string"], "examples": ["10G"]}),
]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class RawHost(Strict):
    """One host. Keys left out are observed or have the product's default."""

    uri: str = Field(
        default="", description="libvirt connection URI; needed unless the platform is simulated"
    )
    ssh: str = Field(
        default="",
        description="`root@host` or `ssh://root@host:port`; taken from the URI where not given",
    )
    migration_address: str = Field(
        default="", description="address on the migration network that others send VMs to"
    )
    memory_bytes: Size | None = Field(
        default=None, description="memory that VMs may use, where the host can't be believed"
    )
    peer_uri: str = Field(
        default="", description="how another host reaches this hypervisor, where not by `uri`"
    )
    fault_domain: str = Field(
        default="", description="name of the rack, room or chassis it shares with others"
    )
    migration_speed: Rate | None = Field(
        default=None, description="speed of the migration network, bits per second"
    )
    moves_out: int | None = Field(
        default=None, ge=1, le=1000, description="live migrations out at once; else as many as fill its link"
    )
    moves_in: int | None = Field(
        default=None, ge=1, le=1000, description="live migrations in at once; else as many as fill its link"
    )


class RawRules(Strict):
    """What must hold in every intermediate state."""

    anti_affinity: dict[str, Annotated[tuple[str, ...], Field(min_length=2)]] = Field(
        default_factory=dict, description="rule name to the VMs that may never share a host"
    )
    pins: dict[str, Names] = Field(default_factory=dict, description="VM to the hosts that it may run on")
    unmovable: dict[str, Literal["skip", "hold", "consent", "force"]] = Field(
        default_factory=dict,
        description="VM to what is done if it can't be moved: its host is skipped, the run holds there, it "
        "is shut down cleanly and started again around the reboot, or so with its power cut if need be",
    )
    memory_ceiling: float = Field(
        default=0.90, gt=0, le=1, description="largest share of a host's memory that VMs may hold"
    )
    reserve_hosts: int = Field(
        default=1,
        ge=0,
        description="hosts that may be lost, those in maintenance apart, with all VMs still fitting",
    )
    priorities: dict[str, Annotated[int, Field(ge=-1000, le=1000)]] = Field(
        default_factory=dict,
        description="VM to its priority in an evacuation; higher goes first; 0 if not given",
    )
    controller: str = Field(
        default="",
        description="the VM that this controller runs in, where its machine's UUID does not tell; it leaves "
        "its host last and is never shut down",
    )


_AT_LEAST_ONE = {"move_attempts", "moves_at_once", "call_attempts", "move_timeout_factor", "wave_hosts_max"}
_AT_MOST = {"balance_aggressiveness": 5}

POLICY_WORDS = {
    "tick_seconds": "how often the cluster is looked at",
    "move_attempts": "how often a VM's move is tried before its host is held",
    "move_backoff_seconds": "waits before the second, third … attempt",
    "move_timeout_floor_seconds": "no move is ended before this, however short it was predicted to be",
    "move_timeout_factor": "a move is ended after its predicted time (p95) times this",
    "wave_hosts_max": "hosts out at once at most; 1: one after another",
    "wave_hosts_fraction": "share of all hosts that may be out at once; two always may, if capacity allows",
    "canary_hosts": "hosts of the first wave; the second is twice as wide at most; 0: full width at once",
    "canary_soak_seconds": "how long the first wave has to stay well before the second begins",
    "failed_hosts_max": "hosts that may be held or failed without the run being held; none in the first wave",
    "moves_at_once": "live migrations over the whole cluster; each host's own limits hold besides",
    "busy_timeout_seconds": "how long a VM that another job holds (a backup, a block copy) is waited for",
    "shutdown_timeout_seconds": "how long a guest that was asked to shut down, with consent, is waited for",
    "auto_converge": "let the hypervisor slow a VM down that writes faster than it can be copied",
    "blackout_budget_seconds": "longest black-out that a move may have",
    "blackout_budget_max_seconds": "what that is raised to, once, for a VM that writes faster than it is "
    "copied and has no budget of its own; 0: not raised",
    "lagging_seconds": "how long a VM that writes faster than it is copied is waited for before what is "
    "allowed is done, and again before the attempt is ended",
    "call_attempts": "how often a call to a host may fail before the host is held",
    "call_backoff_seconds": "wait after the first failed call; the next waits are multiples",
    "stage_timeout_seconds": "longest time to download updates",
    "patch_timeout_seconds": "longest time to install updates",
    "reboot_timeout_seconds": "longest time until a rebooted host answers",
    "reboot_warn_seconds": "a reboot that takes longer is told",
    "silence_required": "no host begins while monitoring can't be silenced or asked; else it is only said",
    "silence_wait_seconds": "how long monitoring that does not answer is waited for before the host is held",
    "alert_wait_seconds": "how long alerts of `hold_on_alerts` may fire before the host that waits is held",
    "verify_timeout_seconds": "longest time until a rebooted host is healthy",
    "verify_stable_seconds": "how long it has to stay healthy before it gets VMs again",
    "clock_skew_seconds": "a host whose clock is off by more than this is not healthy",
    "rebalance_threshold_points": "VMs are spread at the end if memory use differs more (standard deviation, "
    "percent points)",
    "balance_aggressiveness": "how even `standfast balance` wants hosts to be: 1 (only the worst) to 5; 3 is "
    "`rebalance_threshold_points`, each step less doubles it",
    "balance_moves_max": "moves of one `standfast balance` at most; 0: as many as it takes",
    "security_only": "only security updates, and what they need, are installed; only they make a host due",
    "always_reboot": "reboot also a host whose updates do not ask for it",
    "windows": "when hosts may begin: `Fri 22:00-04:00` opens on Fridays and closes on the morning after; "
    "`Mon-Thu …`, `daily …`; a host begins only if its turn (p95) ends before the window closes",
    "windows_timezone": "whose clock on the wall the windows go by",
    "accepted_findings": "codes of `standfast doctor` that are taken as they are: no host is held for them",
}
"""One line for each field of `Policy`, for the schema and the reference."""


def _field(name: str, kind: object, default: Any) -> Any:
    """A key of the policy with its words and, for a number, its lower limit."""
    words = POLICY_WORDS.get(name, "")
    if kind not in (int, float):
        return Field(default=default, description=words)
    if name == "tick_seconds":
        return Field(default=default, gt=0, description=words)
    least = 1 if name in _AT_LEAST_ONE or name in _AT_MOST else 0
    return Field(default=default, ge=least, le=_AT_MOST.get(name), description=words)


def _policy_model() -> type[Strict]:
    """One optional key for each field of `model.policy.Policy`; numbers may not be negative."""
    hints = get_type_hints(Policy)
    keys: dict[str, Any] = {}
    for each in fields(Policy):
        kind = hints[each.name]
        assert each.default is not MISSING, each.name
        if kind == tuple[float, ...]:
            kind = tuple[Annotated[float, Field(ge=0)], ...]
        keys[each.name] = (kind, _field(each.name, hints[each.name], each.default))
    model: type[Strict] = create_model("RawPolicy", __base__=Strict, __doc__=Policy.__doc__, **keys)
    return model


if TYPE_CHECKING:

    class RawPolicy(Strict): ...

else:
    RawPolicy = _policy_model()


class RawSim(Strict):
    """A simulated cluster: for trying out and for tests."""

    world: str = Field(
        description="file that the simulated world lives in, beside the config if not absolute"
    )
    hosts: int = Field(default=4, ge=1, le=5000, description="hosts of a new world")
    vms: int = Field(default=10, ge=0, le=50000, description="VMs of a new world")
    seed: int = Field(default=0, description="the same seed makes the same world")
    boot_seconds: float = Field(default=45.0, gt=0, description="how long its hosts take to boot")
    pace: float | None = Field(
        default=None, gt=0, description="simulated seconds in one real second; left out: as fast as it goes"
    )


class RawCommands(Strict):
    """The operator's own commands about a host: program and arguments, run without a shell on the machine of
    the controller. `{host}` stands for the host's name."""

    console: tuple[str, ...] = Field(
        default=(), description="says on one line what is known of a host that doesn't answer (BMC, console)"
    )
    health: tuple[str, ...] = Field(
        default=(), description="ends with 0 while the host is well (SMART, EDAC); else it is evacuated"
    )
    health_every_seconds: float = Field(default=60.0, ge=1, description="how often `health` is run")
    health_failures: int = Field(
        default=3, ge=1, description="so many bad answers in a row have the host evacuated"
    )
    timeout_seconds: float = Field(default=20.0, gt=0, description="longest time that a command may take")


class RawBalance(Strict):
    """Recommendations of `standfast balance`, made by `serve`. Nothing is moved without `apply`."""

    every_seconds: float = Field(ge=10, description="how often `serve` looks whether moves are worth it")


class RawCluster(Strict):
    """One cluster."""

    platform: Literal["libvirt", "simulated"] = Field(description="what runs the VMs")
    hosts: dict[str, RawHost] = Field(default_factory=dict, description="host name to host")
    ssh_config: str | None = Field(
        default=None, description="file for `ssh -F`, beside the config if not absolute"
    )
    host_kit: bool = Field(
        default=False, description="accounts on hosts are not root: `standfast host kit` was installed there"
    )
    shared_paths: tuple[str, ...] = Field(
        default=(), description="folders whose files are the same on every host"
    )
    probes: dict[str, str] = Field(
        default_factory=dict,
        description="VM name to what is asked of it while it moves: tcp://HOST:PORT, icmp://HOST or "
        "http://HOST:PORT/PATH",
    )
    guest_timeouts: dict[str, Annotated[float, Field(gt=0, le=86400)]] = Field(
        default_factory=dict,
        description="VM name to the seconds of silence after which its own cluster or clients give it up",
    )
    rules: RawRules = Field(
        default_factory=RawRules,
        description="what must always hold",
    )
    silences: tuple[RawSilencer, ...] = Field(
        default=(), description="monitoring that is silenced about a host while it is worked on"
    )
    policy: RawPolicy = Field(default_factory=RawPolicy, description="how careful a run is")
    commands: RawCommands = Field(default_factory=RawCommands, description="your own commands about a host")
    balance: RawBalance | None = Field(default=None, description="have `serve` recommend moves in intervals")
    simulated: RawSim | None = Field(default=None, description="only with `platform: simulated`")


class RawConfig(Strict):
    """A Standfast config."""

    clusters: Annotated[dict[str, RawCluster], Field(min_length=1)] = Field(
        description="cluster name to cluster"
    )
    notify: tuple[RawReceiver, ...] = Field(default=(), description="who is told when somebody is needed")
