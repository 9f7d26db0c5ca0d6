"""``until`` refuses conditions that can never be met, and knows the values of the schemas."""

from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.stack.waiting import Conditions
from harness.wasmbed.resources.kinds import load_crds
from harness.wasmbed.resources.view_fields import choices, field_names
from harness.wasmbed.resources.views import ApplicationStatus, DeviceEntry, DeviceStatus, GatewayStatus


@pytest.mark.parametrize(
    ("status", "conditions", "message"),
    [
        (DeviceStatus, {"phase": "Conected"}, "'Conected'(.|\n)*did you mean 'Connected'"),
        (DeviceStatus, {"phase": "Running"}, "DeviceStatus is never 'Running'(.|\n)*Pending, Enrolling"),
        (DeviceStatus, {"health": "good"}, "healthy, degraded, unhealthy, unknown"),
        (DeviceStatus, {"phaze": "Connected"}, "has no phaze(.|\n)*did you mean 'phase'"),
        (ApplicationStatus, {"statistics": {"runing": 3}}, "has no runing(.|\n)*did you mean 'running'"),
        (DeviceEntry, {"state": "Running"}, "did you mean 'running'"),
        (GatewayStatus, {"phase": "Ofline"}, "did you mean 'Offline'"),
    ],
)
def test_a_condition_that_can_never_be_met_is_refused(status: type, conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Conditions(status, conditions)


def test_conditions_that_can_be_met_are_accepted() -> None:
    Conditions(DeviceStatus, {"phase": "Connected", "error": None, "health": lambda health: health != "healthy"})
    Conditions(ApplicationStatus, {"phase": "Running", "statistics": {"running": 3}, "deployed_devices": ["pump"]})


def test_the_values_are_those_of_the_schemas() -> None:
    device, application, gateway = (
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
        for definition in load_crds()
    )
    entry = application["deviceStatuses"]["additionalProperties"]["properties"]
    for view, schema in (
        (DeviceStatus, device),
        (ApplicationStatus, application),
        (GatewayStatus, gateway),
        (DeviceEntry, entry),
    ):
        found = {name: list(values) for name in field_names(view) if (values := choices(view, name)) is not None}
        assert found == {name: schema[name]["enum"] for name in schema if "enum" in schema[name]}
