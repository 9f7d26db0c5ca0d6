"""Keywords that disturb links, whichever gateway they lead to."""

from pathlib import Path

from tests.robot.project import Project

CASES = """
A Link Is Disturbed
    ${board}=    Power On Board
    Device Should Reach Phase    ${board}    Connected    within=60s
    Disturb The Link Of    ${board}    cut=yes
    Device Should Reach Phase    ${board}    Disconnected    within=60s
    Stop Disturbing The Link Of    ${board}
    Device Should Reach Phase    ${board}    Connected    within=60s
    Disturb The Link Of    ${board}    delay=20ms    bandwidth=20000
    Stop Disturbing The Link Of    ${board}
Nothing Is No Disturbance
    ${board}=    Power On Board
    Run Keyword And Expect Error    *say what to do*    Disturb The Link Of    ${board}
"""


def test_a_link_is_cut_delayed_and_restored(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(CASES, "relay=yes")
    code, output = project.run("it.robot")
    assert code == 0, output
    faults = [event["data"] for event in project.events("A Link Is Disturbed") if event["name"] == "disturb link"]
    assert faults == [{"cut": True}, {"delay": 0.02, "bandwidth": 20000}]
