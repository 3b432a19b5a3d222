"""Many wait, one asks, and only while somebody waits."""

import asyncio
from uuid import UUID, uuid4

from producers.intake.waiting import Finishes


class Database:
    """Stands for the rows: which generations are over, and every question that was asked."""

    def __init__(self) -> None:
        self.over: set[UUID] = set()
        self.questions: list[set[UUID]] = []
        self.asked = asyncio.Event()
        self.away = False

    async def finished(self, generation_ids: list[UUID]) -> list[UUID]:
        self.questions.append(set(generation_ids))
        self.asked.set()
        if self.away:
            raise OSError
        return [generation_id for generation_id in generation_ids if generation_id in self.over]

    async def next_question(self) -> set[UUID]:
        self.asked.clear()
        await self.asked.wait()
        return self.questions[-1]


async def staying() -> dict[str, str]:
    await asyncio.Event().wait()
    raise AssertionError


async def leaving() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def test_all_who_wait_share_one_question_and_hear_of_their_own() -> None:
    database, (first, second) = Database(), (uuid4(), uuid4())
    finishes = Finishes(database.finished)
    waits = [asyncio.create_task(finishes.wait(one, 60, staying)) for one in (first, first, second)]
    assert await database.next_question() == {first, second}
    database.over = {first}
    await asyncio.gather(*waits[:2])
    assert not waits[2].done()
    assert await database.next_question() == {second}
    database.over = {second}
    await waits[2]


async def test_nobody_asks_when_nobody_waits() -> None:
    database = Database()
    finishes = Finishes(database.finished)
    await finishes.wait(uuid4(), 60, leaving)
    await finishes.wait(uuid4(), 0, staying)
    await finishes.wait(uuid4(), 0.001, staying)
    poller = next(task for task in asyncio.all_tasks() if "Finishes._poll" in repr(task))
    await poller
    assert database.questions == []


async def test_a_database_that_is_away_ends_no_wait() -> None:
    database, one = Database(), uuid4()
    finishes = Finishes(database.finished)
    database.away, database.over = True, {one}
    wait = asyncio.create_task(finishes.wait(one, 60, staying))
    await database.next_question()
    assert not wait.done()
    database.away = False
    await wait


async def test_closing_lets_everybody_go() -> None:
    database = Database()
    finishes = Finishes(database.finished)
    waits = [asyncio.create_task(finishes.wait(uuid4(), 60, staying)) for _ in range(3)]
    await database.next_question()
    await finishes.close()
    await asyncio.gather(*waits)
    await finishes.wait(uuid4(), 60, staying)
