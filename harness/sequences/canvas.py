"""SVG elements in layers, with colours for light and dark. The file needs no script, no font, and no network."""

from __future__ import annotations

from html import escape

__all__ = ["CHARACTER", "LINE", "STYLE", "Canvas", "document"]

CHARACTER, LINE = 7.25, 16.0
"""Width of a character and height of a line in pixels, at the style's font size; the font is monospaced."""

STYLE = """
.wsq { --paper: #ffffff; --ink: #1f2328; --muted: #636c76; --line: #afb8c1; --head: #f0f3f6; --note: #fff8c5;
  --tint: #eaeef2; --good: #1a7f37; --bad: #cf222e; --bad-paper: #ffebe9; --hint: #0969da; --hint-paper: #ddf4ff;
  font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (prefers-color-scheme: dark) { .wsq { --paper: #0d1117; --ink: #e6edf3; --muted: #9198a1; --line: #484f58;
  --head: #1b222b; --note: #332b00; --tint: #1a2029; --good: #3fb950; --bad: #ff7b72; --bad-paper: #3c1618;
  --hint: #58a6ff; --hint-paper: #10243e; } }
.wsq text { fill: var(--ink); white-space: pre; }
.wsq .paper { fill: var(--paper); }
.wsq .head { fill: var(--head); stroke: var(--line); }
.wsq .group { fill: var(--tint); stroke: var(--line); stroke-dasharray: 2 3; }
.wsq .lifeline { stroke: var(--line); stroke-dasharray: 3 4; }
.wsq .active { fill: var(--head); stroke: var(--muted); }
.wsq .note { fill: var(--note); stroke: var(--line); }
.wsq .frame { fill: none; stroke: var(--line); }
.wsq .tint { fill: var(--tint); opacity: .6; }
.wsq .tab { fill: var(--head); stroke: var(--line); }
.wsq .divider { stroke: var(--line); stroke-dasharray: 5 4; }
.wsq .name, .wsq .title { font-weight: 600; }
.wsq text.soft, .wsq text.guard { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
.wsq .bad text.soft { stroke: var(--bad-paper); }
.wsq .hint text.soft { stroke: var(--hint-paper); }
.wsq .title { font-size: 14px; }
.wsq .soft, .wsq .guard { fill: var(--muted); }
.wsq .stroke { fill: none; stroke: var(--ink); stroke-width: 1.3; }
.wsq .tip { fill: var(--ink); }
.wsq .dotted { stroke-dasharray: 5 4; }
.wsq .number { fill: var(--ink); }
.wsq text.figure { fill: var(--paper); font-size: 9px; }
.wsq .unreached { opacity: .5; }
.wsq .bad .stroke { stroke: var(--bad); stroke-width: 2; }
.wsq .bad .tip { fill: var(--bad); }
.wsq .bad .name { fill: var(--bad); }
.wsq .bad .band { fill: var(--bad-paper); }
.wsq .bad .pill { fill: var(--bad); }
.wsq .hint .stroke { stroke: var(--hint); stroke-width: 2; }
.wsq .hint .tip, .wsq .hint .pill { fill: var(--hint); }
.wsq .hint .name { fill: var(--hint); }
.wsq .hint .band { fill: var(--hint-paper); }
.wsq .ghost .stroke { stroke-dasharray: 3 3; }
.wsq text.badge { fill: var(--paper); font-size: 11px; font-weight: 600; }
"""


class Canvas:
    """Elements by layer. Layers are painted in the order of their numbers."""

    def __init__(self) -> None:
        self._layers: dict[int, list[str]] = {}

    def add(self, layer: int, element: str) -> None:
        self._layers.setdefault(layer, []).append(element)

    def rect(self, layer: int, style: str, x: float, y: float, width: float, height: float, radius: float = 3) -> None:
        box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self.add(layer, f'<rect class="{style}" {box} rx="{radius:g}"/>')

    def line(self, layer: int, style: str, x1: float, y1: float, x2: float, y2: float) -> None:
        self.add(layer, f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def path(self, layer: int, style: str, commands: str) -> None:
        self.add(layer, f'<path class="{style}" d="{commands}"/>')

    def text(self, layer: int, style: str, x: float, y: float, text: str, anchor: str = "middle") -> None:
        self.add(layer, f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def open(self, layer: int, style: str) -> None:
        self.add(layer, f'<g class="{style}">')

    def close(self, layer: int) -> None:
        self.add(layer, "</g>")

    def __str__(self) -> str:
        return "\n".join(element for layer in sorted(self._layers) for element in self._layers[layer])


def document(width: float, height: float, title: str, content: str) -> str:
    """A whole SVG file around ``content``."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wsq" role="img" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<rect class="paper" width="100%" height="100%"/>\n{content}\n</svg>\n'
    )
