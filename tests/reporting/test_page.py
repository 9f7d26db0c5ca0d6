"""The page in a browser: opened from a file, used by keyboard and pointer, in light and dark colours."""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.core.history import History, Kind
from harness.reporting import write_run_report
from tests.forked import run_python

pytestmark = pytest.mark.system("Chromium")

TABS = ("timeline", "sequences", "resources", "consoles", "metrics")
PROJECT = '''
"""A run with different outcomes."""
import pytest
from harness.core.errors import RigError
from harness.core.history import Kind

async def test_a_device_enrolls_and_runs(stack):
    """A device enrolls, loses its link
    and comes back. Its id stays."""
    board = await stack.boards.power_on()
    device = stack.device(board)
    await device.until(phase="Connected")
    await board.cut_link()
    await device.until(phase="Disconnected")
    await board.restore_link()
    await device.until(phase="Connected")

async def test_an_answer_too_many(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    answer = stack.history.find("EnrollmentResponse")[0]
    stack.history.record(Kind.MESSAGE, "Gateway", "Device", answer.name, answer.data, answer.correlation)
    stack.history.follows("device-enrollment")

async def test_a_board_is_absent(stack):
    raise RigError("the board is not there", where="bench 4", do="plug it in")

@pytest.mark.skip(reason="waits for a serial tier")
async def test_a_serial_board(stack):
    pass
'''


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of pytest with a good test, a wrong platform, an absent board, and a skipped test."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_project.py").write_text(PROJECT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WASMBED_", "PYTEST_"))}
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--seed=7", "-c", os.devnull]
    done = run_python(*command, f"--rootdir={folder}", str(folder), folder=folder, environment=environment)
    runs = [path for path in (folder / "reports").iterdir() if path.is_dir()]
    assert len(runs) == 1, done.stdout + done.stderr
    return runs[0]


@pytest.fixture(scope="module")
def cut_run(real_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, killed in the middle of the good test."""
    run = tmp_path_factory.mktemp("cut") / "run"
    (test,) = real_run.glob("*enrolls_and_runs")
    shutil.copytree(test, run / test.name)
    (run / test.name / "result.json").unlink()
    history = run / test.name / "history.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join(lines[:40]) + lines[40][:25])
    write_run_report(run)
    return run


@pytest.fixture(scope="module")
def fleet(write_fleet: Callable[[Path, int, int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_fleet(tmp_path_factory.mktemp("fleet") / "run", 1_000, 40_000)
    write_run_report(run)
    return run


@contextmanager
def opened(browser: Any, run: Path, place: str = "", **context: Any) -> Iterator[Any]:
    """The run's page at ``place``. Fails if the page requests another address or logs an error."""
    asked: list[str] = []
    trouble: list[str] = []
    page = browser.new_page(viewport=context.pop("viewport", {"width": 1280, "height": 900}), **context)
    page.set_default_timeout(90_000)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    page.goto((run / "index.html").as_uri() + place)
    page.wait_for_selector("h1")
    if place:
        page.wait_for_selector("[role=tab]")
    yield page
    page.close()
    assert trouble == []
    assert [url for url in asked if not url.startswith(("data:", (run / "index.html").as_uri()))] == []


def place_of(run: Path, outcome: str, tab: str = "timeline") -> str:
    """The address in the page of the run's test with that ``outcome``."""
    results = [json.loads(path.read_text()) for path in sorted(run.glob("*/result.json"))]
    return f"#test-{[result['outcome'] for result in results].index(outcome)}/{tab}"


def settled(page: Any) -> None:
    """Wait for two animation frames, after which the page is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_the_overview_has_the_outcome_and_finds_a_test(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run) as page:
        lead = page.inner_text(".lead")
        assert "1 passed" in " ".join(lead.split())
        assert "1 failed" in " ".join(lead.split())
        assert "1 not run" in " ".join(lead.split())
        assert page.locator(".test .own").all_inner_texts() == [
            "an answer too many",
            "a board is absent",
            "A device enrolls, loses its link and comes back.",
            "a serial board",
        ]
        assert page.locator(".test .why").last.inner_text() == "waits for a serial tier"
        command = page.inner_text("header code")
        assert command.startswith("pytest -q -p no:cacheprovider --seed=7 -c")
        assert page.title() == f"1 failed, 1 not run, 1 passed, 1 skipped: {command}"
        page.get_by_role("button", name="failed", exact=True).click()
        assert page.locator(".test").count() == 1
        page.get_by_role("button", name="failed", exact=True).click()
        page.keyboard.press("/")
        page.keyboard.type("bench 4")
        page.wait_for_function("document.querySelectorAll('.test').length === 1")
        assert page.locator(".test .own").inner_text() == "a board is absent"


def test_the_overview_shows_which_arrows_were_exercised(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run) as page:
        section = page.get_by_role("region", name="Sequence coverage")
        connection = section.locator("details", has_text="Initialization and connection").first
        connection.locator("summary").click()
        rows = connection.locator("tbody tr").all_inner_texts()
        assert any("TlsConnected" in row and "never" not in row for row in rows)
        section.get_by_role("checkbox").check()
        assert section.locator("tbody tr").count() == section.locator("tbody tr.never").count() > 20


def test_a_failure_has_its_blame_and_the_command_to_run_it_again(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "failed")) as page:
        verdict = page.get_by_role("region", name="Verdict")
        assert "To blame: product" in verdict.inner_text()
        assert "did not follow it" in verdict.inner_text()
        page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
        page.get_by_role("button", name="Copy the command").click()
        copied = page.evaluate("window.copied")
        assert copied == page.inner_text(".command code")
        assert copied.startswith("pytest ")
        assert copied.endswith("--seed=7")
        verdict.get_by_role("link", name="Diagram with the differences marked").click()
        picture = page.get_by_role("img", name="EnrollmentResponse")
        assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 500


def test_a_failed_rig_is_not_run(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "not run")) as page:
        assert "not run" in page.inner_text(".verdict .outcome")
        assert "plug it in" in page.inner_text(".verdict")


def test_a_failed_test_opens_at_the_event_that_convicts(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "failed")) as page:
        page.wait_for_selector("[role=option][aria-selected=true]:has-text('EnrollmentResponse')")
        assert page.locator("[role=option][aria-selected=true]").is_visible()
        place = page.evaluate("location.hash")
        assert place.removeprefix(place_of(real_run, "failed")).startswith("/")
        page.locator(".trail a").first.click()
        page.wait_for_selector(".test")
        page.go_back()
        page.wait_for_selector("[role=option][aria-selected=true]:has-text('EnrollmentResponse')")
        assert page.evaluate("location.hash") == place


def test_a_failed_test_opens_at_its_first_fault(browser: Any, tmp_path: Path) -> None:
    """The fault that was done; the consoles beside it have their boards' names, and boards are in natural order."""
    run = tmp_path / "run"
    (run / "test").mkdir(parents=True)
    history = History(ManualClock(), run / "test" / "history.jsonl")
    for number in (10, 2):
        board = f"board-{number}"
        history.record(Kind.CONSOLE, "Device", "", "Console", {"board": board, "text": f"hello {number}"}, board)
    history.record(Kind.FAULT, "Harness", "Device", "cut power", {"board": "board-10"}, "board-10")
    history.note("stack stopping")
    history.close()
    said = {"test": "t.py::test_it", "outcome": "failed", "duration": 1.0, "blame": "product", "message": "lost"}
    (run / "test" / "result.json").write_text(json.dumps(said))
    write_run_report(run)
    with opened(browser, run, "#test-0") as page:
        page.wait_for_selector("[role=option][aria-selected=true]:has-text('cut power')")
        page.get_by_role("option", name="board-2: hello 2").wait_for()
        page.get_by_role("tab", name="Consoles").click()
        boards = page.get_by_role("listbox", name="Boards").get_by_role("option")
        boards.nth(2).wait_for()
        assert [text.split()[0] for text in boards.all_inner_texts()] == ["all", "board-2", "board-10"]


def test_a_console_line_leads_to_nearby_messages_and_changes(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "passed", "consoles")) as page:
        page.get_by_role("option", name="enrolled at").first.click()
        detail = page.get_by_role("complementary", name="Event")
        beside = detail.locator(".beside")
        beside.locator("tr", has_text="message").get_by_role("button").first.click()
        page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Timeline')")
        page.wait_for_selector("[role=option][aria-selected=true] .arrow.message")
        frame = detail.locator("h3").inner_text()
        assert frame in {"PATCH Device", "MODIFIED Device", "EnrollmentResponse", "ADDED Device", "POST Device"}
        beside.locator("tr", has_text="resource change").get_by_role("button").last.click()
        page.wait_for_selector(".detail .diff ins")
        assert detail.locator("h3").inner_text() == "Device"
        assert "status.phase" in detail.locator(".diff").inner_text()


@pytest.mark.parametrize(("tab", "row"), [("timeline", "cut link"), ("resources", "Device"), ("consoles", "cut link")])
def test_a_list_has_a_selected_row_from_the_start(browser: Any, real_run: Path, tab: str, row: str) -> None:
    """If no event failed the test, it is the first fault or its subject."""
    with opened(browser, real_run, place_of(real_run, "passed", tab)) as page:
        page.locator("[role=option][aria-selected=true]", has_text=row).wait_for()


def test_a_sequence_fits_the_window(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "failed", "sequences")) as page:
        wide = page.locator(".picture .wide")
        assert wide.evaluate("(box) => box.scrollWidth <= box.clientWidth")
        page.get_by_role("button", name="Actual size").click()
        page.get_by_role("button", name="Fit to window").wait_for()
        assert wide.evaluate("(box) => box.scrollWidth > box.clientWidth")


