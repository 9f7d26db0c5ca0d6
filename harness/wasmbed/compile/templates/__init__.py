"""The templates: source texts to begin with. Each compiles, and runs on every board that has a WebAssembly runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.wasmbed.compile.results import Language, Source

__all__ = ["TEMPLATES", "Template"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Template:
    """A source text for each of its languages; the first one is the usual one."""

    name: str
    summary: str
    languages: tuple[Language, ...] = (Language.RUST,)

    def source(self, language: Language) -> Source:
        """Return its source text in one of its languages."""
        file = f"{self.name}{language.suffix}"
        return Source((_FOLDER / file).read_text("utf-8"), language, file)


TEMPLATES = {
    template.name: template
    for template in (
        Template("hello", "Writes a line to the console, once.", tuple(Language)),
        Template("blinker", "Switches an output pin on and off, and publishes each change."),
        Template("sensor", "Publishes a sensor's average, and reports one that is too high."),
        Template("network", "Publishes numbered messages, and tries a refused one again."),
        Template("px4", "A rate controller in the style of PX4: sensor readings in, motor commands out."),
    )
}
