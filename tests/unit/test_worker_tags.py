"""LAVORI_WORKER_TAGS: which jobs a worker takes."""

import pytest

from service.jobs.claims import Tags, worker_tags


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), Tags(only_tagged=False, any_tag=True, named=())),
        (("*",), Tags(only_tagged=False, any_tag=True, named=())),
        (("a",), Tags(only_tagged=False, any_tag=False, named=("a",))),
        (("a", "b"), Tags(only_tagged=False, any_tag=False, named=("a", "b"))),
        (("!a",), Tags(only_tagged=True, any_tag=False, named=("a",))),
        (("!a", "!b"), Tags(only_tagged=True, any_tag=False, named=("a", "b"))),
        (("!a", "b"), Tags(only_tagged=False, any_tag=False, named=("a", "b"))),
        (("*", "!a"), Tags(only_tagged=False, any_tag=True, named=("a",))),
    ],
)
def test_the_words_mean(words: tuple[str, ...], expected: Tags) -> None:
    assert worker_tags(words) == expected