def test_the_timeline_by_keyboard(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "passed")) as page:
        page.get_by_role("listbox", name="Events").focus()
        page.keyboard.press("Home")
        first, title = page.inner_text(".detail h3"), page.inner_text("h1")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.wait_for_function("location.hash.endsWith('/timeline/2')")
        page.keyboard.press("f")
        page.wait_for_selector(".detail h3.fault")
        assert page.inner_text(".detail h3") == "cut link" != first
        page.keyboard.press("[")
        page.wait_for_function("(title) => document.querySelector('h1').innerText !== title", arg=title)
        page.get_by_role("group", name="Events over time").focus()
        page.keyboard.press("+")
        page.wait_for_function("document.querySelector('.map').innerText.includes('Reset zoom')")
        assert page.get_by_role("button", name="Reset zoom").is_enabled()
        page.keyboard.press("0")
        page.wait_for_function("[...document.querySelectorAll('.map button')].at(-1).disabled")
        page.keyboard.press("o")
        page.wait_for_selector(".tests")


def test_the_map_zooms_by_dragging_and_leads_to_events(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "passed")) as page:
        box = page.locator(".map canvas").bounding_box()
        before = page.locator(".controls [role=status]").inner_text()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
        page.wait_for_selector(".tip")
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=4)
        page.mouse.up()
        page.wait_for_selector("text=Clear filters")
        after = page.locator(".controls [role=status]").inner_text()
        assert " of " in after
        assert after != before
        page.get_by_role("button", name="Clear filters").click()
        assert page.locator(".controls [role=status]").inner_text() == before


