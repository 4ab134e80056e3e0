"""Schedules in plain words, and JSON without loss: what the modules say, asked in the browser that runs them."""

import json

from playwright.async_api import Page

IN_WORDS = "async ([path, text]) => (await import(path)).inWords(text)"
ROUND = "async ([path, text]) => { const m = await import(path); return m.stringify(m.parse(text)) }"


async def module(page: Page, name: str) -> str:
    """The address of a module, as the page itself asks for it."""
    found = await page.locator(f"link[rel=modulepreload][href$='/{name}']").get_attribute("href")
    assert found
    return f"/{found}"


SAID: dict[str, str | None] = {
    "* * * * *": "Every minute",
    "*/15 * * * *": "Every 15 minutes",
    "5 * * * *": "Every hour at :05",
    "0 */6 * * *": "Every 6 hours at :00",
    "30 2 * * *": "Every day at 02:30",
    "0 8,20 * * *": "Every day at 08:00 and 20:00",
    "0 8 * * 1-5": "Monday to Friday at 08:00",
    "0 8 * * 0": "Every Sunday at 08:00",
    "0 8 * * 7": "Every Sunday at 08:00",
    "0 8 * * SAT,SUN": "Every Saturday and Sunday at 08:00",
    "0 6 1 * *": "On day 1 of the month at 06:00",
    "0 6 1 1,7 *": "On day 1 of the month in January and July at 06:00",
    "0 0 12 * * ?": "Every day at 12:00",
    "0 0 12 ? * 1": "Every Sunday at 12:00",
    "0 0 12 ? * 2-6": "Monday to Friday at 12:00",
    "0 0 6 L * ?": "On the last day of the month at 06:00",
    "0 6 13 * 5": None,
    "0 0 12 ? * 6#3": None,
    "10 0 12 * * ?": None,
    "nonsense": None,
}


async def test_a_cron_expression_is_said_in_plain_words_or_not_at_all(page: Page) -> None:
    cron = await module(page, "parts/cron.js")
    assert {text: await page.evaluate(IN_WORDS, [cron, text]) for text in SAID} == SAID


TEXTS = (
    '{"a":9007199254740993,"b":-123456789012345678901234567890,"c":1.10,"d":1e400,"e":0.1,"f":[1.0,2,3e2]}',
    '"9007199254740993"',
    '{"1.0":"1e5 and 12345678901234567890","q":"\\"1.0\\\\"}',
    "[]",
    "null",
    '{"a":[{"b":10000000000000000000000}],"c":"\\u00e8"}',
)


async def test_json_comes_back_as_it_came(page: Page) -> None:
    exact = await module(page, "exact.js")
    for text in TEXTS:
        back = await page.evaluate(ROUND, [exact, text])
        assert whole(back) == whole(text)


def whole(text: str) -> object:
    """JSON with its numbers as texts."""
    return json.loads(text, parse_int=str, parse_float=str)
