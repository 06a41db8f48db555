"""The composition root: configuration -> adapters -> supervisor tree. The only file that imports adapters."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import random
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from holdfast import config
from holdfast.demo import Demo
from holdfast.errors import HoldfastError, Temporary
from holdfast.failpoints import failpoint
from holdfast.invoked import command
from holdfast.logs import Log, to_stderr
from holdfast.models import open_model
from holdfast.platforms import open_account
from holdfast.ports import Hook, Model, Platform, RawFailure
from holdfast.reload import Reload
from holdfast.runtime.accounts import Accounts
from holdfast.runtime.acts import Acts
from holdfast.runtime.backups import Backups
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.dispatch import Dispatch
from holdfast.runtime.follow import Followers
from holdfast.runtime.gateway import LocalGateway
from holdfast.runtime.gauges import Gauges
from holdfast.runtime.lifetime import Lifetime, SafeMode
from holdfast.runtime.owner import Owner
from holdfast.runtime.persons import Persons
from holdfast.runtime.service_manager import ServiceManager
from holdfast.runtime.speech import Speech, gate_of
from holdfast.runtime.supervisor import Run, Supervisor
from holdfast.runtime.updates import Updates
from holdfast.runtime.upkeep import Upkeep
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.secrets import mask
from holdfast.store.disk import doubts
from holdfast.store.files import FolderFiles
from holdfast.store.folder import FREE_BYTES_LEAST
from holdfast.store.keeper import LocalKeeper
from holdfast.store.sqlite import SqliteJournal
from holdfast.tools.builtin import BuiltIn
from holdfast.tools.mcp import McpHost
from holdfast.tools.together import Together
from holdfast.watching import Watching
from holdfast.web import door
from holdfast.web.hooks import hooks
from holdfast.web.login import Login, page_address
from holdfast.web.platform import WebPlatform
from holdfast.web.server import serve_door, serve_hooks, serve_page
from holdfast.web.wire import door_path
from holdfast.wiring import agent_of, classifier, endpoint, local_time_of, place_of, rules_of, tool_server

STOP_S_MAX: Final = 5.0
"""How long sends in flight may take when the gateway stops."""

SAFE_MODE: Final = "HOLDFAST_SAFE_MODE"
"""An environment variable: with "never" no number of short lives leads to safe mode. For whoever kills it for a purpose."""

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CLASSIFIER: Final = "holdfast.models.classify"
DISOWN_BATCH: Final = 200
HOUR_S: Final = 3_600.0

log = logging.getLogger("holdfast")


def run(config_path: Path | None) -> int:
    """Run the gateway until it is told to stop. Returns the exit code; raises `HoldfastError` for what a person has to mend."""
    settings = config.load(config_path, os.environ).start(os.environ)
    with to_stderr(settings.log.level, settings.log.format, settings.known_secrets, os.environ) as written:
        for warning in settings.warnings:
            log.warning(warning)
        journal = SqliteJournal.open(settings.data_dir)
        for doubt in doubts(settings.data_dir):
            log.warning(doubt)
        try:
            again = asyncio.run(_serve(settings, journal, config_path, written))
        except* HoldfastError as failures:
            raise _first(failures) from None
    if again:
        _start_again()
    return 0


def _first(group: BaseExceptionGroup[HoldfastError]) -> HoldfastError:
    """What went wrong, out of the groups in which the tasks passed it up."""
    failure: BaseException = group
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    assert isinstance(failure, HoldfastError)
    return failure


async def _serve(settings: config.Config, journal: SqliteJournal, config_path: Path | None, written: Log) -> bool:
    """Until it is told to stop. True if it is to start again."""
    stopping, hung_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    reload = Reload(settings, config_path, os.environ, stopping)
    gateway = await _Gateway.build(settings, journal, reload, written)
    try:
        await gateway.lifetime.begin()
        async with asyncio.TaskGroup() as tasks:
            door_open = asyncio.Event()
            parts = [tasks.create_task(_raise_when_failed(journal)), tasks.create_task(gateway.serve_door(door_open.set))]
            await door_open.wait()
            failpoint("start.before_ready")
            gateway.manager.ready(gateway.lifetime.status)
            _say_ready(settings, config_path, gateway.lifetime.safe_mode)
            parts += [tasks.create_task(gateway.work()), tasks.create_task(_reload(hung_up, reload))]
            await stopping.wait()
            failpoint("stop")
            log.info("stopping")
            if reload.wanted:
                gateway.manager.reloading()
            else:
                gateway.manager.stopping()
            await gateway.dispatch.stop(STOP_S_MAX)
            for task in parts:
                task.cancel()
        await gateway.lifetime.end()
    finally:
        await gateway.close()
        await journal.close()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # nobody handles them any more: they wait for the next life
    return reload.wanted


async def _reload(hung_up: asyncio.Event, reload: Reload) -> None:
    """Whenever SIGHUP comes."""
    while True:
        await hung_up.wait()
        hung_up.clear()
        await reload.on_signal()


def _start_again() -> NoReturn:
    """In place: the same process, so that a service manager sees no end. Raises `Temporary` if the program can't be started."""
    try:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - ourselves
    except OSError as error:
        raise Temporary(f"The gateway can't start again in place: {error.strerror}. Start it again yourself.") from error