def test_the_lane_of_a_gateway_shows_its_outage(
    browser: Any, write_history: Callable[..., Path], tmp_path: Path
) -> None:
    """The gateway was killed and started again before its heartbeats were missed: its status stayed Online."""
    online = {"change": "added", "name": "gateway-1", "status": {"phase": "Online"}}
    run = write_history(
        tmp_path / "run",
        (0.0, Kind.STATE, "Gateway", online),
        (10.0, Kind.NOTE, "gateway down", {"gateway": "gateway-1"}),
        (20.0, Kind.NOTE, "gateway up", {"gateway": "gateway-1"}),
        (30.0, Kind.NOTE, "later", {"gateway": "gateway-1"}),
    )
    with opened(browser, run, "#test-0/timeline") as page:
        box = page.locator(".map canvas").bounding_box()
        width = box["width"] - 116
        for part, phase in ((0.15, "Online"), (0.5, "down"), (0.85, "Online")):
            page.mouse.move(box["x"] + 116 + width * part, box["y"] + 10)
            page.wait_for_selector(f".tip .phase.{phase}")


def test_filters_show_only_matching_events(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "passed")) as page:
        page.get_by_role("button", name="fault", exact=True).click()
        assert page.locator("[role=option]").count() == 1
        page.get_by_role("button", name="fault", exact=True).click()
        page.get_by_label("Search events").fill("EnrollmentResponse")
        page.wait_for_function("document.querySelectorAll('[role=option]').length < 4")
        assert any("EnrollmentResponse" in each for each in page.locator("[role=option]").all_inner_texts())
        page.get_by_label("Search events").fill("")
        page.get_by_label("Device or application").fill("virtual-1")
        page.wait_for_function("document.querySelector('.controls [role=status]').innerText.includes(' of ')")


