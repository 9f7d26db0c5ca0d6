"""Replays what k3d and docker said: the seam of the cluster kind k3d, on the table ``recorded.yaml``."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from harness.clusters.k3d.commands import Done

__all__ = ["Replay", "make_programs", "recorded"]


@cache
def recorded() -> dict[str, list[dict[str, Any]]]:
    """The table: the commands of each situation."""
    return yaml.safe_load(Path(__file__).with_name("recorded.yaml").read_text("utf-8"))


class Replay:
    """Commands that answer as in these situations, and otherwise as those of a sound cluster do.

    ``words`` replaces names in the output by texts. ``kubeconfig`` is what ``k3d kubeconfig get`` prints.
    """

    def __init__(self, *situations: str, kubeconfig: str = "---\n", **words: str) -> None:
        own = [entry for situation in situations for entry in recorded()[situation]]
        self._entries = [dict(entry) for entry in (*own, *recorded()["sound"])]
        self._words = {"VERSION": version("wasmbed-harness"), **words}
        self._kubeconfig, self._name = kubeconfig, "none"
        self.calls: list[str] = []
        """The commands so far, as a shell would show them without quotation marks."""

    def __call__(self, *command: str, within: float = 30.0) -> Done:
        text = " ".join(command)
        self.calls.append(text)
        if text.startswith(("k3d cluster create ", "k3d cluster delete ")):
            self._name = command[3]
        if text.startswith("k3d kubeconfig get "):
            return Done(command, 0, self._kubeconfig)
        entry = next(entry for entry in self._entries if fnmatchcase(text, entry["command"].replace("NAME", "*")))
        if "times" in entry:
            entry["times"] -= 1
            if not entry["times"]:
                self._entries.remove(entry)
        return Done(command, entry.get("code", 0), self._said(entry, "out"), self._said(entry, "err"))

    def having(self, *parts: str) -> list[str]:
        """The commands that contain all these texts."""
        return [call for call in self.calls if all(part in call for part in parts)]

    def position(self, part: str) -> int:
        """The place of the first command that contains a text."""
        return next(place for place, call in enumerate(self.calls) if part in call)

    def _said(self, entry: dict[str, Any], stream: str) -> str:
        text = entry.get(stream, "")
        for word, value in {**self._words, "NAME": self._name}.items():
            text = text.replace(word, value)
        return text


def make_programs(folder: Path, kubeconfig: Path) -> Path:
    """Write programs k3d and docker that answer as those of a sound cluster do; returns the file with their calls."""
    calls, cases = folder / "calls", [f'"k3d kubeconfig get "*) cat {kubeconfig};;']
    for entry in recorded()["sound"]:
        pattern = "*".join(f'"{part}"' if part else "" for part in entry["command"].replace("NAME", "*").split("*"))
        said = "".join(
            f"printf %s '{entry[stream].replace(chr(39), chr(34))}' >&{number};"
            for stream, number in (("out", 1), ("err", 2))
            if entry.get(stream)
        )
        cases.append(f"{pattern}) {said} exit {entry.get('code', 0)};;".replace("VERSION", version("wasmbed-harness")))
    for program in ("k3d", "docker"):
        script, call = folder / program, f"{program} $*"
        lines = ["#!/bin/sh", f'echo "{call}" >> {calls}', f'case "{call}" in', *cases, "esac", ""]
        script.write_text("\n".join(lines))
        script.chmod(0o700)
    return calls
