"""Composes a test's setup: cluster, authorities, gateway, controllers, boards, and recorder."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.boards.board import Board, BoardEnvironment, Credentials
from harness.boards.link_tap import BoardTap
from harness.clusters.cluster import Cluster
from harness.clusters.mapped import MappedApi, MappedGate
from harness.core.descriptors import limit, raise_limit
from harness.core.errors import HarnessError, RigError, UsageError, reason
from harness.core.history import MOST_EVENTS
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint
from harness.core.redaction import Redaction
from harness.faults import Injector, Schedule, read_schedule
from harness.faults.fault import RELAY
from harness.faults.schedule import Entry
from harness.stack.api_faults import ApiFaults
from harness.stack.api_server import ApiServerControl
from harness.stack.applications import ApplicationHandle, targets
from harness.stack.backends import lacking, make_cluster
from harness.stack.balancer import Balancer
from harness.stack.boards import Boards
from harness.stack.clocks import Clocks
from harness.stack.controllers import Controllers, ControllersHere, ControllersProcess
from harness.stack.credentials import Certificate, Pki
from harness.stack.devices import DeviceHandle
from harness.stack.faulty_api import FaultyApi
from harness.stack.gateway_boundary import GatewayAccess
from harness.stack.gateway_choice import find_gateway, find_system
from harness.stack.gateways import GatewayControl
from harness.stack.leftovers import WatchedClock
from harness.stack.link_faults import LinkFaults
from harness.stack.mock_board import MockBoard
from harness.stack.mock_gateway import MockGateway
from harness.stack.modules import Modules
from harness.stack.options import SEED, StackOptions
from harness.stack.record import Record
from harness.stack.recorder import RECORDER, Recorder
from harness.stack.stalls import note_stalls
from harness.stack.surroundings import Surroundings
from harness.stack.system_types import install_types
from harness.stack.timeouts import bounded
from harness.wasmbed.controllers import CONTROLLERS, ControllerManager, ControllerSettings
from harness.wasmbed.controllers.manager import CLIENTS, OWN_CLIENT
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE

if TYPE_CHECKING:
    from harness.stack.rest_api import RestApi

__all__ = ["Stack"]

START = 120.0
STOP = 60.0
STATUS_INTERVAL = 0.5
"""Seconds between two writes of a device's changes or outputs: short, because tests wait for them."""
RETRY_AFTER = 0.5
"""Seconds after which a device that the gateway refused for now may try again."""
ENROLLMENT_TIMEOUT = 25.0
"""Seconds for an enrollment: on a busy machine a real API server takes some for each write, and boards wait for 30."""
GATEWAY_CLIENT = "Gateway"
"""A gateway's name at the cluster."""
ANY_PORT: Endpoint = ("127.0.0.1", 0)


