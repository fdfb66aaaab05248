"""The source of `streams` uses only that part of Faust which does not lose events."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from streams import app as streams_app
from streams.app import check, create_app
from streams.config import WorkerConfig

STREAMS = Path(__file__).parent.parent.parent / "streams"
MODULES = sorted(STREAMS.glob("*.py"))
FORBIDDEN = {
    "Table",
    "GlobalTable",
    "SetTable",
    "noack",
    "group_by",
    "through",
    "echo",
    "add_sink",
    "forward_to",
    "crontab",
    "timer",
    "page",
    "command",
    "items",
    "take",
    "take_events",
    "take_with_timestamp",
}


def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES]


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id) == name
    ]


def of_faust(call: ast.Call) -> bool:
    """Whether a call is made on a stream, an app or an agent (a dict has `items` too)."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in {"app", "stream", "agent", "faust"}


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_nothing_of_faust_that_loses_events_is_used(name: str) -> None:
    found = [
        f"{path.name}:{call.lineno}"
        for path, tree in trees()
        for call in calls(tree, name)
        if of_faust(call)
    ]
    assert found == []


def test_there_is_one_place_where_agents_are_made_and_its_concurrency_is_one() -> None:
    made = [(path.name, call) for path, tree in trees() for call in calls(tree, "agent")]
    assert [name for name, _ in made] == ["agent.py"]
    arguments = {word.arg: word.value for word in made[0][1].keywords}
    concurrency = arguments["concurrency"]
    assert isinstance(concurrency, ast.Constant)
    assert concurrency.value == 1
    assert "sink" not in arguments
    assert "isolated_partitions" not in arguments


def test_no_decorator_registers_anything_at_import() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [ast.unparse(each) for each in node.decorator_list]
                assert not [name for name in names if name.startswith("app.")], path.name
        called = [node for node in tree.body if isinstance(node, ast.Expr | ast.Assign)]
        assert "App(" not in "".join(map(ast.unparse, called)), path.name


def test_the_agents_body_only_hands_over_to_the_total_one() -> None:
    tree = {path.name: tree for path, tree in trees()}["agent.py"]
    carry = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "carry"
    )
    (loop,) = carry.body
    assert isinstance(loop, ast.AsyncFor)
    assert ast.unparse(loop.iter) == "stream.events()"
    assert [ast.unparse(line) for line in loop.body] == [
        "await body.finish(event, more=partial(waiting, stream, size - 1))"
    ]


def test_each_topic_has_one_agent() -> None:
    engine = ast.parse((STREAMS / "engine.py").read_text(encoding="utf-8"))
    register = next(
        node
        for node in ast.walk(engine)
        if isinstance(node, ast.FunctionDef) and node.name == "_register"
    )
    topics = Counter(
        ast.unparse(row.elts[1])
        for node in register.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "plan"
        for row in getattr(node.value, "elts", ())
    )
    assert topics == {
        "MENTIONS_RECEIVED.name": 1,
        "MENTIONS_TRIAGED.name": 1,
        "CASES_COMMANDS.name": 1,
    }


def test_faust_is_imported_only_where_it_must_be() -> None:
    importing = {
        path.name
        for path, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "faust")
        or (isinstance(node, ast.Import) and any(each.name == "faust" for each in node.names))
    }
    assert importing == {
        "agent.py",
        "app.py",
        "engine.py",
        "transport.py",
        "watchdog.py",
        "worker.py",
    }


def test_an_app_is_as_safe_as_it_must_be_and_check_notices_when_it_is_not() -> None:
    config = WorkerConfig(bootstrap="127.0.0.1:1", redis_url="redis://127.0.0.1:1/0")  # type: ignore[arg-type]
    app = create_app(config)
    check(app)
    conf = app.conf
    assert conf.processing_guarantee.value == "at_least_once"
    assert conf.broker_session_timeout == 10
    assert conf.broker_heartbeat_interval == 2
    assert conf.broker_max_poll_interval == 3600
    assert conf.stream_wait_empty is False
    assert conf.producer_acks == -1
    assert conf.consumer_auto_offset_reset == "earliest"

    unsafe = create_app(config)
    unsafe.conf.web_enabled = True
    with pytest.raises(streams_app.ConfigurationError, match="HTTP"):
        check(unsafe)
    tabled = create_app(config)
    tabled.Table("anything")
    with pytest.raises(streams_app.ConfigurationError, match="table"):
        check(tabled)
