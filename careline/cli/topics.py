"""`careline topics`: the broker's topics against the one table (`schemas.topics`)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import typer

from careline import wiring
from careline.cli import output, skipping
from careline.runtime import topics_admin
from careline.settings import Settings, load_settings
from schemas.topics import TOPICS

app = typer.Typer(
    no_args_is_help=True, help="The Kafka topics: what should be there, what is, and making it so."
)
app.command("skip")(skipping.skip)


@app.command("list")
def list_topics(as_json: output.Json = False) -> None:
    """List the topics that careline uses. Asks no broker.

    Example: careline topics list
    """
    partitions = load_settings().kafka.partitions
    if as_json:
        output.say_json(
            [
                {
                    "name": t.name,
                    "carries": t.carries,
                    "partitions": partitions,
                    "config": t.config(),
                }
                for t in TOPICS
            ]
        )
        return
    rows = [("TOPIC", "PARTITIONS", "KEPT", "CARRIES")]
    rows += [(t.name, str(partitions), f"{t.retention.days} d", t.carries) for t in TOPICS]
    for line in output.table(rows):
        output.say(line)


@app.command()
def diff(as_json: output.Json = False) -> None:
    """Say in what the broker's topics differ from the table; exit 1 if they do.

    Example: careline topics diff
    """
    _show(
        asyncio.run(topics_admin.plan(_where())),
        as_json,
        nothing="the topics are as they should be",
    )


@app.command()
def apply(as_json: output.Json = False) -> None:
    """Create missing topics and correct their settings. Refuses to change a number of partitions.

    Example: careline topics apply
    """
    done = asyncio.run(topics_admin.apply(_where()))
    if as_json:
        output.say_json({"changed": [asdict(each) for each in done]})
        return
    for each in done:
        output.say(
            f"✓ {each.topic}: {'created' if each.aspect is topics_admin.Aspect.MISSING else each}"
        )
    if not done:
        output.say("✓ the topics are as they should be")


def _where() -> topics_admin.TopicsOnBroker:
    settings: Settings = load_settings()
    return wiring.topics_on_broker(settings)


def _show(
    differences: tuple[topics_admin.TopicDifference, ...], as_json: bool, *, nothing: str
) -> None:
    if as_json:
        output.say_json({"differences": [asdict(each) for each in differences]})
    else:
        for each in differences:
            output.say(f"✗ {each}")
        if not differences:
            output.say(f"✓ {nothing}")
    if differences:
        raise typer.Exit(output.NO)
