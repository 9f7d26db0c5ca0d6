"""Each template compiles, without a warning, and runs on a virtual board."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from harness.stack import Stack, StackOptions
from harness.wasmbed.compile.results import Language
from harness.wasmbed.compile.templates import TEMPLATES, Template
from tests.compile.tools import needs, service

EXPECTED: dict[str, tuple[str, tuple[str, ...], dict[str, str], tuple[str, str | None] | None]] = {
    # The line on the console, arguments, environment, and a publication: topic and payload.
    "hello": ("hello from", (), {}, None),
    "blinker": ("blinking", ("3", "20"), {}, ("light", b"on".hex())),
    "sensor": ("too hot", ("0", "4", "20", "1000"), {}, ("temperature", None)),
    "network": ("sending", ("news", "20"), {"SITE": "a"}, ("news", None)),
    "px4": ("armed", (), {}, ("actuator_motors", None)),
}
WRITTEN = [
    pytest.param(template, language, marks=needs(language), id=f"{template.name}-{language.value}")
    for template in TEMPLATES.values()
    for language in template.languages
]


def test_the_templates_of_the_issue_are_there() -> None:
    assert list(TEMPLATES) == list(EXPECTED)


@pytest.mark.parametrize(("template", "language"), WRITTEN)
async def test_a_template_compiles_and_runs(template: Template, language: Language) -> None:
    line, args, env, publication = EXPECTED[template.name]
    async with service() as compiler:
        compiled = await compiler.compile(template.source(language), untrusted=False)
    assert compiled.diagnostics == ()
    assert compiled.module is not None
    async with asyncio.timeout(60), Stack(StackOptions(boards="virtual", heartbeat=1.0)) as stack:
        board = await stack.boards.power_on("virtual")
        device = await stack.device(board).until(phase="Connected", within=20)
        await stack.deploy(compiled.module, to=board, name=template.name, args=args, env=env)
        await board.console.until(line, within=20)
        if publication is not None:
            assert await _publishes(stack, template.name, device.name, *publication)


async def _publishes(stack: Stack, application: str, device: str, topic: str, payload: str | None) -> bool:
    latest = None
    while True:
        latest = await stack.history.until(
            "ApplicationStatus", about=application, within=20, after=latest, device=device
        )
        found: Sequence[dict[str, object]] = latest.data.get("publications", [])
        if any(each["topic"] == topic and payload in (None, each["payload"]) for each in found):
            return True
