"""Runs children in order, keeps them alive, and stops them in the opposite order."""

import asyncio
from collections.abc import Callable

from service.dev.child import Child, Keeper


class Supervisor:
    """The children of one run, in groups: a group starts when the one before is ready, and stops before it."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        """`on_line` gets what the children print and what happens to them."""
        self._on_line = on_line
        self._groups: list[list[Keeper]] = []
        self._hurry = asyncio.Event()

    async def start(self, *children: Child) -> None:
        """Start a group together; return when all of it is ready. Raises DevError when one does not start."""
        group = [Keeper(child, self._on_line) for child in children]
        self._groups.append(group)
        # All are waited for, so that none is left half started; then the first that failed is told.
        for outcome in await asyncio.gather(*(keeper.start() for keeper in group), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def stop(self) -> None:
        """Stop all that was started, the last group first; return when it is gone."""
        while self._groups:
            group = self._groups.pop()
            await asyncio.gather(*(keeper.stop(self._hurry) for keeper in group))

    def hurry(self) -> None:
        """Stop waiting for children to end by themselves."""
        self._hurry.set()
