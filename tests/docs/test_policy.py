"""docs/policy.md shows what the files say and the commands print."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from careline.config import examine
from tests.support.command import careline

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
EXAMPLE = Path(__file__).parents[2] / "careline.example.yaml"
WHOLE = {
    "brands": [{"name": "Acme", "accounts": [{"handle": "acme"}]}],
    "channels": {"mentions": "care", "direct_messages": "care-dms"},
    "ops_channel": "ops",
}


def shown() -> dict[str, Any]:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    return {key: value for each in blocks for key, value in yaml.safe_load(each).items()}


def test_the_service_levels_of_the_page_are_right() -> None:
    config, problems = examine({**WHOLE, "service_levels": shown()})
    assert problems == []
    assert config is not None


def test_what_the_example_file_shows_in_comments_is_right_too() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = text.partition("service_levels:")[2].splitlines()
    stated = [re.sub(r"^  # (?=[ a-z_]+:|  )", "  ", line) for line in lines]
    levels = yaml.safe_load(textwrap.dedent("\n".join(stated)))
    assert {"calendars", "calendar", "rules", "vips", "resolution"} <= levels.keys()
    _, problems = examine({**WHOLE, "service_levels": levels})
    assert problems == []


def test_the_explanation_of_the_page_is_what_the_command_prints(tmp_path: Path) -> None:
    command, _, rest = PAGE.partition("$ careline ")[2].partition("\n")
    printed = rest.partition("```")[0].splitlines()
    german = {"name": "German", "language": "de", "priority": ["P2"], "first_response": "2h"}
    rules = [german | {"calendar": "business hours Berlin"}]
    whole = {**WHOLE, "service_levels": {**shown(), "rules": rules}}
    (tmp_path / "careline.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    ran = careline(*command.split(), cwd=tmp_path)
    assert ran.out.splitlines()[: len(printed)] == printed
