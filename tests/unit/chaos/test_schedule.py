"""A seed is enough to see the same things happen again."""

from tests.chaos.schedule import USERS, WORKERS, plan
from worker.checkpoints import POINTS


def test_equal_seeds_make_equal_schedules() -> None:
    assert plan(7, 300) == plan(7, 300)


def test_other_seeds_make_other_schedules() -> None:
    assert plan(7, 300) != plan(8, 300)


def test_a_longer_schedule_begins_like_a_shorter_one() -> None:
    assert [step for step in plan(7, 300) if step.at <= 60] == plan(7, 60)


def test_steps_come_in_the_order_of_their_times() -> None:
    steps = plan(7, 300)
    assert steps == sorted(steps, key=lambda step: step.at)


def test_every_actor_takes_part_and_every_crash_point_comes_up() -> None:
    steps = plan(7, 600)
    kinds = {"operator", "redis", "postgres", "storage", "gemini", "wire"}
    people = {f"user-{number}" for number in range(USERS)}
    workers = {f"worker-{number}" for number in range(WORKERS)}
    assert {step.actor for step in steps} == kinds | people | workers
    assert {step.detail["point"] for step in steps if step.action == "start"} == {None, *POINTS}
