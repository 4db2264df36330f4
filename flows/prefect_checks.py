"""What a configured Prefect server has and lacks for deployments of stylepress, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import prefect
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import EventTrigger

from flows import heartbeats
from flows.findings import Finding
from flows.local_prefect import PrefectError

_DEPLOYMENTS = ("adhoc", "nightly", "publish")
_DEPLOY = "`prefect deploy --all --no-prompt`, in the folder of prefect.yaml"
_FREQUENCY = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"


def examine(address: str) -> Iterator[Finding]:
    """Look at a server that answers: version, database, deployments, work pools, the automation, heartbeats.

    Args:
        address: as messages name it.
    """
    try:
        with heartbeats.answered(), get_client(sync_client=True) as client:
            yield _server(client, address)
            known = client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=list(heartbeats.FLOWS))))
            yield _deployments(client, known)
            for pool in sorted({d.work_pool_name for d in known if d.work_pool_name}):
                yield _pool(client, pool)
            yield _heartbeats(known)
    except PrefectError as error:
        yield Finding("prefect", "wrong", f"{address}: {error}")


def _server(client: SyncPrefectClient, address: str) -> Finding:
    version = str(client.request("GET", "/admin/version").json())
    settings: dict[str, Any] = client.request("GET", "/admin/settings").json()
    said = f"server at {address} answers: Prefect {version}, {_database(settings)}"
    if version.split(".")[:2] != prefect.__version__.split(".")[:2]:
        return Finding("prefect", "note", f"{said}; here is Prefect {prefect.__version__}: use the same on both sides")
    return Finding("prefect", "ok", said)


def _database(settings: dict[str, Any]) -> str:
    """What a server tells of its database: the driver, where one was named; addresses are kept secret."""
    driver = str((settings.get("server") or {}).get("database", {}).get("driver") or "")
    if driver:
        return "on PostgreSQL" if driver.startswith("postgresql") else "on SQLite"
    return "which does not tell its database (SQLite where none was named; for many workers use PostgreSQL)"


def _deployments(client: SyncPrefectClient, known: list[DeploymentResponse]) -> Finding:
    what = "deployments"
    if not known:
        return Finding(what, "note", f"there are none; {_DEPLOY}, makes them")
    said = ", ".join(sorted(f"{d.name} (paused)" if d.paused else d.name for d in known))
    if missing := [name for name in _DEPLOYMENTS if name not in {d.name for d in known}]:
        return Finding(what, "note", f"{said}; {', '.join(missing)} would be made by {_DEPLOY}")
    for deployment in known:
        if not deployment.paused and any(s.active for s in deployment.schedules) and not _next(client, deployment):
            late = "a server needs up to a minute for the first; its log says what keeps it"
            return Finding(what, "note", f"{said}; no run of {deployment.name} is scheduled: {late}")
    return Finding(what, "ok", said)


def _next(client: SyncPrefectClient, deployment: DeploymentResponse) -> bool:
    """Whether a run of a deployment is scheduled."""
    scheduled = FlowRunFilterStateType(any_=[StateType.SCHEDULED])
    chosen = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]), state=FlowRunFilterState(type=scheduled)
    )
    return bool(client.read_flow_runs(flow_run_filter=chosen, limit=1))


def _pool(client: SyncPrefectClient, name: str) -> Finding:
    what = f"pool {name}"
    pool = client.read_work_pool(name)
    online = [w for w in client.read_workers_for_work_pool(name) if str(w.status).upper().endswith("ONLINE")]
    if pool.is_paused:
        return Finding(what, "note", f"it is paused: `prefect work-pool resume {name}`")
    if not online and not (pool.is_push_pool or pool.is_managed_pool):
        start = f"`prefect worker start --pool {name} --type {pool.type}`"
        return Finding(what, "wrong", f"no worker is online, so that nothing is run; {start}")
    return Finding(what, "ok", f"{pool.type}, {len(online)} worker{'' if len(online) == 1 else 's'} online")


def _heartbeats(known: list[DeploymentResponse]) -> Finding:
    what = "heartbeats"
    there = heartbeats.find()
    if there is None:
        return Finding(what, "note", "runs that are killed stay `Running` for ever; `stylepress heartbeats` mends that")
    if not there.enabled:
        return Finding(what, "note", f"the automation {there.name!r} is disabled; enable it in Prefect's pages")
    within = there.trigger.within.total_seconds() if isinstance(there.trigger, EventTrigger) else 0.0
    slow = [d.name for d in known if int((d.job_variables or {}).get("env", {}).get(_FREQUENCY) or 180) > within]
    if slow:
        said = f"{', '.join(slow)} send them too seldom for an automation that waits {within:.0f} s"
        return Finding(
            what, "wrong", f"{said}: set {_FREQUENCY} to 30 in their job variables' env, as prefect.yaml does"
        )
    return Finding(what, "ok", f"a run that is silent for {within:.0f} s is marked as crashed")