def test_resources_are_shown_change_by_change(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "passed", "resources")) as page:
        page.get_by_role("option", name="Device virtual-1").click()
        changes = page.locator(".changes > li")
        page.wait_for_selector(".changes > li")
        assert "added Pending" in " ".join(changes.first.inner_text().split())
        assert any("Connection lost" in text for text in changes.all_inner_texts())
        lost = changes.filter(has_text="Connection lost").first
        assert lost.locator("tr", has_text="status.phase").locator("del").inner_text() == "Connected"


def test_metrics_are_drawn_with_their_values(browser: Any, real_run: Path) -> None:
    with opened(browser, real_run, place_of(real_run, "passed", "metrics")) as page:
        names = page.locator(".chart .own").all_inner_texts()
        assert "TLS sessions at the gateway" in names
        assert "frames on the links" in names
        assert page.locator(".chart").first.locator(".fault-mark").count() == 1
        page.locator(".chart summary").first.click()
        assert page.locator(".chart").first.locator("tbody tr").count() > 2
        scale = page.locator(".chart").first.locator(".scale span:not(.widest)").all_inner_texts()
        assert scale == ["1", "0"]
        assert "per second" in page.locator(".chart", has_text="frames").locator("figcaption").inner_text()


def test_an_incomplete_history_is_marked_and_shown(browser: Any, cut_run: Path) -> None:
    with opened(browser, cut_run, "#test-0/timeline") as page:
        trouble = page.inner_text(".trouble")
        assert "the test has no result: the run was interrupted" in trouble
        assert "line 41 was cut off" in trouble
        assert "40 events" in page.inner_text(".verdict")
        assert page.locator("[role=option]").count() > 10


def test_a_list_of_40000_events_creates_only_visible_rows(browser: Any, fleet: Path) -> None:
    with opened(browser, fleet, "#test-0/timeline") as page:
        assert "40,000 events" in page.inner_text(".verdict")
        listbox = page.get_by_role("listbox", name="Events")
        listbox.focus()
        page.keyboard.press("End")
        page.wait_for_selector("[role=option][aria-posinset='40000'][aria-selected=true]")
        assert page.locator("[role=option]").count() < 100
        page.get_by_label("Device or application").fill("board-0500")
        page.wait_for_function("document.querySelector('.controls [role=status]').innerText.includes(' of 40,000')")
        listbox.focus()
        page.keyboard.press("Home")
        page.wait_for_selector("[role=option][aria-posinset='1'][aria-selected=true]:has-text('power on board-0500')")
        page.get_by_role("tab", name="Consoles 1,000").click()
        assert page.get_by_role("listbox", name="Boards").get_by_role("option").count() < 100
        page.get_by_label("Find a board").fill("0999")
        page.get_by_role("option", name="board-0999").click()
        page.wait_for_selector("text=wasmbed 1.0.0 on virtual board board-0999")


def test_one_command_runs_all_tests_again_that_did_not_pass(
    browser: Any, leave: Callable[..., Path], tmp_path: Path
) -> None:
    names = ["test_a.py::test_it[by name]", "test_b.py::test_it"]
    for index, name in enumerate(names):
        rerun = shlex.join(["pytest", name, "--seed=7"])
        leave(tmp_path / f"run/{index}", test=name, outcome="failed", blame="product", rerun=rerun)
    write_run_report(tmp_path / "run")
    with opened(browser, tmp_path / "run") as page:
        again = page.get_by_role("region", name="Run the 2 tests that did not pass again").locator("code").inner_text()
    assert shlex.split(again) == ["pytest", *names, "--seed=7"]


def test_a_long_list_of_tests_scrolls(browser: Any, leave: Callable[..., Path], tmp_path: Path) -> None:
    first = leave(tmp_path / "run" / "test-0000")
    for number in range(1, 400):
        shutil.copytree(first, tmp_path / "run" / f"test-{number:04}")
    write_run_report(tmp_path / "run")
    with opened(browser, tmp_path / "run") as page:
        assert 0 < page.locator(".test").count() < 60
        page.evaluate("document.querySelector('.rows').scrollTop = 1e6")
        page.wait_for_selector("a[href='#test-399/timeline']")