async def _raise_when_failed(journal: SqliteJournal) -> None:
    raise await journal.wait_failed()


class _Gateway:
    """All parts, wired."""

    def __init__(  # noqa: PLR0913, PLR0917 - all parts
        self,
        settings: config.Config,
        journal: SqliteJournal,
        files: FolderFiles,
        weather: Weather,
        models: Mapping[str, Model],
        tools: McpHost,
        platforms: Mapping[str, Platform],
        demo: Demo | None,
        reload: Reload,
        watching: Watching,
        written: Log,
    ) -> None:
        clock = SystemClock()
        self._settings, self._journal, self._models, self._tools, self._clock = settings, journal, models, tools, clock
        self._demo = demo
        self._platform = WebPlatform(files)
        self._login = Login(settings.data_dir, clock)
        self.manager = ServiceManager(os.environ)
        self.lifetime = Lifetime(journal, clock, self.manager, rests=os.environ.get(SAFE_MODE) != "never")
        self._supervisor = Supervisor(clock, random.random)
        followers = Followers(journal, weather.known)
        weather.listeners.append(followers.all_changed)
        rules = {name: rules_of(account) for name, account in settings.accounts.items()}
        agent = agent_of(settings, models, rules, classifier(clock))
        secrets, local = settings.known_secrets, local_time_of(settings)
        host = Together(BuiltIn(journal, files, clock, local), tools) if settings.agent.built_in_tools else tools
        self._platforms: dict[str, Platform] = {self._platform.account: self._platform, **platforms}
        self._hooks = {name: platform for name, platform in platforms.items() if isinstance(platform, Hook) and platform.is_called}
        self._persons = Persons(rules, clock.now, local.day_began)
        speech = Speech(self._platforms, weather, clock)
        acts = Acts(
            agent,
            weather,
            speech,
            host,
            clock,
            followers.changed,
            files=files,
            persons=self._persons,
            mask=lambda text: mask(text, secrets),
        )
        owner, hands = uuid.uuid4().hex, watching.hands(acts, host.tools)
        self.dispatch = Dispatch(owner, tuple(self._platforms), journal, clock, weather, hands, followers.changed, local=local)
        self._gateway = LocalGateway(
            version,
            journal,
            files,
            followers,
            self.dispatch.arrived,
            weather,
            host,
            self._supervisor,
            clock,
            acts,
            local.day_began,
            self.lifetime,
            reload,
        )

        def forgotten(conversation: str) -> None:
            self.dispatch.arrived(conversation)
            followers.changed(conversation)

        folder = Path(settings.backup.dir) if settings.backup.dir else None
        self._keeper = LocalKeeper(settings.data_dir, journal, clock, version, folder, self.dispatch.end, forgotten)

        def may_do_more() -> None:
            self.dispatch.look_again()
            followers.all_changed()

        self.dispatch.places, self.lifetime.changed = (lambda: self.lifetime.places), may_do_more
        told = Owner(tuple(place_of(name) for name in settings.owner.notify), self._gateway.accept, clock)
        weather.closed, acts.cut_short = told.closed, told.cut_short
        if folder is not None:
            self._gateway.backups = Backups(
                folder, settings.backup.every_h * HOUR_S, settings.backup.keep, self._keeper.back_up, told, clock
            )
        url = settings.updates.url
        self._updates = Updates(url, version, told, clock) if url else None
        self._upkeep = Upkeep(journal, told, clock, FREE_BYTES_LEAST, settings.retention.attachments_days, self._keeper.drop_files)
        self._accounts = Accounts(platforms, rules, self._persons, journal, self._gateway.accept, weather, told, clock)
        self._accounts.rights_changed, self._gateway.accounts = self.dispatch.look_again, self._accounts
        speech.stopped, speech.moved, speech.blocked = self._accounts.stopped, self._accounts.moved, self._accounts.blocked
        journal.committed, self._gateway.received = watching.numbers.committed, watching.numbers.received.add
        gauges = Gauges(
            watching.numbers,
            journal,
            weather,
            host,
            self._supervisor,
            self.lifetime,
            clock,
            lambda: (written.lines, written.lost),
            tuple(self._platforms),
        )
        self._door = door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR"))
        self._watching = watching.children(gauges, self.lifetime, self._door)
        self._price, self._day_began = (lambda route: acts.routes[route].price if route in acts.routes else (0.0, 0.0)), local.day_began

    @classmethod
    async def build(cls, settings: config.Config, journal: SqliteJournal, reload: Reload, written: Log) -> _Gateway:
        clock = SystemClock()
        watching = Watching(settings, clock, version)
        gates = [GateSettings(f"route:{name}", route.fingerprint, route.places) for name, route in settings.routes.items()]
        files = FolderFiles(settings.data_dir / "files")
        files.sweep()
        platforms = {
            name: open_account(name, account, files, clock, settings.data_dir / "platforms") for name, account in settings.accounts.items()
        }
        gates += [
            GateSettings(gate_of(name), account.fingerprint, platforms[name].traits.sends_at_once_max)
            for name, account in settings.accounts.items()
        ]
        weather = Weather(journal, clock, random.random, gates, await journal.gates())
        models = {name: open_model(route.dialect, endpoint(name, route), files) for name, route in settings.routes.items()}
        servers = [tool_server(name, server) for name, server in settings.tools.items()]
        kept = {tool_list.server: tool_list for tool_list in await journal.tool_lists()} if servers else {}
        tools = McpHost(servers, journal.put_tool_list, kept, clock)
        demo = Demo.of(os.environ, tools.servers, clock)
        if demo is not None:
            models = {name: demo.lent(model) for name, model in models.items()}
        models = {name: watching.model(name, model, _classed(settings, name, weather, clock)) for name, model in models.items()}
        gateway = cls(settings, journal, files, weather, models, tools, platforms, demo, reload, watching, written)
        gateway._persons.know(await journal.people())
        return gateway

    async def serve_door(self, opened: Callable[[], None]) -> None:
        await serve_door(door.door(self._gateway, self._platform, self._login, self._clock, self._demo, self._keeper), self._door, opened)

    async def work(self) -> None:
        """Everything that nobody waits for at the start, side by side."""
        children: dict[str, Run] = {f"tools:{name}": self.lifetime.after_rest(child) for name, child in self._tools.children().items()}
        children |= {**self._accounts.children(), **self._watching}
        children["page"] = self._serve_page
        children["upkeep"] = self._upkeep.run
        if self._gateway.backups is not None:
            children["backup"] = self._gateway.backups.run
        if self._updates is not None:
            children["updates"] = self._updates.run
        if self._hooks:
            children["webhooks"] = self._serve_hooks
        async with asyncio.TaskGroup() as tasks:
            for name in self._settings.used_routes:
                tasks.create_task(self._models[name].warm())
            tasks.create_task(asyncio.to_thread(importlib.import_module, CLASSIFIER))  # at the first failure it would block the loop
            tasks.create_task(self._disown())
            tasks.create_task(self._keeper.finish())
            tasks.create_task(self.lifetime.run())
            tasks.create_task(self._work_off())
            tasks.create_task(self._supervisor.run(children))

    async def _serve_page(self, ready: Callable[[], None]) -> None:
        web = self._settings.web

        def opened(at: int) -> None:
            self._login.address = page_address(web, at)
            if "JOURNAL_STREAM" not in os.environ:  # others may read a machine's journal
                _say(f"Talk in the browser:    {self._login.link().link} (works once, for ten minutes)")
            ready()

        await serve_page(door.port(self._gateway, self._platform, self._login, self._clock, web, self._demo), web, opened)

    async def _serve_hooks(self, ready: Callable[[], None]) -> None:
        """Where platforms call us: nothing but that."""

        def opened(at: int) -> None:
            log.info("platforms that call find us at http://%s:%d/hooks/KIND/ACCOUNT", self._settings.webhooks.host, at)
            ready()

        await serve_hooks(hooks(self._hooks), self._settings.webhooks, opened)

    async def _work_off(self) -> None:
        """The conversations' turns; before anybody is judged by it, what everybody has used today."""
        self._persons.remember(await self._journal.used(self._day_began(self._clock.now())), self._price)
        await self.dispatch.run()

    async def _disown(self) -> None:
        """What a process that is gone had claimed is due again, in batches, beside the first messages."""
        while await self._journal.disown(self._clock.now(), DISOWN_BATCH):
            self.dispatch.weather_changed()

    async def close(self) -> None:
        for platform in self._platforms.values():
            await platform.close()
        for model in self._models.values():
            await model.close()


