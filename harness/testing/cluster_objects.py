"""Checks of objects in a kind of cluster. Each function is one check, and its docstring is the rule."""

from __future__ import annotations

import base64
from typing import Any

from harness.testing.cluster_fixture import ClusterFixture, refused
from harness.testing.require import require
from harness.wasmbed.resources.api import Conflict, Invalid, NotFound, Object
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, DEVICE, LEASE, SECRET
from harness.wasmbed.resources.names import CRL_KEY, GROUP


async def stores_what_it_is_given(fixture: ClusterFixture) -> None:
    """A created object is stored as it was given, with the server's metadata."""
    given = fixture.device(labels={"shelf": "a"})
    made = await fixture.api.create(DEVICE, given)
    found = await fixture.api.get(DEVICE, given["metadata"]["name"])
    require(found == made, "an object differs when it is read again")
    require(found["spec"] == given["spec"], f"the spec {given['spec']} came back as {found['spec']}")
    meta = found["metadata"]
    require(meta["labels"] == {"shelf": "a"}, f"the labels came back as {meta.get('labels')}")
    require(meta["namespace"] == fixture.api.namespace, f"the namespace is {meta.get('namespace')}")
    for member in ("uid", "resourceVersion", "creationTimestamp"):
        require(meta.get(member), f"metadata.{member} is missing")
    require(meta["generation"] == 1, f"the generation of a new object is {meta.get('generation')}")


async def keeps_what_it_has(fixture: ClusterFixture) -> None:
    """A change of a client's copy of an object changes nothing on the server, and vice versa."""
    given = fixture.device()
    made = await fixture.api.create(DEVICE, given)
    made["spec"]["deviceType"] = given["spec"]["deviceType"] = "altered"
    listed = await fixture.api.list(DEVICE)
    for item in listed.items:
        item["spec"]["deviceType"] = "altered"
    found = await fixture.api.get(DEVICE, made["metadata"]["name"])
    require(found["spec"]["deviceType"] == "virtual", "an object was altered without a request")


async def refuses_a_name_twice(fixture: ClusterFixture) -> None:
    """A second object of the same name is refused with 409 AlreadyExists."""
    made = await fixture.make_device()
    async with refused(Conflict, "a second object of one name") as caught:
        await fixture.make_device(name=made["metadata"]["name"])
    require(caught[0].reason == "AlreadyExists", f"the reason is {caught[0].reason}, not AlreadyExists")


async def says_what_is_not_there(fixture: ClusterFixture) -> None:
    """Every verb on an absent object is answered with 404."""
    name = fixture.name("absent")
    async with refused(NotFound, "a get of an absent object"):
        await fixture.api.get(DEVICE, name)
    async with refused(NotFound, "a patch of an absent object"):
        await fixture.api.patch(DEVICE, name, {"metadata": {"labels": {"a": "b"}}})
    async with refused(NotFound, "a status patch of an absent object"):
        await fixture.api.patch_status(DEVICE, name, {"status": {"phase": "Enrolling"}})
    async with refused(NotFound, "a deletion of an absent object"):
        await fixture.api.delete(DEVICE, name)


async def makes_up_names(fixture: ClusterFixture) -> None:
    """``generateName`` makes different names."""
    one, other = [fixture.device() for _ in range(2)]
    for given in (one, other):
        given["metadata"] = {"generateName": "made-"}
    names = [(await fixture.api.create(DEVICE, given))["metadata"]["name"] for given in (one, other)]
    require(all(name.startswith("made-") for name in names), f"the names lack the prefix made-: {names}")
    require(names[0] != names[1], f"one name was generated twice: {names[0]}")


async def defaults_and_prunes(fixture: ClusterFixture) -> None:
    """The schema's defaults are filled in, and fields that it lacks are dropped."""
    name = fixture.name()
    given: Object = {
        "apiVersion": APPLICATION.api_version,
        "kind": APPLICATION.kind,
        "metadata": {"name": name},
        "spec": {"wasmRef": "0" * 64, "targetDevices": {"allDevices": True}, "noSuchField": 1},
    }
    made = await fixture.api.create(APPLICATION, given)
    require(made["spec"]["config"]["entry"] == "run", f"spec.config.entry is {made['spec'].get('config')}")
    require(made["spec"]["stopped"] is False, f"spec.stopped is {made['spec'].get('stopped')}")
    require("noSuchField" not in made["spec"], "a field that the schema does not name was stored")


async def validates(fixture: ClusterFixture) -> None:
    """An object that breaks the schema is refused with 422, and the causes name the fields."""
    given = fixture.device()
    given["spec"].pop("publicKey")
    given["spec"]["capabilities"] = "wasm"
    async with refused(Invalid, "a Device without a key") as caught:
        await fixture.api.create(DEVICE, given)
    causes = {cause["field"]: cause["reason"] for cause in caught[0].status["details"]["causes"]}
    require("spec.publicKey" in causes, f"the causes do not name spec.publicKey: {causes}")
    require("spec.capabilities" in causes, f"the causes do not name spec.capabilities: {causes}")
    made = await fixture.make_device()
    name = made["metadata"]["name"]
    async with refused(Invalid, "an unknown phase"):
        await fixture.api.patch_status(DEVICE, name, {"status": {"phase": "Dreaming"}})
    require(await fixture.api.get(DEVICE, name) == made, "a refused patch changed something")


