"""VMs that can't be moved: what is said of them on the command line, and telling what a plan makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from standfast.config import RulesConfig
    from standfast.model.cluster import Snapshot
    from standfast.model.ids import VmId
    from standfast.model.plan import HostStep, Plan
    from standfast.model.unmovable import Handling, PlannedStop, Said

OPTION = "--unmovable"


def options(words: Sequence[str]) -> dict[str, Handling]:
    """`VM=WORD` as given to the option, by VM name. Raises UsageError."""
    from standfast.model.unmovable import Handling

    found: dict[str, Handling] = {}
    for word in words:
        name, equals, handling = word.rpartition("=")
        if not equals or not name or handling not in set(Handling):
            raise UsageError(
                "unmovable_word",
                f"{OPTION} {word!r} does not say which VM and what to do",
                do=f"Write it as VM=WORD with one of {', '.join(Handling)}.",
            )
        if found.get(name, Handling(handling)) is not Handling(handling):
            raise UsageError("unmovable_twice", f"{OPTION} says two things of {name!r}", do="Say one.")
        found[name] = Handling(handling)
    return found


def said(
    rules: RulesConfig | None, given: Mapping[str, Handling], snapshot: Snapshot, *, by: str
) -> Mapping[VmId, Said]:
    """What the config and then the options say, by VM id. Raises ConfigError for an unknown name."""
    from standfast.config.rules import said_in
    from standfast.config.types import RulesConfig

    found = said_in(rules, snapshot, by=by) if rules is not None else {}
    if given:
        asked = RulesConfig(unmovable=given, origins={f"unmovable.{name}": OPTION for name in given})
        found |= said_in(asked, snapshot, by=by, strict=True)
    return found


def not_needed(made: Plan, said: Mapping[VmId, Said], snapshot: Snapshot) -> list[str]:
    """Options that the plan has no use for, one sentence each: a typing mistake, or good news."""
    used = {stop.vm for step in made.steps for stop in step.stops}
    used |= {alone.reason.vm for alone in made.left_alone if alone.reason is not None and alone.reason.vm}
    names = {vm.id: vm.name for vm in snapshot.vms}
    return [
        f"{OPTION} {names[vm]}={each.handling} is not needed: it can be moved, or its host is left alone."
        for vm, each in said.items()
        if each.where == OPTION and vm not in used
    ]


def lines(step: HostStep) -> list[str]:
    """What a host's turn means for the VMs that stay on it, aloud."""
    return [_line(step, stop) for stop in step.stops]


def _line(step: HostStep, stop: PlannedStop) -> str:
    from standfast.model.units import span
    from standfast.model.unmovable import Handling

    who = f"{stop.said.by}, {stop.said.where}"
    if not stop.said.handling.consents:
        return (
            f"   HOLD before {step.name} is touched, because of {stop.vm_name} ({who}): {stop.why.sentence}"
        )
    times = f"off for about {span(stop.off_seconds)}, 95 times in 100 below {span(stop.off_p95_seconds)}"
    cut = (
        "its power is cut if it does not heed that"
        if stop.said.handling is Handling.FORCE
        else "never forced"
    )
    return (
        f"   SHUT DOWN {stop.vm_name}, then start it again on {step.name}: {times}; {cut}. "
        f"Consent: {who}. {stop.why.sentence}"
    )


def question(plan: Plan) -> str:
    """What the question says of shutdowns; empty where the plan has none."""
    from standfast.model.units import span

    stops = [stop for step in plan.steps for stop in step.stops if stop.said.handling.consents]
    if not stops:
        return ""
    each = ", ".join(f"{stop.vm_name} (about {span(stop.off_seconds)})" for stop in stops)
    return f", and shut down {each}, to be started again"


def consented(plan: Plan, names: Sequence[str], *, by: str, at: float) -> Plan:
    """The plan with consent for VMs for which it would hold. Raises UsageError for any other name."""
    from standfast.model.unmovable import Handling
    from standfast.plan.unmovable import with_spans

    held = {stop.vm_name for step in plan.steps for stop in step.stops if not stop.said.handling.consents}
    for name in names:
        if name not in held:
            raise UsageError(
                "consent_not_asked",
                f"the plan does not hold for a VM {name!r}",
                why=f"it holds for {', '.join(sorted(held))}" if held else "it holds for none",
                do=f"Say it when planning: standfast plan {OPTION} {name}=consent.",
            )

    def agreed(stop: PlannedStop) -> PlannedStop:
        if stop.vm_name not in names:
            return stop
        said = replace(stop.said, handling=Handling.CONSENT, by=by, at=at, where="apply --consent")
        return replace(stop, said=said)

    def step_of(step: HostStep) -> HostStep:
        if not any(stop.vm_name in names for stop in step.stops):
            return step
        return with_spans(replace(step, stops=tuple(agreed(stop) for stop in step.stops)))

    waves = tuple(replace(wave, hosts=tuple(map(step_of, wave.hosts))) for wave in plan.waves)
    return replace(plan, waves=waves)
