"""Pictures stand alone, hold every arrow once, and mark what the verdict says."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.sequences import ArrowMark, judge, load, parse, render_svg, verdict_picture
from harness.sequences.verdict import Mismatch

EVERYTHING = """
sequenceDiagram
    autonumber
    box Aqua Edge & side
        actor Device as IoT<br/>device
        participant Gateway
    end
    box rgb(1,2,3) Cloud
        participant K as Kubernetes
    end
    Device->>+Gateway: first (status.phase = Connected, status.error = null)
    Note over Device,Gateway: both<br/>lines
    Note over Gateway: one
    Note left of Gateway: left
    Note right of K: right
    Gateway->>Gateway: own <b>
    loop Every 30 s
        Device-)Gateway: async
        alt good
            Gateway--xDevice: cross
        else bad
            rect rgb(0,0,0)
                Gateway<<-->>K: both ways
            end
        else
            par_over one
                Device-|\\Gateway: half
            and two
                Gateway()->>()K: centre
            end
        end
    end
    create participant Pod
    K->>Pod: made
    destroy Pod
    Pod-xK: gone
    Gateway//-Device: stick
    Gateway->K: open
    activate K
    deactivate K
    activate K
    autonumber off
    Gateway-->>-Device: last
"""


def elements(svg: str, tag: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(f".//{{http://www.w3.org/2000/svg}}{tag}")


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in elements(svg, "text")]


def test_everything_of_the_language_is_drawn() -> None:
    diagram = parse(EVERYTHING)
    svg = render_svg(diagram)
    seen = texts(svg)
    for arrow in diagram.arrows:
        assert seen.count(arrow.text.split(" (")[0]) == 1
    assert {"IoT", "device", "Gateway", "Kubernetes", "Pod", "Edge & side", "Cloud"} <= set(seen)
    assert {"loop", "alt", "par over", "[Every 30 s]", "[good]", "[bad]", "[two]"} <= set(seen)
    assert {"both", "lines", "one", "left", "right", "(status.phase = Connected,", "status.error = null)"} <= set(seen)
    assert [text for text in seen if text.isdigit()] == [str(number) for number in range(1, 12)]


def test_a_picture_stands_alone_and_knows_light_and_dark() -> None:
    svg = render_svg(parse(EVERYTHING))
    assert re.findall(r'https?://[^"\s]+', svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<(script|image|use|foreignObject|link)\b|@import|url\(", svg)
    assert "@media (prefers-color-scheme: dark)" in svg
    assert not re.search(r'(fill|stroke)="#', svg)


def test_nothing_is_drawn_outside_of_the_picture() -> None:
    svg = render_svg(parse(EVERYTHING))
    width, height = (float(ElementTree.fromstring(svg).get(name, "0")) for name in ("width", "height"))
    for element in elements(svg, "rect")[1:] + elements(svg, "text"):
        x, y = float(element.get("x", "0")), float(element.get("y", "0"))
        assert 0 <= x <= width
        assert 0 <= y <= height
        if element.tag.endswith("rect"):
            assert x + float(element.get("width", "0")) <= width + 0.5
            assert y + float(element.get("height", "0")) <= height + 0.5


def test_marks_are_seen_without_colour() -> None:
    diagram = parse("sequenceDiagram\nA->>B: one\nB->>A: two\nA->>A: three")
    marks = {0: ArrowMark("bad", "missing", ghost=True), 1: ArrowMark("unreached"), 2: ArrowMark("hint", "expected")}
    svg = render_svg(diagram, marks)
    assert [element.get("class") for element in elements(svg, "g")] == ["bad ghost", "unreached", "hint"]
    assert {"missing", "expected"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("form", "tips"),
    [
        ("->", []),
        ("->>", [("right", 4, 4)]),
        ("<<->>", [("right", 4, 4), ("left", 4, 4)]),
        ("-|\\", [("right", 4, 0)]),
        ("--|/", [("right", 0, 4)]),
        ("-\\\\", [("right", 4, 0)]),
        ("-//", [("right", 0, 4)]),
        ("/|-", [("left", 4, 0)]),
        ("\\|--", [("left", 0, 4)]),
        ("//-", [("left", 4, 0)]),
        ("\\\\-", [("left", 0, 4)]),
    ],
)
def test_a_half_arrow_has_half_a_tip_and_a_reverse_one_has_it_at_the_sender(
    form: str, tips: list[tuple[str, int, int]]
) -> None:
    found = []
    for element in elements(render_svg(parse(f"sequenceDiagram\nA{form}B: x")), "path"):
        back, above, end, middle, _, below = map(float, re.findall(r"[\d.]+", element.get("d", "")))
        found.append(("right" if end > back else "left", round(middle - above), round(below - middle)))
    assert found == tips


def test_both_panels_have_the_diagrams_columns(build: Any) -> None:
    lines = """User->>Kubernetes: POST Application
        Kubernetes->>ApplicationController: ADDED Application
        ApplicationController->>Gateway: DeployApplication"""
    seen = texts(verdict_picture(judge("runtime-error", build.history(lines))))
    heads = [
        text for text in seen if text in ("User", "Kubernetes API", "Application controller", "Gateway", "IoT device")
    ]
    assert heads == [*heads[:5], *heads[:4]]
    assert heads[0] == "User"


def test_a_diagram_of_nothing_is_a_picture_of_nothing() -> None:
    assert texts(render_svg(parse("sequenceDiagram"))) == []


LINES = """
Device->>Gateway: TlsConnected (certificate)
Device->>Gateway: EnrollmentRequest
Gateway->>Device: Error (code = {})
Gateway->>Device: ConnectionClosed
"""
GOOD = "CERTIFICATE_INVALID, action = RENEW_CERTIFICATE"


@pytest.mark.parametrize(
    ("text", "trouble", "expected_marks", "seen_marks"),
    [
        (LINES.format("PROTOCOL_ERROR, action = RENEW_CERTIFICATE"), Mismatch.DIFFERENT, 1, 1),
        ("\n".join(LINES.format(GOOD).splitlines()[:4]), Mismatch.MISSING, 1, 1),
        (LINES.format(GOOD) + "Gateway->>Kubernetes: POST Device", Mismatch.EXTRA, 0, 1),
    ],
    ids=["different", "missing", "extra"],
)
def test_the_verdicts_picture_marks_both_sides(
    build: Any, text: str, trouble: Mismatch, expected_marks: int, seen_marks: int
) -> None:
    verdict = judge("certificate-invalid", build.history(text))
    (failure,) = verdict.failures
    assert failure.finding is not None
    assert failure.finding.mismatch is trouble
    svg = verdict_picture(verdict)
    expected, seen = (
        "".join(panel.itertext())
        for panel in elements(svg, "g")
        if "transform" in panel.keys()  # noqa: SIM118
    )
    assert expected.count(trouble.value) == expected_marks
    assert seen.count(trouble.value) == seen_marks
    assert "expected: certificate-invalid" in texts(svg)
    assert "seen: board-1" in texts(svg)


def test_an_arrow_in_the_wrong_place_is_marked_where_it_was_seen(build: Any) -> None:
    lines = LINES.format(GOOD).strip().splitlines()
    verdict = judge("certificate-invalid", build.history("\n".join([lines[0], lines[1], lines[3], lines[2]])))
    assert verdict_picture(verdict).count(">misplaced<") == 2


def test_a_verdict_without_failure_or_instance_has_a_picture_too(build: Any) -> None:
    good = verdict_picture(judge("certificate-invalid", build.history(LINES.format(GOOD))))
    assert "1 device followed it" in "".join(texts(good))
    nobody = verdict_picture(judge("certificate-invalid", []))
    assert "the history has no event of this sequence" in "".join(texts(nobody))
    assert len(elements(nobody, "g")) > len(load("certificate-invalid").arrows)


def test_what_is_far_from_the_place_is_folded(build: Any) -> None:
    beats = """Device->>Gateway: Heartbeat (deviceId, runtimeStatus, status)
        Gateway->>Device: HeartbeatAcknowledgment (gatewayTime)
        """
    start = """Gateway->>Kubernetes: PATCH Device (status.phase = Enrolling)
        DeviceController->>Kubernetes: PATCH Device (status.phase = Enrolled)
        Gateway->>Device: EnrollmentResponse (heartbeatInterval = 30s)
        """
    text = start + beats * 400 + "Gateway->>Kubernetes: PATCH Device (status.phase = Failed)\n" + beats * 400
    svg = verdict_picture(judge("heartbeat-and-monitoring", build.history(text)))
    assert "[397 times]" in texts(svg)
    assert texts(svg).count("Heartbeat") < 20