class Stack:
    """One test's whole setup, running between :meth:`start` and :meth:`stop` (or inside ``async with``).

    ``folder`` receives the file ``record``; without a folder the history is kept in memory only. ``listen`` and
    ``http`` are the gateway's addresses for devices and for HTTP. ``keep`` is the number of events kept in memory.
    ``namespace`` holds the resources; by default it is a new one on clusters that others may be using. ``state`` is a
    folder that keeps resources and authorities; the next stack goes on from it. ``surroundings`` are the machine's
    unless given.
    """

    history: Record
    """The events of this stack, in order."""
    boards: Boards
    gateway: GatewayControl
    pki: Pki
    api: ResourceApi
    """The cluster's API as ``User``, the person or program that uses the platform."""
    cluster: Cluster
    modules: Modules
    api_server: ApiServerControl
    """Kills the API server, and starts it again."""
    api_faults: ApiFaults
    """Makes requests to the cluster fail."""
    clocks: Clocks
    """The clocks of controllers and gateways, which can be made wrong."""
    links: LinkFaults
    """Disturbs the links between boards and gateways."""
    faults: Injector
    """Applies schedules of faults, and tells which of them applied."""
    controllers: Controllers
    """The controllers that were started with the stack."""
    cluster_seconds: float = 0.0
    """How long the cluster took to start and to stop so far; a reader that records it sets it to 0."""

    def __init__(
        self,
        options: StackOptions | None = None,
        *,
        folder: Path | None = None,
        record: str = "history.jsonl",
        listen: Endpoint = ANY_PORT,
        http: Endpoint = ANY_PORT,
        keep: int = MOST_EVENTS,
        namespace: str | None = None,
        state: Path | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.options = options or StackOptions()
        given = surroundings or Surroundings.of_machine()
        self.clock, self.network = WatchedClock(given.clock), given.network
        self._simulated = given.simulated
        seed = self.options.seed
        self.randomness = Randomness(SEED if seed is None and given.simulated else seed)
        self._folder, self._file, self._keep = folder, record, keep
        self._listen, self._http, self._namespace, self._state = listen, http, namespace, state
        self._ends = AsyncExitStack()
        self._numbers: dict[str, int] = {}
        self._gateways: list[GatewayControl] = []
        self._all_controllers: list[Controllers] = []
        self._balancer: Balancer | None = None
        self._rest_api: RestApi | None = None
        self._schedule = Schedule()
        """The faults that were scheduled so far."""

    async def start(self, *, platform: bool = True) -> Self:
        """Start everything; without ``platform`` only the cluster with Wasmbed's resource types, and the recorder.

        If a part does not start, the parts before it are stopped. Raises RigError naming the part and what to do, or
        UsageError for invalid options.
        """
        try:
            await self._start(platform)
        except BaseException as error:
            try:
                await self.blame(error)
            finally:
                await self.stop()
            raise
        return self

    async def _start(self, platform: bool) -> None:
        raise_limit()
        self.modules = Modules(self.options.modules)
        self.history = Record(self.clock, self._history_file(), keep=self._keep)
        self._ends.callback(self.history.close)
        redaction = Redaction(self.randomness.fork("redaction").bytes(32))
        self._system = find_system(self.options)
        recorder = self._recorder = Recorder(self.history, redaction, self._system.mapping, self._system.extent)

        self.api_faults = ApiFaults(recorder.fault, self.clock)
        self.clocks = Clocks(self.clock, recorder.fault)
        randomness = self.randomness.fork("cluster")
        self.cluster = make_cluster(
            self.options, self.clock, randomness, recorder.cluster, self._namespace, self._state
        )
        self._at_end("the cluster", lambda: self._of_cluster(self.cluster.stop()), self.cluster.patience)
        await self._bounded("the cluster", self._of_cluster(self.cluster.start()), self.cluster.patience)
        await self._bounded("the system's resource types", install_types(self._system, self.cluster, self.clock))
        self.api_server = ApiServerControl(self.cluster, recorder)
        self.api = self._client("User")
        self._at_end("the recorder", recorder.stop)
        watching = recorder.watch(self._client(RECORDER), self.clock, self.randomness.fork("recorder"))
        await self._bounded("the recorder", watching)
        if not self._simulated:  # virtual time has no stalls
            stalls = asyncio.create_task(note_stalls(recorder, self.clock))
            self._ends.callback(stalls.cancel)
        if platform:
            await self._start_platform()

    async def _start_platform(self) -> None:
        kept = self._state / "pki" if self._state is not None else None
        given = read_schedule(self.options.schedule) if self.options.schedule is not None else Schedule()
        self._relayed = self.options.relay or given.needs_relay
        kind, choice = find_gateway(self.options)
        own = kind.device_authority(choice)
        devices = Authority.of(*own, self.clock) if own is not None else None
        self.pki = Pki(self.clock, self.randomness.fork("pki"), self.api, self._recorder.note, kept, devices)
        self.links = LinkFaults(lambda: self._gateways, lambda board: self.boards.device_of(board), self._recorder)
        self.faults = Injector(self, self._recorder.note, self._check_fault)
        self.api_faults.ahead = self.faults
        self._ends.callback(self.history.listen(self.faults.crossed))
        self.gateway = self._make_gateway(self._gateway_settings())
        await self.gateway.start()

        self.controllers = self.make_controllers("controllers")
        await self._bounded("the controllers", self.controllers.start())

        environment = BoardEnvironment(
            self.clock,
            self.network,
            self.randomness.fork("boards"),
            self._recorder.platform,
            self._recorder.failure,
            self._recorder.platform if self.gateway.is_tunnel else None,
            lambda: [each.endpoint for each in self._gateways],
        )
        self.boards = Boards(
            self.options,
            environment,
            self.pki,
            self._recorder,
            self.gateway.endpoint,
            self._folder,
            self._system.wire,
        )
        self._ends.push_async_callback(self.boards.stop)
        self.history.note("stack started", **self._described())
        self._ends.callback(self.history.note, "stack stopping")
        self._ends.push_async_callback(self.faults.stop)
        self.faults.begin()
        if given.entries:
            self.apply(given)

    async def stop(self) -> None:
        """Stop all parts in reverse order, each within its time limit. May be called more than once."""
        ends, self._ends = self._ends, AsyncExitStack()
        await ends.aclose()

    async def blame(self, error: BaseException) -> None:
        """Raise RigError if the cluster is to blame for ``error``."""
        if isinstance(error, Exception) and not isinstance(error, RigError | UsageError) and hasattr(self, "cluster"):
            await self.cluster.check()

    async def abandon(self) -> None:
        """Stop without waiting for enrollments and deployments in progress."""
        if (gateway := getattr(self, "gateway", None)) is not None:
            await gateway.abandon()
        await self.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def device(self, board: Board | str) -> DeviceHandle:
        """A handle for the device that a board enrolls as, or for the device of that name."""
        name = self.boards.device_of(board)
        return DeviceHandle(name, self._recorder.informer(DEVICE), self.history, self.boards, self.api)

    def application(self, name: str) -> ApplicationHandle:
        """A handle for the application of that name; it need not exist."""
        return ApplicationHandle(name, self._recorder.informer(APPLICATION), self.history, self.boards, self.api)

    async def deploy(
        self,
        module: bytes | str | Path,
        *,
        to: Board | DeviceHandle | str | Sequence[Board | DeviceHandle | str] | Mapping[str, str] = "all",
        name: str | None = None,
        memory: int | None = None,
        fuel: int | None = None,
        time_limit: int | None = None,
        entry: str | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> ApplicationHandle:
        """Create an Application of ``module`` (a binary, a name in :attr:`modules`, or a file). Does not wait for it.

        ``to``: boards or devices, ``"all"``, or labels. ``memory`` is in bytes. ``time_limit`` (milliseconds) and
        ``fuel`` apply to one call. Where they are None, the schema's defaults apply.
        """
        given: dict[str, Any] = {"memoryLimit": memory, "fuel": fuel, "timeLimit": time_limit, "entry": entry}
        config = {key: value for key, value in given.items() if value is not None}
        if args:
            config["args"] = list(args)
        if env:
            config["env"] = dict(env)
        name = name or self._name(module)
        application = self.application(name)
        binary = self.modules.load(module)
        manifest = manifests.application(name, module=binary, config=config, **targets(to, self.boards))
        await application.wrote(await self.api.create(APPLICATION, manifest))
        return application

    def make_controllers(self, name: str, *, lease_duration: float | None = None) -> Controllers:
        """Other controllers, which wait for the lease once they are started; stopped at the end. ``lease_duration`` is
        how many seconds others wait for them when they lead and are silent."""
        extent = self._system.extent
        made: Controllers
        has_applications = extent.has(APPLICATION.kind) and not extent.phases(APPLICATION.kind)
        if self.options.controllers == "process":
            if self._system.mapping or not has_applications:
                raise UsageError(
                    "the program of the controllers knows only the resource types of the documents",
                    where="--controllers=process",
                    do="leave it out for this system",
                )
            made = ControllersProcess(
                name, self._recorder, self.clock, self.api.namespace, self._give_controllers_access, lease_duration
            )
        else:
            settings = ControllerSettings()
            manager = ControllerManager(
                self._client,
                self.clocks[OWN_CLIENT],
                self.randomness.fork(name),
                settings=replace(settings, lease_duration=lease_duration or settings.lease_duration),
                identity=name,
                network=self.network,
                controllers=[name for name in CONTROLLERS if name != "application" or has_applications],
            )
            made = ControllersHere(name, self._recorder, manager)
        self._all_controllers.append(made)
        self._at_end(name, made.stop)
        return made

    async def _give_controllers_access(self, path: Path) -> None:
        """Write a kubeconfig for controllers in another process."""
        await self.cluster.give_access(OWN_CLIENT, path, self.api_faults, CLIENTS)

    async def add_gateway(self, name: str, **settings: Any) -> GatewayControl:
        """Start another gateway; ``settings`` are fields of
        :class:`~harness.wasmbed.gateway.settings.GatewaySettings` that differ from the first one's."""
        gateway = self._make_gateway(
            replace(self._gateway_settings(), name=name, listen=ANY_PORT, http=ANY_PORT, **settings)
        )
        await gateway.start()
        return gateway

    async def rest_api(self) -> RestApi:
        """The REST API of this stack's platform, which the first call starts."""
        if self._rest_api is None:
            from harness.stack.rest_api import RestApi  # late: few tests need it

            made = RestApi(self, self._client("ApiServer"), self._recorder.platform)
            self._at_end("the REST API", made.stop)
            await self._bounded("the REST API", made.start())
            self._rest_api = made
        return self._rest_api

    async def scale_gateways(self, count: int, **settings: Any) -> Sequence[GatewayControl]:
        """Run ``count`` gateways in all, behind one address for boards that are made from now on; returns them.

        New connections go round the gateways that take connections. ``settings`` as for :meth:`add_gateway`, of those
        that are started. Raises UsageError if there are more already, or if the gateway's kind can run only once.
        """
        if count < len(self._gateways):
            where = f"scale_gateways({count})"
            raise UsageError(f"{len(self._gateways)} gateways were made", where=where, do="stop or kill some of them")
        if count > 1 and "several-gateways" not in self.gateway.features:
            do = "mark the test with requires('several-gateways')"
            raise UsageError("only one of its gateways can run", where=f"--gateway={self.options.gateway}", do=do)
        for number in range(len(self._gateways) + 1, count + 1):
            await self.add_gateway(f"gateway-{number}", **settings)
        if self._balancer is None:
            self._balancer = Balancer(self.network, lambda: [each.endpoint for each in self._gateways if each.running])
            self._at_end("the balancer", self._balancer.close)
            await self._bounded("the balancer", self._balancer.start(ANY_PORT))
        self.boards.gateway = self._balancer.endpoint
        return self.gateways

    async def mock_board(
        self,
        name: str = "peer",
        *,
        certificate: Certificate | str = Certificate.VALID,
        credentials: Credentials | None = None,
        endpoint: Endpoint | None = None,
    ) -> MockBoard:
        """A board that the test drives message by message, connected to the gateway, or to ``endpoint`` (see
        :class:`~harness.stack.mock_board.MockBoard`); closed at the end at the latest."""
        if credentials is None:
            credentials = await self.pki.credentials(name, certificate)
        else:
            self.pki.know(credentials)
        randomness = self.randomness.fork(f"peer {name} {self.history.recorded}")
        board = MockBoard(name, credentials, self.clock, randomness, wire=self._system.wire)
        self.history.note("mock board", name)
        await board.connect(endpoint or self.gateway.endpoint, self.network)
        if self.gateway.is_tunnel and endpoint is None:
            board.show(BoardTap(self._recorder.platform, name))
        self._recorder.by_hand.add(board.address)
        self._recorder.note("peer connected", name, address=board.address)
        self._at_end(f"the connection of {name}", board.close)
        return board

    async def mock_gateway(
        self,
        name: str = "mock-gateway",
        *,
        identities: Iterable[Identity] | None = None,
        listen: Endpoint = ANY_PORT,
        heartbeat: float | None = None,
        wire: str = "1",
    ) -> MockGateway:
        """A gateway that the test drives message by message (see :class:`~harness.stack.mock_gateway.MockGateway`).

        Boards that are made from now on connect to it instead of the stack's own. It presents a certificate that they
        accept unless ``identities`` says otherwise; ``heartbeat`` is the interval in seconds that it gives, by default
        the stack's. Its links are in the history, each event with ``mock: Gateway``. ``wire`` is protocol version 1,
        or a dialect of the original, ``u`` or ``r``.
        """
        gateway = MockGateway(
            self.pki.gateway(name) if identities is None else identities,
            self.pki.devices.certificate,
            name=name,
            listen=listen,
            clock=self.clock,
            network=self.network,
            heartbeat=heartbeat or self.options.heartbeat,
            tap=self._recorder.platform,
            wire=wire,
        )
        await gateway.start()
        self._at_end(f"the mock gateway {name}", gateway.stop)
        self.history.note("mock gateway", gateway=name)
        self.boards.gateway = gateway.endpoint
        return gateway

    @property
    def gateways(self) -> Sequence[GatewayControl]:
        """The gateways, in the order in which they were made."""
        return tuple(self._gateways)

    def apply(self, schedule: Schedule) -> None:
        """Let the faults of a schedule happen at their moments; times count from the stack's start.

        The schedule is in the history, and in ``schedule.toml`` beside its file, to replay the run with ``--schedule``.
        Raises UsageError for a fault that cannot happen here.
        """
        if not schedule.entries:
            return
        self.faults.add(schedule)
        self._schedule = Schedule((*self._schedule.entries, *schedule.entries), schedule.file)
        if not schedule.file and self._folder is not None:
            path = self._folder / "schedule.toml"
            with suppress(OSError):  # a full disk must not change the verdict
                path.write_text(self._schedule.to_toml(), encoding="utf-8")
            self._schedule = replace(self._schedule, file=str(path))
        self.history.note("schedule", faults=[str(each) for each in schedule.entries], replay=self.replay)

    @property
    def replay(self) -> str:
        """The options that apply the same faults again; empty without faults, or where no file has them."""
        if not self._schedule.entries:
            return ""
        file = Path(self._schedule.file) if self._schedule.file else None
        return shlex.join(self.options.replace(schedule=file).replaying())

    def _check_fault(self, entry: Entry) -> None:
        where, needs = entry.line or "schedule", entry.needs - {RELAY}
        if reason := lacking(self.options, needs):
            do = "choose another fault, or other boards or another gateway"
            raise UsageError(f"{entry.fault.name} cannot happen here: {reason}", where=where, do=do)
        if RELAY in entry.needs and not self._relayed and self.gateway.in_process:
            do = "mark the test with stack(relay=True)"
            raise UsageError(f"{entry}: the links pass no relay", where=where, do=do)

    async def observe(self) -> None:
        """Record what each gateway says of itself, for the judges: at the end of a test's body."""
        for gateway in self._gateways:
            await gateway.observe()

    async def recorded(self) -> None:
        """Wait until all that was seen so far is in the history. What comes after a request is recorded after it, once
        the cluster has answered: a test that counts events waits for that first."""
        await self._recorder.recorded()

    def judge(self) -> None:
        """Judge the history so far by the invariants, also its events that are no longer in memory. Raises
        ProductFailure naming each broken one, and RigError for what could not be judged."""
        if (gateway := getattr(self, "gateway", None)) is not None:
            gateway.check()
        for controllers in self._all_controllers:
            controllers.check()
        self.history.judgement().conclude()

    async def lost(self) -> None:
        """Wait for as long as cluster and gateway run. Raises RigError or ProductFailure when one ends by itself."""
        tasks = [asyncio.ensure_future(self.cluster.lost())]
        if hasattr(self, "gateway"):
            tasks.append(asyncio.ensure_future(self.gateway.lost()))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()

    def _name(self, module: bytes | str | Path) -> str:
        stem = "app" if isinstance(module, bytes) else Path(module).stem.lower().replace("_", "-")
        self._numbers[stem] = number = self._numbers.get(stem, 0) + 1
        return f"{stem}-{number}"

    def _make_gateway(self, settings: GatewaySettings) -> GatewayControl:
        kind, choice = find_gateway(self.options)
        gateway = GatewayControl(
            settings,
            kind,
            choice,
            self.pki,
            GatewayAccess(self._client(GATEWAY_CLIENT), self._give_access),
            self.clock,
            self.network,
            self.randomness,
            self._recorder,
            own_clock=self.clocks[GATEWAY_CLIENT],
            wire_defect=self.options.wire_defect,
            relay=self._relayed,
            ahead=self.faults,
        )
        self._ends.push_async_callback(gateway.close)
        self._gateways.append(gateway)
        self.links.apply(gateway)
        return gateway

    async def _give_access(self, path: Path) -> None:
        """Write a kubeconfig for a gateway in another process."""
        gate = MappedGate(self.api_faults, self._system.mapping)
        await self.cluster.give_access(GATEWAY_CLIENT, path, gate if self._system.mapping else self.api_faults)

    def _gateway_settings(self) -> GatewaySettings:
        return GatewaySettings(
            listen=self._listen,
            http=self._http,
            heartbeat_interval=self.options.heartbeat,
            status_interval=STATUS_INTERVAL,
            last_seen_interval=self.options.beat,
            retry_after=RETRY_AFTER,
            enrollment_timeout=ENROLLMENT_TIMEOUT,
        )

    def _client(self, name: str) -> ResourceApi:
        """Return a client; the cluster closes it when it stops, after all parts that use it."""
        api = self.cluster.client(name)
        mapping = self._system.mapping
        return FaultyApi(self.api_faults, name, MappedApi(api, mapping) if mapping else api)

    def _history_file(self) -> Path | None:
        if self._folder is None:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RigError(
                f"cannot make a folder: {reason(error)}",
                where=str(next(each for each in self._folder.parents if each.exists())),
                do="name another folder: --reports of a test run, --history of wasmbed up",
            ) from error
        return self._folder / self._file

    def _at_end(self, what: str, stop: Callable[[], Awaitable[object]], within: float = STOP) -> None:
        async def end() -> None:
            await bounded(self.clock, within, f"stop of {what}", stop())

        self._ends.push_async_callback(end)

    async def _bounded(self, what: str, work: Awaitable[object], within: float = START) -> None:
        try:
            await bounded(self.clock, within, f"start of {what}", work)
        except HarnessError:
            raise
        except OSError as error:
            raise RigError(f"did not start: {reason(error)}", where=what, do="see wasmbed doctor") from error

    async def _of_cluster(self, work: Awaitable[object]) -> None:
        begin = self.clock.now()
        try:
            await work
        finally:
            self.cluster_seconds += self.clock.now() - begin

    def _described(self) -> dict[str, Any]:
        host, port = self.gateway.endpoint
        return {
            "boards": self.options.boards,
            "cluster": self.options.cluster,
            "gateway": f"{host}:{port}",
            "descriptors": limit(),
        }
