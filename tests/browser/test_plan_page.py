"""The page of a plan in a real browser: what somebody who approves it has to see at a glance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser_pages import NARROW, WIDE, opened

from report_samples import HOSTILE
from standfast.codec import digest
from standfast.model.cluster import Snapshot
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.plan.balance import balance_plan
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec, SimWorld
from standfast.report.html.planpage import plan_html
from standfast.run.observe import observe

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MIB = 2**20


def cluster(hosts: int, vms: int, megabytes: int = 400) -> Snapshot:
    world = SimWorld(SimSpec(hosts=hosts, vms=vms, vm_memory_bytes=megabytes * MIB))
    with world.open(write=False) as state:
        rules = state.rules
    return observe(world.outside, lambda _: rules, scan=True)


def hot(snapshot: Snapshot) -> Snapshot:
    """The first eight VMs on the first host."""
    first = snapshot.hosts[0].id
    return replace(
        snapshot,
        vms=tuple(replace(vm, host=first) if at < 8 else vm for at, vm in enumerate(snapshot.vms)),
    )


def planned(name: str) -> tuple[Plan, Snapshot]:
    if name == "balance":
        there = hot(cluster(4, 12))
        return balance_plan(there, Policy(), now=there.taken_at), there
    hosts, vms, megabytes = {
        "few": (4, 14, 400),
        "refused": (4, 14, 700),
        "some": (20, 90, 400),
        "many": (60, 240, 400),
    }[name]
    there = cluster(hosts, vms, megabytes)
    return make_plan(there, Policy(), now=there.taken_at), there


def page_of(name: str) -> str:
    plan, there = planned(name)
    return plan_html(plan, there, digest(plan))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("name", ["few", "refused", "some", "many", "balance"])
def test_it_fits_any_screen_and_asks_nobody(
    browser: Browser, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    with opened(browser, page_of(name), tmp_path, width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_waves_follow_each_other_from_left_to_right(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, page_of("few"), tmp_path) as page:
        assert page.get_by_role("heading", level=1).inner_text() == "Patch 4 hosts of simulated in 4 waves."
        picture = page.get_by_role("img", name="Timeline of the plan by host")
        bars = picture.locator("rect.bar.ph-rebooting")
        assert bars.count() == 4
        boxes = [bars.nth(place).bounding_box() for place in range(4)]
        lefts = [box["x"] for box in boxes if box]
        assert lefts == sorted(lefts)
        assert picture.locator("rect.soak").count() == 1
        assert picture.locator("line.budget").count() == 4  # the ceiling, once for each host
        assert page.get_by_role("img", name="The fullest host at each moment").count() == 1
        assert "may be applied" in page.locator(".state").first.inner_text()
        assert "no plan for these hosts needs fewer than" in page.inner_text("main")


def test_a_refused_plan_says_so_first(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, page_of("refused"), tmp_path) as page:
        assert page.locator(".state").first.inner_text() == "refused"
        assert "would leave no room for" in page.locator("section.alert").inner_text()
        assert page.get_by_role("heading", level=1).inner_text() == "No host of simulated can be done."


def test_a_balance_shows_how_memory_comes_down_on_the_full_host(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, page_of("balance"), tmp_path) as page:
        assert page.locator("h1").inner_text().startswith("Balance the hosts of simulated with ")
        lane = page.locator("svg.picture").first.locator("rect.share")
        heights = [float(lane.nth(at).get_attribute("height") or 0) for at in range(4)]
        assert heights == sorted(heights, reverse=True)
        assert heights[0] > heights[-1]


def test_hostile_names_are_only_shown(browser: Browser, tmp_path: Path) -> None:
    _, there = planned("few")
    vms = tuple(replace(vm, name=f"{HOSTILE[at % len(HOSTILE)]}{at}") for at, vm in enumerate(there.vms))
    hosts = tuple(
        replace(host, name=f"{HOSTILE[at % len(HOSTILE)]}{at}") for at, host in enumerate(there.hosts)
    )
    there = replace(there, vms=vms, hosts=hosts)
    plan = make_plan(there, Policy(), now=there.taken_at)
    assert plan.moves
    with opened(browser, plan_html(plan, there, digest(plan)), tmp_path) as page:
        assert page.locator("script, iframe, img").count() == 0
