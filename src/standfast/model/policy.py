"""How careful a run is: every wait, attempt and limit, settable per cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Defaults of the product; see the reference for where each comes from."""

    tick_seconds: float = 2.0
    move_attempts: int = 3
    move_backoff_seconds: tuple[float, ...] = (30.0, 60.0, 120.0)
    move_timeout_floor_seconds: float = 300.0
    move_timeout_factor: float = 3.0
    wave_hosts_max: int = 8
    """Hosts out at once at most. 1: one after another."""
    wave_hosts_fraction: float = 0.10
    """Share of all hosts that may be out at once; two always may, as far as capacity allows."""
    canary_hosts: int = 1
    """Hosts of the first wave; the second is twice as wide at most. 0: full width at once."""
    canary_soak_seconds: float = 600.0
    """How long the first wave has to stay well before the second begins."""
    failed_hosts_max: int = 0
    """How many hosts may be held or failed without the whole run being held; none in the first wave."""
    moves_at_once: int = 16
    """Over the whole cluster; each host's own limits hold besides: two each of the eight hosts of a full
    wave."""
    busy_timeout_seconds: float = 1800.0
    """How long a VM that another job holds (a backup, a block copy) is waited for during a drain."""
    shutdown_timeout_seconds: float = 600.0
    """How long a guest that was asked to shut down, with consent, is waited for."""
    auto_converge: bool = False
    blackout_budget_seconds: float = 2.0
    blackout_budget_max_seconds: float = 0.0
    """What a budget is raised to for a VM that writes faster than it is copied; 0: it is not raised."""
    lagging_seconds: float = 60.0
    """How long such a VM is waited for, before anything is done and again before it is given up."""
    call_attempts: int = 5
    """How often an outward call may fail before its host is held."""
    call_backoff_seconds: float = 5.0
    stage_timeout_seconds: float = 1800.0
    patch_timeout_seconds: float = 3600.0
    reboot_timeout_seconds: float = 1800.0
    reboot_warn_seconds: float = 900.0
    """A reboot that takes longer is told, and the operator's own command asked about the host."""
    silence_required: bool = True
    """No host begins whose monitoring could not be silenced, or could not be asked for alerts."""
    silence_wait_seconds: float = 60.0
    """How long monitoring that does not answer is waited for before the host is held."""
    alert_wait_seconds: float = 300.0
    """How long alerts named by `hold_on_alerts` may fire before the host that waits for them is held."""
    verify_timeout_seconds: float = 600.0
    verify_stable_seconds: float = 120.0
    clock_skew_seconds: float = 5.0
    rebalance_threshold_points: float = 5.0
    """Spread VMs at the end when the standard deviation of memory use is above this, in percent points."""
    balance_aggressiveness: int = 3
    """How even `balance` wants hosts to be, from 1 (only the worst) to 5; 3 is the threshold above."""
    balance_moves_max: int = 0
    """Moves of one `balance` at most; 0: as many as it takes."""
    security_only: bool = False
    always_reboot: bool = False
    """Reboot also a host whose updates do not ask for it."""
    windows: tuple[str, ...] = ()
    """When hosts may begin, as `model.window` reads it; empty: at any time."""
    windows_timezone: str = "UTC"
    accepted_findings: tuple[str, ...] = ()
    """Codes of the doctor's findings that are taken as they are."""
