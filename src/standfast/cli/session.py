"""What every verb shares: the global options, and what they lead to, made when first needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from standfast.config import ClusterConfig, Config
    from standfast.model.ids import HostId, RunId
    from standfast.model.run import Run
    from standfast.ports import Outside
    from standfast.store import Store

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass
class Session:
    """One call of the command line."""

    config_given: Path | None = None
    state_given: Path | None = None
    json: bool = False
    verbose: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def config_path(self) -> Path:
        from standfast.config.paths import config_path

        return config_path(self.config_given, self.env, root=os.geteuid() == 0)

    @property
    def state_dir(self) -> Path:
        from standfast.config.paths import state_dir

        return state_dir(self.state_given, self.env, root=os.geteuid() == 0)

    @property
    def store_path(self) -> Path:
        return self.state_dir / "standfast.db"

    @cached_property
    def config(self) -> Config:
        """The config. Raises ConfigError."""
        from standfast.config.load import load

        return load(self.config_path)

    def cluster(self, name: str | None) -> ClusterConfig:
        """The cluster of that name, or the only one. Raises ConfigError."""
        return self.config.cluster(name)

    @property
    def recorded(self) -> bool:
        """Whether there is a store, or may be one that can't be looked at. None is made for a look.

        Raises UsageError for a place that can be none: "no runs yet" would be a lie about it.
        """
        from standfast.model.errors import UsageError

        try:
            self.store_path.lstat()
        except FileNotFoundError:
            return False
        except NotADirectoryError as error:
            raise UsageError(
                "state_dir_unusable",
                "this can be no state directory: a file is in its place",
                where=str(self.state_dir),
                do="Name another with --state-dir.",
            ) from error
        except OSError:
            pass
        return True

    def find_run(self, prefix: str) -> RunId:
        """The one run whose id begins so; `last` is the newest. Raises RefusedError, UsageError."""
        if not self.recorded:
            from standfast.model.errors import RefusedError

            raise RefusedError(
                "run_unknown",
                "there are no runs yet",
                where=str(self.state_dir),
                do="`standfast plan`, then `standfast apply PLAN` begins one; --state-dir names "
                "another place.",
            )
        return self.store.find_run(prefix)

    def check_cluster(self, name: str | None) -> None:
        """Raises ConfigError for a cluster that neither the config nor any run on record knows."""
        if name is not None and not (self.recorded and self.store.runs(name)):
            self.cluster(name)

    @cached_property
    def store(self) -> Store:
        """The store, made where there is none yet. Raises StandfastError."""
        from standfast.store import Store

        make_state_dir(self.state_dir)
        store = Store.open(self.store_path)
        click.get_current_context().find_root().call_on_close(store.close)
        return store

    def known_ids(self, cluster: str) -> dict[str, HostId]:
        """Host ids by name as the cluster's active run has them: a host that is down can't say its own.

        Older runs are not asked: a host that was replaced since would be taken for an impostor for ever.
        """
        if not self.store_path.exists():
            return {}
        runs = (self.store.run(run) for run in self.store.active_runs())
        return next((hosts_of(run) for run in runs if run.cluster == cluster), {})

    def outside(self, cluster: ClusterConfig) -> Outside:
        """The cluster's outside world, closed when the verb ends."""
        from standfast.wiring import outside_for

        outside = outside_for(cluster, self.state_dir, self.known_ids(cluster.name), patient=True)
        click.get_current_context().find_root().call_on_close(outside.platform.close)
        return outside

    def actor(self) -> str:
        """Who says it, for the record: the user, also behind sudo."""
        import getpass

        user = self.env.get("SUDO_USER")
        try:
            return user or getpass.getuser()
        except (OSError, KeyError):
            return f"uid {os.geteuid()}"

    def now(self) -> float:
        return time.time()


def hosts_of(run: Run) -> dict[str, HostId]:
    """Ids by name of all hosts that the run knows, those it leaves alone included."""
    return {alone.name: alone.host for alone in run.plan.left_alone} | {
        row.name: row.host for row in run.hosts
    }


def make_state_dir(path: Path) -> None:
    """Make it for the owner alone. Raises UsageError."""
    from standfast.model.errors import UsageError

    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "state_dir_unusable",
            "can't make the state directory",
            where=str(path),
            why=error.strerror or str(error),
            do="Name another with --state-dir.",
        ) from error


class GivenPath(click.Path):
    """A path that is not empty, as one from a variable that is not set would be: nobody means `.` by that."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(context: click.Context, _: click.Parameter, value: Any) -> Any:
        if value:
            setattr(context.ensure_object(Session), name, value)
        return value

    return callback


def global_options(*, hidden: bool = True) -> Callable[[Decorated], Decorated]:
    """The four options that stand before the verb, and behind it as well."""
    kind = GivenPath(path_type=Path)
    options = [
        click.option(
            "-c",
            "--config",
            type=kind,
            metavar="FILE",
            expose_value=False,
            hidden=hidden,
            callback=_set("config_given"),
            help="Config to read; else STANDFAST_CONFIG, else the user's or the system's.",
        ),
        click.option(
            "--state-dir",
            type=kind,
            metavar="DIR",
            expose_value=False,
            hidden=hidden,
            callback=_set("state_given"),
            help="Where runs are kept; else STANDFAST_STATE_DIR, else the user's or the system's.",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            hidden=hidden,
            callback=_set("json"),
            help="Print one JSON object at exit, errors too.",
        ),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            hidden=hidden,
            callback=_set("verbose"),
            help="Say more on stderr, with a traceback where the program itself fails.",
        ),
    ]

    def decorate(function: Decorated) -> Decorated:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def verb(**settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A command that gets the `Session` first and takes the global options as well."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        command: click.Command = click.command(**settings)(global_options()(click.pass_obj(function)))
        return command

    return decorate