def _classed(settings: config.Config, route: str, weather: Weather, clock: SystemClock) -> Callable[[RawFailure], str]:
    """Of what class a failure of this route is."""
    classify, dialect, gate = classifier(clock), settings.routes[route].dialect, f"route:{route}"
    return lambda failure: classify(failure, dialect, weather.row(gate).last_ok > 0).kind


def version() -> str:
    """Of this program."""
    from importlib import metadata  # noqa: PLC0415 - costs more than the rest of the start

    return metadata.version("holdfast")


def _say_ready(settings: config.Config, config_path: Path | None, safe_mode: SafeMode | None) -> None:
    routes = ", ".join(f"{name} ({settings.routes[name].model or settings.routes[name].dialect})" for name in settings.chain)
    _say(f"Holdfast is ready. Model: {routes}." if safe_mode is None else f"Holdfast is ready, in safe mode. {safe_mode.why}")
    if safe_mode is not None:
        _say(f"Try to end it:          {command('safe-mode', config_path)}")
    if all(settings.routes[name].dialect == "practice" for name in settings.chain):
        _say(f"Find your own model:    {command('init', config_path)}")
    _say(f"Talk in the terminal:   {command('chat', config_path)}")
    _say(f"Log another browser in: {command('login', config_path)}")


def _say(text: str) -> None:
    """To the person who started the gateway."""
    with contextlib.suppress(OSError):  # nobody reads it: no reason to end
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
