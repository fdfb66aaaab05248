"""`python -m bench.triage`: how fast triage is beside VADER and a tf-idf logistic, in one run.

Promise: every subject judges the same texts in the same process on one core, in alternating rounds
that each begin with another one; a figure is the median of its rounds in processor time, so that
what else the machine does counts little, and what is compared are ratios of one run. A subject
whose library is not installed is left out and named. Nothing is measured but speed: VADER and the
tf-idf logistic give a sentiment, careline's decision a whole triage with rules, topics and reasons.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.corpus import Corpus, corpus_of
from bench.percentiles import percentile
from careline.triage import classify_batch
from careline.triage.choice import TriageChoice, chosen_decision
from careline.triage.model.classifier import default_model

FILE: Final = Path(__file__).parent / "triage.json"
BATCH: Final = 256
DEFAULT: Final = "careline"
WORD_LISTS: Final = "careline_word_lists"
HEADS: Final = "model_all_heads"
SENTIMENT: Final = "model_sentiment"
VADER: Final = "vader"
TFIDF: Final = "tfidf_logistic"
_LIBRARIES: Final = ("numpy", "sentencepiece", "py3langid", "vaderSentiment", "scikit-learn")
_SEED: Final = 11
Judge = Callable[[Sequence[str]], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    texts: int
    singles: int


FULL: Final = Plan(rounds=7, texts=BATCH * 16, singles=600)
QUICK: Final = Plan(rounds=2, texts=BATCH, singles=40)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.triage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, not written")
    parser.add_argument("--texts", type=Path, help="real texts: JSON lines with a text, or lines")
    parser.add_argument("--output", type=Path, help="where to; default: bench/triage.json")
    options = parser.parse_args(arguments)
    found = run(QUICK if options.quick else FULL, corpus_of(options.texts))
    text = json.dumps(found, indent=2) + "\n"
    print(text, end="")
    if options.output is not None or not options.quick:
        (options.output or FILE).write_text(text, encoding="utf-8")
    return 0


def run(plan: Plan, corpus: Corpus) -> dict[str, Any]:
    """Measure every subject; return the results."""
    texts = [each.text for each in corpus.mentions(plan.texts * 2, seed=_SEED)]
    learn, texts = texts[: plan.texts], texts[plan.texts :]
    judges, missing = subjects(learn)
    before = machine.load()
    batches, singles = measured(judges, texts, plan)
    figures = {
        name: {
            "batch_texts_per_s": round(statistics.median(batches[name])),
            "batch_us_per_text": round(1e6 / statistics.median(batches[name]), 1),
            "single_us_p50": round(percentile(sorted(singles[name]), 50) * 1e6),
            "single_us_p99": round(percentile(sorted(singles[name]), 99) * 1e6),
        }
        for name in judges
    }
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.revision(),
        "machine": machine.machine(),
        "versions": _versions(),
        "model": default_model().version,
        "load": {"before": before, "after": machine.load()},
        "settings": {
            "batch": BATCH,
            "rounds": plan.rounds,
            "texts": plan.texts,
            "singles": plan.singles,
            "corpus": corpus.name,
            "characters_mean": round(statistics.mean(map(len, texts)), 1),
        },
        "subjects": figures,
        "ratios": ratios_of(figures),
        "missing": missing,
    }


def subjects(learn: Sequence[str]) -> tuple[dict[str, Judge], list[str]]:
    """Return what judges, ready to run, and the names of those whose library is not there."""
    decision = chosen_decision(TriageChoice())
    word_lists = chosen_decision(TriageChoice(classifier="rules"))
    judges: dict[str, Judge] = {
        DEFAULT: decision.triage_batch,
        WORD_LISTS: word_lists.triage_batch,
        HEADS: classify_batch,
        SENTIMENT: default_model().sentiments,
    }
    missing = []
    for name, make in ((VADER, _vader), (TFIDF, _tfidf)):
        try:
            judges[name] = make(learn)
        except ImportError:
            missing.append(name)
    return judges, missing


def measured(
    judges: Mapping[str, Judge], texts: Sequence[str], plan: Plan
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return texts a second of each round, and the seconds of each single text."""
    chunks = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    batches: dict[str, list[float]] = {name: [] for name in judges}
    singles: dict[str, list[float]] = {name: [] for name in judges}
    for judge in judges.values():
        judge(chunks[0])
    names = list(judges)
    each_round = plan.singles // plan.rounds
    for number in range(plan.rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            judge = judges[name]
            begin = time.process_time()
            for chunk in chunks:
                judge(chunk)
            batches[name].append(len(texts) / (time.process_time() - begin))
            for place in range(number * each_round, (number + 1) * each_round):
                one = [texts[place % len(texts)]]
                begin = time.process_time()
                judge(one)
                singles[name].append(time.process_time() - begin)
    return batches, singles


def ratios_of(figures: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return how many times faster careline's decision and its model are than each other one."""
    return {
        f"{ours} / {other}": {
            "batch": _ratio(figures[ours], figures[other], "batch_texts_per_s"),
            "single": _ratio(figures[other], figures[ours], "single_us_p50"),
        }
        for ours in (DEFAULT, HEADS, SENTIMENT)
        for other in (WORD_LISTS, VADER, TFIDF)
        if other in figures
    }


def _ratio(above: Mapping[str, float], below: Mapping[str, float], key: str) -> float:
    return round(above[key] / below[key], 2)


def _vader(_: Sequence[str]) -> Judge:
    """VADER as its page shows it: one text after the other."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415

    scores = SentimentIntensityAnalyzer().polarity_scores
    return lambda texts: [scores(text) for text in texts]


def _tfidf(learn: Sequence[str]) -> Judge:
    """A tf-idf of characters and words with a logistic regression, fitted on the model's labels.

    What it learnt is of no account here: how long it takes depends on the size of its vocabulary.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline, make_union  # noqa: PLC0415

    labels = [found.sentiment for found in classify_batch(learn)]
    both = make_union(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    )
    pipeline = make_pipeline(both, LogisticRegression(max_iter=50))
    pipeline.fit(list(learn), labels)
    predict: Judge = pipeline.predict_proba
    return predict


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
