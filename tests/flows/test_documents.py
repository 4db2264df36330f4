"""What docs/prefect.md and prefect.yaml say is true of Prefect's own work pools."""

import json
import re
from pathlib import Path

import prefect
import pytest
import yaml
from prefect.utilities.templating import find_placeholders
from prefect_server import ROOT

TEMPLATE = json.loads((ROOT / "docs/kubernetes-pool.json").read_text())
PAGE = (ROOT / "docs/prefect.md").read_text()
SHIPPED = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"


def placeholders(part):
    return {found.name for found in find_placeholders(part)}


def examples():
    """The YAML of the page, its anchors resolved."""
    return [yaml.safe_load(text)["definitions"] for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def shipped(package, kind):
    return json.loads(SHIPPED.read_text())[package][kind]["default_base_job_configuration"]


def test_every_variable_of_the_kubernetes_template_is_used_and_every_placeholder_is_one():
    variables = set(TEMPLATE["variables"]["properties"])
    assert placeholders(TEMPLATE["job_configuration"]) == variables


def test_the_kubernetes_template_configures_what_prefects_worker_expects():
    theirs = shipped("prefect-kubernetes", "kubernetes")["job_configuration"]
    ours = TEMPLATE["job_configuration"]
    assert set(ours) == set(theirs)
    spec, container = ours["job_manifest"]["spec"], theirs["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
    (own,) = spec["template"]["spec"]["containers"]
    assert {name: own[name] for name in ("env", "image", "args")} == {
        name: container[name] for name in ("env", "image", "args")
    }


@pytest.mark.parametrize(("number", "name"), [(0, "container"), (1, "job")])
def test_job_variables_of_the_page_are_variables_of_the_pool(number, name):
    template = TEMPLATE if name == "job" else shipped("prefect-docker", "docker")
    assert set(examples()[number][name]) <= set(template["variables"]["properties"])


def test_a_pool_with_the_template_is_accepted_by_the_server(prefect):
    template = ROOT / "docs/kubernetes-pool.json"
    prefect.run("work-pool", "create", "cluster", "--type", "kubernetes", "--base-job-template", template)
    assert prefect.ask("work_pools/cluster", "GET")["base_job_template"] == TEMPLATE