async def merges_patches(fixture: ClusterFixture) -> None:
    """A merge patch sets members, removes those that are null, and leaves the rest."""
    made = await fixture.make_device(labels={"a": "1", "b": "2"}, firmware_version="1")
    name = made["metadata"]["name"]
    patch = {"metadata": {"labels": {"a": None, "c": "3"}}, "spec": {"firmwareVersion": "2"}}
    patched = await fixture.api.patch(DEVICE, name, patch)
    require(patched["metadata"]["labels"] == {"b": "2", "c": "3"}, f"labels: {patched['metadata']['labels']}")
    require(patched["spec"] == {**made["spec"], "firmwareVersion": "2"}, f"spec: {patched['spec']}")
    require(
        patched["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"],
        "the resourceVersion did not move",
    )


async def keeps_the_status_apart(fixture: ClusterFixture) -> None:
    """The status is written only through its subresource, and the subresource writes nothing else."""
    given = fixture.device()
    given["status"] = {"phase": "Connected"}
    made = await fixture.api.create(DEVICE, given)
    name = made["metadata"]["name"]
    require(made["status"]["phase"] == "Pending", f"a status was created: {made['status']}")
    patch: Object = {"status": {"phase": "Enrolling"}, "spec": {"firmwareVersion": "2"}}
    patched = await fixture.api.patch(DEVICE, name, patch)
    require(patched["status"]["phase"] == "Pending", "a patch of the object changed its status")
    patch["spec"] = {"firmwareVersion": "3"}
    patched = await fixture.api.patch_status(DEVICE, name, patch)
    require(patched["status"]["phase"] == "Enrolling", f"the status became {patched['status']}")
    require(patched["spec"]["firmwareVersion"] == "2", "a patch of the status changed the spec")


async def counts_generations(fixture: ClusterFixture) -> None:
    """The generation grows with the spec, not with status or labels; a patch without a change changes nothing."""
    made = await fixture.make_device()
    name = made["metadata"]["name"]
    status = await fixture.api.patch_status(DEVICE, name, {"status": {"phase": "Enrolling"}})
    labels = await fixture.api.patch(DEVICE, name, {"metadata": {"labels": {"a": "b"}}})
    spec = await fixture.api.patch(DEVICE, name, {"spec": {"firmwareVersion": "2"}})
    same = await fixture.api.patch(DEVICE, name, {"spec": {"firmwareVersion": "2"}})
    found = [one["metadata"]["generation"] for one in (made, status, labels, spec, same)]
    require(found == [1, 1, 1, 2, 2], f"the generations are {found}, not [1, 1, 1, 2, 2]")
    require(same == spec, "a patch that changes nothing changed something")


async def refuses_stale_writes(fixture: ClusterFixture) -> None:
    """A write with an old resourceVersion is refused with 409."""
    made = await fixture.make_device()
    name = made["metadata"]["name"]
    fresh = await fixture.api.patch(DEVICE, name, {"metadata": {"labels": {"a": "b"}}})
    async with refused(Conflict, "a stale PUT") as caught:
        await fixture.api.replace(DEVICE, name, made)
    require(caught[0].reason == "Conflict", f"the reason is {caught[0].reason}, not Conflict")
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    async with refused(Conflict, "a stale status patch"):
        await fixture.api.patch_status(DEVICE, name, {**stale, "status": {"phase": "Enrolling"}})
    fresh["spec"]["firmwareVersion"] = "2"
    replaced = await fixture.api.replace(DEVICE, name, fresh)
    require(replaced["spec"]["firmwareVersion"] == "2", "a PUT of the present version did not replace the object")


async def lets_one_of_two_win(fixture: ClusterFixture) -> None:
    """Of several writers with the same resourceVersion, one succeeds and the others get 409."""
    made = await fixture.make_device()
    name, version = made["metadata"]["name"], made["metadata"]["resourceVersion"]

    async def write(text: str) -> str | None:
        body = {"metadata": {"resourceVersion": version}, "spec": {"firmwareVersion": text}}
        try:
            await fixture.api.patch(DEVICE, name, body)
        except Conflict:
            return None
        return text

    won = [text for text in await fixture.at_once(*(write(str(one)) for one in range(5))) if text is not None]
    require(len(won) == 1, f"{len(won)} of 5 writers of one version won")
    found = await fixture.api.get(DEVICE, name)
    require(found["spec"]["firmwareVersion"] == won[0], "another writer than the winner was stored")


