"""``wasmbed publications``: what an application publishes on its devices.

The Application's status keeps the latest 20 of each device; more that come between two writes of it are not seen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completion
from harness.cli.cluster import check_applications, cluster_options
from harness.cli.forms import form_option, show_change, show_document
from harness.cli.output import say
from harness.cli.reading import read
from harness.cli.resources import find_application
from harness.cli.tables import Table

if TYPE_CHECKING:
    from harness.cli.shapes import PublicationRow
    from harness.wasmbed.resources.api import Object
    from harness.wasmbed.resources.blocking_reader import Reader


@click.command()
@click.argument("name", metavar="APPLICATION", shell_complete=completion.applications)
@click.option("--device", metavar="NAME", help="Only those of this device.")
@click.option("--follow", "-f", is_flag=True, help="Continue with each further one until Ctrl-C.")
@form_option
@cluster_options
def publications(
    name: str, device: str | None, follow: bool, form: str, kubeconfig: Path | None, namespace: str
) -> None:
    """Show the latest publications of an application, with the device and the time of its report.

    A payload that is not text is in base64. With --follow and -o json each line is one publication.
    """
    check_applications()

    async def work(api: Reader) -> Object:
        return await find_application(api, name, namespace)

    rows = [row for row in _rows(read(work, kubeconfig, namespace)) if device in (None, row["device"])]
    if follow:
        _follow(name, device, form, kubeconfig, namespace)
        return
    if show_document(form, {"publications": rows}, [f"{row['device']}/{row['topic']}" for row in rows]):
        return
    table = Table("time", "device", "topic", "payload")
    for row in rows:
        table.add(row["time"], row["device"], row["topic"], row["payload"])
    table.show("nothing was published yet")


def _follow(name: str, device: str | None, form: str, kubeconfig: Path | None, namespace: str) -> None:
    from harness.cli.watching import watch_changes
    from harness.wasmbed.resources.kinds import APPLICATION

    def changed(old: Object | None, new: Object | None) -> None:
        if new is None or new["metadata"]["name"] != name:
            return
        for row in _rows(new, old or {}):
            if device in (None, row["device"]):
                _say(row, form)

    watch_changes(APPLICATION, changed, kubeconfig, namespace)


def _say(row: PublicationRow, form: str) -> None:
    if not show_change(form, row, [f"{row['device']}/{row['topic']}"]):
        say(f"{row['time']}  {row['device']}  {row['topic']}: {row['payload']}")


def _rows(new: Object, old: Object | None = None) -> Iterator[PublicationRow]:
    """The publications of an Application that it had not before, by device."""
    before = _entries(old or {})
    for device, entry in sorted(_entries(new).items()):
        output = entry.get("output") or []
        for each in output[_known(before.get(device, {}).get("output") or [], output) :]:
            yield {
                "time": entry.get("updated"),
                "device": device,
                "topic": each["topic"],
                "payload": each["payload"],
                "encoding": each.get("encoding") or "text",
            }


def _known(before: Sequence[Any], after: Sequence[Any]) -> int:
    """How many of the first ones in ``after`` are the last ones of ``before``."""
    return next(
        count for count in range(min(len(before), len(after)), -1, -1) if before[len(before) - count :] == after[:count]
    )


def _entries(item: Object) -> dict[str, Any]:
    entries: dict[str, Any] = (item.get("status") or {}).get("deviceStatuses") or {}
    return entries