def test_earlier_runs_are_drawn(browser: Any, real_run: Path, tmp_path: Path) -> None:
    """Absent values are not drawn: no ratio without a measurement, no rate without a judged test."""
    run = tmp_path / "run"
    shutil.copytree(real_run, run)
    counts = {"not_run": 1, "flaky": 1}
    trend = [{"run": f"run-{n}", "passed": 8 - 2 * n, "failed": 0, "duration": 4.5 + n} | counts for n in range(5)]
    write_run_report(run, trend=[*trend, {"run": "run", "passed": 1, "failed": 1, "figures": {"enroll_rate": 0.48}}])
    with opened(browser, run) as page:
        section = page.get_by_role("region", name="Earlier runs", exact=True)
        drawn = {}
        for chart in section.locator(".chart").all():
            chart.locator("summary").click()
            rows = chart.locator("tbody tr").all_inner_texts()
            drawn[chart.locator(".own").inner_text()] = dict(row.split("\t") for row in rows)
        assert drawn == {
            "passed, of judged tests": {**{f"run-{n}": "100 %" for n in range(4)}, "run": "50 %"},
            "flaky, of judged tests": {"run-0": "12.5 %", "run-1": "16.7 %", "run-2": "25 %", "run-3": "50 %"},
            "time in tests": {f"run-{n}": f"{4.5 + n:.2f} s" for n in range(5)},
            "enroll_rate": {"run": "0.480"},
        }
        assert section.locator(".wide tbody tr").first.inner_text().startswith("run (this run)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_problem(browser: Any, real_run: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    # The dark page differs only in its colours.
    rules = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if scheme == "dark" else {})
    found = []
    with opened(browser, real_run, color_scheme=scheme) as page:
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 21, 23)"
        assert dark == (scheme == "dark")
        found += [("overview", problem) for problem in serious(axe.run(page, options=rules).response)]
        for outcome, tab in [("failed", "sequences"), *(("passed", tab) for tab in TABS if tab != "sequences")]:
            page.goto((real_run / "index.html").as_uri() + place_of(real_run, outcome, tab) + "/30")
            page.wait_for_selector(f"#tab-{tab}[aria-selected=true]")
            settled(page)
            found += [(tab, problem) for problem in serious(axe.run(page, options=rules).response)]
    assert found == []


def serious(response: dict[str, Any]) -> list[str]:
    return [
        f"{violation['id']}: {[node['html'][:120] for node in violation['nodes'][:3]]}"
        for violation in response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("width", [320, 800])
def test_narrow_windows_have_no_horizontal_scroll(browser: Any, real_run: Path, width: int) -> None:
    with opened(browser, real_run, viewport={"width": width, "height": 800}) as page:
        places = [
            "#run",
            *(f"{place_of(real_run, outcome, tab)}/20" for outcome in ("failed", "passed") for tab in TABS),
        ]
        for place in places:
            page.goto((real_run / "index.html").as_uri() + place)
            page.wait_for_selector("[role=tab]" if place != "#run" else ".tests")
            settled(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place


def test_expected_failures_and_tests_without_a_stack_are_shown(
    browser: Any, leave: Callable[..., Path], tmp_path: Path
) -> None:
    run = leave(tmp_path / "run" / "known", outcome="expected failure", message="known bug\n\nmore").parent
    leave(run / "mended", outcome="unexpected pass", message="known bug")
    (run / "verdicts.jsonl").write_text('{"test": "t.py::test_plain", "outcome": "failed", "message": "assert 0"}\n')
    row = {"run": "run", "expected_failure": 1, "unexpected_pass": 1}
    write_run_report(run, trend=[{"run": "before"}, row])
    with opened(browser, run) as page:
        assert "1 failed 1 unexpected pass 1 expected failure" in " ".join(page.inner_text("header .lead").split())
        assert page.locator("a.test .why").all_inner_texts() == ["assert 0", "known bug", "known bug"]
        assert "expected failures" in page.get_by_role("region", name="Table of earlier runs").inner_text()
        page.get_by_role("link", name="plain").click()
        page.get_by_text("This test has no stack, so nothing was recorded.").wait_for()
        assert page.get_by_role("tab").count() == 0