async def deletes_on_conditions(fixture: ClusterFixture) -> None:
    """A deletion with another uid or resourceVersion than the object's is refused with 409."""
    made = await fixture.make_device()
    name, meta = made["metadata"]["name"], made["metadata"]
    async with refused(Conflict, "a deletion with another uid"):
        await fixture.api.delete(DEVICE, name, uid="00000000-0000-4000-8000-000000000000")
    patched = await fixture.api.patch(DEVICE, name, {"metadata": {"labels": {"a": "b"}}})
    async with refused(Conflict, "a deletion with a stale resourceVersion"):
        await fixture.api.delete(DEVICE, name, resource_version=meta["resourceVersion"])
    version = patched["metadata"]["resourceVersion"]
    await fixture.api.delete(DEVICE, name, uid=meta["uid"], resource_version=version)
    await fixture.wait_until_deleted(DEVICE, name, "a deleted object")


async def waits_for_finalizers(fixture: ClusterFixture) -> None:
    """A deleted object stays, marked, until its last finalizer is removed."""
    given = fixture.device()
    name = given["metadata"]["name"]
    given["metadata"]["finalizers"] = [f"{GROUP}/check"]
    await fixture.api.create(DEVICE, given)
    await fixture.api.delete(DEVICE, name)
    marked = await fixture.api.get(DEVICE, name)
    require(marked["metadata"].get("deletionTimestamp"), "a deleted object with a finalizer is not marked")
    async with refused(Invalid, "a finalizer on an object that is being deleted"):
        await fixture.api.patch(DEVICE, name, {"metadata": {"finalizers": [f"{GROUP}/check", f"{GROUP}/more"]}})
    await fixture.api.patch(DEVICE, name, {"metadata": {"finalizers": None}})
    await fixture.wait_until_deleted(DEVICE, name, "an object without finalizers")


async def collects_dependents(fixture: ClusterFixture) -> None:
    """Objects whose owners are all deleted are deleted too."""
    owner = await fixture.make_device()
    name = fixture.name("owned")
    reference = {"apiVersion": DEVICE.api_version, "kind": DEVICE.kind}
    reference |= {member: owner["metadata"][member] for member in ("name", "uid")}
    await fixture.api.create(CONFIG_MAP, {"metadata": {"name": name, "ownerReferences": [reference]}})
    await fixture.api.delete(DEVICE, owner["metadata"]["name"])
    await fixture.wait_until_deleted(CONFIG_MAP, name, "an object whose owner was deleted")


async def selects(fixture: ClusterFixture) -> None:
    """Lists can be narrowed by labels and by fields."""
    shelf = fixture.name("shelf")
    names = [fixture.name() for _ in range(3)]
    for name, place in zip(names, ("left", "right", "right"), strict=True):
        await fixture.make_device(name=name, labels={"shelf": shelf, "place": place})
    await fixture.api.patch_status(DEVICE, names[1], {"status": {"phase": "Enrolling"}})

    async def found(**selectors: str) -> set[str]:
        listed = await fixture.api.list(DEVICE, **selectors)
        return {item["metadata"]["name"] for item in listed.items}

    cases: list[tuple[dict[str, str], set[str]]] = [
        ({"label_selector": f"shelf={shelf}"}, set(names)),
        ({"label_selector": f"shelf={shelf},place!=left"}, set(names[1:])),
        ({"label_selector": f"shelf in ({shelf}),place notin (right)"}, {names[0]}),
        ({"field_selector": f"metadata.name={names[2]}"}, {names[2]}),
        ({"label_selector": f"shelf={shelf}", "field_selector": "status.phase=Enrolling"}, {names[1]}),
    ]
    for selectors, expected in cases:
        actual = await found(**selectors)
        require(actual == expected, f"{selectors} selects {sorted(actual)}, not {sorted(expected)}")


async def keeps_other_kinds(fixture: ClusterFixture) -> None:
    """Secrets, ConfigMaps and Leases are stored; a Secret's ``stringData`` becomes its ``data``."""
    name = fixture.name()
    secret = await fixture.api.create(SECRET, {"metadata": {"name": name}, "stringData": {"token": "välue"}})
    require(base64.b64decode(secret["data"]["token"]).decode() == "välue", f"the secret's data is {secret.get('data')}")
    binary = base64.b64encode(bytes(range(256))).decode()
    config = await fixture.api.create(CONFIG_MAP, {"metadata": {"name": name}, "binaryData": {CRL_KEY: binary}})
    require(config["binaryData"] == {CRL_KEY: binary}, "a ConfigMap's binary data was altered")
    spec: dict[str, Any] = {"holderIdentity": "checker", "leaseDurationSeconds": 15}
    lease = await fixture.api.create(LEASE, {"metadata": {"name": name}, "spec": spec})
    lease["spec"]["holderIdentity"] = "other"
    taken = await fixture.api.replace(LEASE, name, lease)
    require(taken["spec"]["holderIdentity"] == "other", f"the lease is {taken['spec']}")
