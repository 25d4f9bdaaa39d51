"""Elastic network interfaces of awsvpc tasks: real ones of moto's EC2 where the subnet is, gone with the task."""

from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.subnets import Subnet
from moto.ecs.models import ecs_backends
from moto.moto_api._internal import mock_random

from longshore_local.ecs import identifiers
from longshore_local.ecs.tasks import Task


def place(task: Task) -> None:
    """Chooses the subnet, of those stated the one with the fewest tasks, and with it the Availability Zone."""
    network = _network(task)
    if network is None:
        return
    stated: list[str] = network["subnets"]
    task.subnet = min(stated, key=_load(task)) if len(stated) > 1 else stated[0]
    subnet = _subnet(task)
    if subnet is not None:
        task.zone = subnet.availability_zone
    _show(task, "PRECREATED", {"subnetId": task.subnet})


def attach(task: Task) -> None:
    """Makes the interface, in moto's EC2 where the subnet is one of it."""
    network = _network(task)
    if network is None or not task.attachments:
        return
    subnet = _subnet(task)
    if subnet is None:
        host = [mock_random.randint(1, 254) for _ in range(3)]
        name, address = f"eni-{identifiers.hexadecimal(17)}", f"10.{host[0]}.{host[1]}.{host[2]}"
        mac = "0e:" + ":".join(identifiers.hexadecimal(2) for _ in range(5))
    else:
        made = _made(task, subnet, network)
        name, address, mac = made.id, str(made.private_ip_address), made.mac_address
    details = {
        "subnetId": str(task.subnet),
        "networkInterfaceId": name,
        "macAddress": mac,
        "privateDnsName": f"ip-{address.replace('.', '-')}.{task.region}.compute.internal",
        "privateIPv4Address": address,
    }
    _show(task, "ATTACHED", details)
    for container in task.containers:
        container.interfaces = [{"attachmentId": task.attachments[0]["id"], "privateIpv4Address": address}]


def detach(task: Task) -> None:
    """Removes the interface; what the task still shows of it says so."""
    for attachment in task.attachments:
        if attachment["type"] != "ElasticNetworkInterface":
            continue
        attachment["status"] = "DELETED"
        name = next((pair["value"] for pair in attachment["details"] if pair["name"] == "networkInterfaceId"), "")
        backend = _backend(task)
        if backend is not None:
            backend.enis.pop(name, None)


def forget() -> None:
    """Removes the interfaces of every task there is."""
    for backends in ecs_backends.values():
        for backend in backends.values():
            for held in backend.tasks.values():
                for task in held.values():
                    if isinstance(task, Task):
                        detach(task)


def address_of(task: Task) -> str | None:
    """The private address of the task, None before it has one."""
    pairs = [pair for attachment in task.attachments for pair in attachment["details"]]
    return next((str(pair["value"]) for pair in pairs if pair["name"] == "privateIPv4Address"), None)


def _made(task: Task, subnet: Subnet, network: dict[str, Any]) -> NetworkInterface:
    backend = ec2_backends[task.account][task.region]
    text = identifiers.arn(task.region, task.account, f"attachment/{task.attachments[0]['id']}")
    made = backend.create_network_interface(subnet, "", group_ids=network.get("securityGroups"), description=text)
    made.status = "in-use"
    made.requester_managed = True
    made.public_ip_auto_assign = network.get("assignPublicIp") == "ENABLED"
    made.check_auto_public_ip()
    return made


def _show(task: Task, status: str, details: dict[str, str]) -> None:
    pairs = [{"name": name, "value": value} for name, value in details.items()]
    if not task.attachments:
        task.attachments.append({"id": identifiers.uuid(), "type": "ElasticNetworkInterface"})
    task.attachments[0] |= {"status": status, "details": pairs}


def _network(task: Task) -> dict[str, Any] | None:
    network: dict[str, Any] | None = (task.settings.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    return network if task.definition.network_mode == "awsvpc" and network else None


def _load(task: Task) -> Any:
    held: Any = ecs_backends[task.account][task.region].tasks.get(task.cluster_name, {})
    live = [getattr(each, "subnet", None) for each in held.values() if each.last_status != "STOPPED"]
    return live.count


def _backend(task: Task) -> EC2Backend | None:
    backends = ec2_backends[task.account]
    return backends[task.region] if dict.__contains__(backends, task.region) else None  # making one takes its time


def _subnet(task: Task) -> Subnet | None:
    backend = _backend(task)
    zones = backend.subnets.values() if backend is not None else ()
    return next((held[task.subnet] for held in zones if task.subnet in held), None)
