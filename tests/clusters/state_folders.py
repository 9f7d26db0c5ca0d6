"""State folders of embedded clusters, for the tests of what they keep."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.durable.folder import StateFolder
from harness.clusters.embedded.durable.journal import Journal
from harness.clusters.embedded.durable.keys import AccessKeys
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kinds import CONFIG_MAP
from tests.clusters.durable_writer import config_map

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


MAPS = "/api/v1/namespaces/default/configmaps"


@asynccontextmanager
async def running(folder, kind=EmbeddedCluster):
    cluster = kind(SystemClock(), Randomness(), "wasmbed", state=folder)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


def below(chance, bound):
    return int.from_bytes(chance.bytes(4)) % bound


def numbers(listed):
    return {item["metadata"]["name"]: int(item["data"]["number"]) for item in listed.items}


def logs(folder):
    return sorted(folder.glob("requests-*.log"))


def size_of(log):
    """The bytes of the records in a log that is in use, which has zeros after them."""
    return len(log.read_bytes().rstrip(b"\0"))


async def content(folder):
    """The ConfigMaps that a cluster finds in a copy of the folder, as after a crash."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    async with running(copy) as cluster:
        return numbers(await cluster.client("User").list(CONFIG_MAP))


async def fill(folder, count=5):
    async with running(folder) as cluster:
        api = cluster.client("User")
        for number in range(count):
            await api.create(CONFIG_MAP, config_map(f"map-{number}", number))


@asynccontextmanager
async def server_of(folder, log_bytes):
    """A server whose logs are short."""
    server = ApiServer(SystemClock(), Randomness())
    state = StateFolder(folder)
    await state.lock(os.getpid())
    journal = Journal(state, log_bytes)
    server.keep(journal, AccessKeys.kept_in(folder).account_key)
    try:
        yield server
    finally:
        server.close()
        await journal.close()
