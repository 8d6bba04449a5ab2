"""The dashboard shows log lines and metrics that the functions write."""

import json
import re
from functools import cache

import pytest

from simulator.template_contract.application import FUNCTIONS, ROOT, of_type, properties, source

((_, DASHBOARD),) = of_type("AWS::CloudWatch::Dashboard").items()
WIDGETS = json.loads(DASHBOARD["DashboardBody"])["widgets"]
QUERIES = [widget["properties"]["query"] for widget in WIDGETS if "query" in widget["properties"]]
MESSAGES = sorted({text for query in QUERIES for text in re.findall(r"'([a-z][a-z ]+)'", query) if "_" not in text})
ALARMS = of_type("AWS::CloudWatch::Alarm").values()
ROWS = [row for widget in WIDGETS for row in widget["properties"].get("metrics", [])]
EXPRESSIONS = [row[0]["expression"] for row in ROWS if isinstance(row[0], dict)]
METRICS = sorted(
    {
        *(row[1] for row in ROWS if row[0] == "Berthmaster"),
        *re.findall(r'MetricName="(\w+)"', " ".join(EXPRESSIONS)),
        *(alarm["MetricName"] for alarm in ALARMS if alarm.get("Namespace") == "Berthmaster"),
    }
)
SERVICES = {properties(function)["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for function in FUNCTIONS}


@cache
def code() -> str:
    """All of the package that ships."""
    return "\n".join(path.read_text() for path in sorted((ROOT / "layers/core").rglob("*.py")))


def test_every_automation_is_shown() -> None:
    titles = {widget["properties"].get("title") for widget in WIDGETS}
    assert titles >= {
        "Free addresses",
        "Hours to exhaustion",
        "Registered targets",
        "Findings",
        "Files",
        "Files failed",
        "Rules, as the reports have them",
        "Files of flow logs",
        "Rules in removal",
        "Changes of rules",
    }


def test_widgets_refer_to_resources_of_the_template() -> None:
    assert set(re.findall(r"\$\{(\w+)", DASHBOARD["DashboardBody"])) <= set(source()["Resources"])


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_the_lines_of_certain_functions(query: str) -> None:
    assert query.startswith("SOURCE '${LogGroup}' | filter service ")
    named = re.findall(r"'(\w+_\w+)'", query)
    assert named
    assert set(named) <= SERVICES


@pytest.mark.parametrize("message", MESSAGES)
def test_a_queried_message_is_one_that_the_code_logs(message: str) -> None:
    # Some lines are the detail type of their event in small letters.
    assert re.search(f'"{message}"', code(), re.IGNORECASE)


@pytest.mark.parametrize("metric", METRICS)
def test_a_shown_or_watched_metric_is_one_that_the_code_writes(metric: str) -> None:
    assert f'"{metric}"' in code()
