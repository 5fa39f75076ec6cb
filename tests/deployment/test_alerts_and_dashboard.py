"""Prometheus's rules and Grafana's dashboard ask for what a gateway tells, and the rules say what they are meant to."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import Status
from tests.deployment.programs import DEPLOY, ROOT, of_prometheus
from tests.integration.conftest import HERE, Start, Web

DASHBOARD = DEPLOY / "grafana" / "cara-gateway.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PLAYS = Path(__file__).resolve().with_name("alerts_test.yml")
OPERATE = ROOT / "docs" / "operate.md"

OURS = re.compile(r"\b((?:cara_gateway|process)_\w+)(?:\{([^}]*)\})?")
MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
ADDED = {"job", "instance", "le"}
"""Labels that Prometheus adds, and that of a histogram's bounds."""

SERVICE = """
[gateway.limits]
max_sessions = 8
max_sessions_per_address = 1

[services.counting]
schema = "{folder}/counting.capnp"
interface = "Counting"
endpoint = "{endpoint}"
peer = "counting"
"""


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> list[str]:
    """Every expression of the rules, and of the dashboard as Grafana would ask it."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    for name, value in (("$__rate_interval", "1m"), ("$instance", ".*"), ("$service", ".*")):
        asked = [text.replace(name, value) for text in asked]
    return [rule["expr"] for rule in alerts()] + asked


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [of_prometheus("promtool"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """The labels of each metric of a gateway at which a call succeeded, one failed, and a bound was met."""
    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("gateway"), stack)
        _, endpoint = start.counting()
        _, web = start.gateway(SERVICE.format(folder=HERE, endpoint=endpoint))
        assert web.post("/api/counting/add", [1]).status == 200
        assert web.post("/api/counting/crash", {}).status == 500
        assert [web.post("/api/session").status for _ in range(2)] == [201, 429]
        yield metrics(web)


def metrics(web: Web) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(web.get("/metrics").text):
        found.setdefault(family.name + ("_total" if family.type == "counter" else ""), set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def unknown(text: str, told: dict[str, set[str]]) -> list[str]:
    """The metrics in an expression that nobody tells, and the labels that these do not have."""
    used = OURS.findall(text)
    labels = {label for _, matchers in used for label in MATCHED.findall(matchers)}
    labels |= {label.strip() for names in GROUPED.findall(text) for label in names.split(",")}
    has = ADDED.union(*(told.get(name, set()) for name, _ in used))
    missing = [name for name, _ in used if name not in told]
    # A counter that is still at nothing has no labels to compare with.
    empty = any(name in told and not told[name] for name, _ in used)
    return missing + ([] if empty else sorted(labels - has))


@pytest.mark.parametrize("text", expressions())
def test_what_is_asked_for_is_told(text: str, told: dict[str, set[str]]) -> None:
    assert unknown(text, told) == []


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_the_labels_of_the_rules_could_be_compared(rule: dict[str, Any], told: dict[str, set[str]]) -> None:
    wanted = {name for name, matchers in OURS.findall(rule["expr"]) if matchers or GROUPED.search(rule["expr"])}
    assert {name for name in wanted if not told[name]} == set()


def test_what_is_not_told_is_found() -> None:
    told = {"cara_gateway_calls_total": {"service"}}
    text = 'sum by (method) (rate(cara_gateway_calls_total{code="x", job="y"}[5m])) / cara_gateway_nothing'
    assert unknown(text, told) == ["cara_gateway_nothing", "code", "method"]


def test_the_codes_in_the_rules_exist() -> None:
    (codes,) = re.findall(r'code=~"([^"]+)"', ALERTS.read_text("utf-8"))
    assert set(codes.split("|")) <= {status.code for status in Status}


def test_promtool_reads_the_files_of_prometheus() -> None:
    promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")


def test_each_alert_says_what_it_is_for() -> None:
    promtool("test", "rules", PLAYS)
    played = yaml.safe_load(PLAYS.read_text("utf-8"))["tests"]
    raised = {test["alertname"] for play in played for test in play["alert_rule_test"] if test["exp_alerts"]}
    assert raised == {rule["alert"] for rule in alerts()}


def test_promtool_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"asked:{number}", "expr": text} for number, text in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}), "utf-8")
    promtool("check", "rules", tmp_path / "rules.yml")


def test_each_alert_has_its_part_in_the_page_for_operators() -> None:
    headings = re.findall(r"^### (\w+)$", OPERATE.read_text("utf-8"), re.MULTILINE)
    rules = alerts()
    assert len(rules) == 5
    assert {rule["annotations"]["runbook"] for rule in rules} == {
        f"docs/operate.md#{heading.lower()}" for heading in headings if heading in {rule["alert"] for rule in rules}
    }


def test_the_panels_do_not_lie_on_each_other() -> None:
    squares: list[tuple[int, int]] = []
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        squares += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(squares) == len(set(squares))


def test_the_panels_say_of_which_unit_they_are() -> None:
    assert [panel["title"] for panel in panels() if not panel["fieldConfig"]["defaults"]["unit"]] == []
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
