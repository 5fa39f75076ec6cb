"""When an endpoint is given calls and when it is not, by what happened and when."""

from __future__ import annotations

from gateway.upstream.health import FORGIVEN_S, MAX_UNAVAILABLE, PAUSES_S, TRIAL_S, UNAVAILABLE_S, Health


def ejected(times: int = 1, now: float = 100.0) -> Health:
    """One that was lost so often, and came back each time but the last."""
    health = Health()
    for number in range(times):
        if number:
            health.came_back()
        assert health.lost(now)
    return health


def refused(health: Health, times: int = MAX_UNAVAILABLE, begin: float = 100.0, last: float | None = None) -> bool:
    """Whether the last of so many refusals, all of them at the beginning but the last, ejects it."""
    for _ in range(times - 1):
        assert not health.unavailable(begin)
    return health.unavailable(begin + UNAVAILABLE_S if last is None else last)


def test_only_several_refusals_over_some_time_and_nothing_else_eject() -> None:
    assert not refused(Health(), times=MAX_UNAVAILABLE - 1)
    assert not refused(Health(), last=100 + UNAVAILABLE_S - 0.01)
    health = Health()
    for _ in range(3):
        assert not refused(health, times=MAX_UNAVAILABLE - 1)
        assert health.takes(100)
        health.good(100)
        assert not health.is_troubled
    assert refused(health)
    assert (health.fitness, health.takes(101), health.pause_s) == ("ejected", False, PAUSES_S[1])


def test_one_that_was_lost_is_not_tried_for_what_it_refuses() -> None:
    health = ejected()
    health.came_back()
    health.given(100)
    assert not health.unavailable(100)
    assert (health.fitness, health.takes(100)) == ("well", True)
    assert refused(health, times=MAX_UNAVAILABLE - 1, begin=100)


def test_what_is_still_under_way_says_nothing_of_an_ejected_one() -> None:
    health = ejected()
    assert not health.lost(100)
    assert not health.silent(100)
    assert not health.unavailable(100)
    health.good(100)
    assert (health.fitness, health.is_troubled, health.pause_s) == ("ejected", True, PAUSES_S[0])


def test_one_call_is_a_trial_and_a_good_answer_ends_it() -> None:
    health = ejected()
    health.came_back()
    assert health.takes(101)
    health.given(101)
    assert not health.takes(101)
    health.good(101.1)
    assert (health.fitness, health.is_troubled) == ("well", False)
    assert all(health.takes(102) for _ in range(3))


def test_a_slow_trial_is_no_failed_one() -> None:
    health = ejected()
    health.came_back()
    health.given(101)
    assert not health.takes(101 + TRIAL_S - 0.01)
    assert health.takes(101 + TRIAL_S)
    assert health.fitness == "well"


def test_a_failed_trial_makes_the_pause_longer_up_to_the_longest() -> None:
    health = Health()
    assert refused(health)
    pauses = [health.pause_s]
    for _ in range(len(PAUSES_S)):
        health.came_back()
        health.given(200)
        assert health.unavailable(200)
        pauses.append(health.pause_s)
    assert pauses == [*PAUSES_S[1:], PAUSES_S[-1], PAUSES_S[-1]]


def test_losses_that_follow_each_other_make_the_pause_longer() -> None:
    assert [ejected(times).pause_s for times in (1, 2, 3)] == list(PAUSES_S[:3])


def test_silence_takes_a_pause_at_once_and_longer_while_it_lasts() -> None:
    health = Health()
    assert health.silent(100)
    pauses = [health.pause_s]
    for _ in range(2):
        health.still_silent(100)
        pauses.append(health.pause_s)
    assert pauses == list(PAUSES_S[1:4])


def test_who_was_well_for_long_is_forgiven() -> None:
    for well_s, pause_s in ((FORGIVEN_S - 1, PAUSES_S[3]), (FORGIVEN_S, PAUSES_S[0])):
        health = ejected(times=3)
        health.came_back()
        health.good(200)
        assert health.lost(200 + well_s)
        assert health.pause_s == pause_s


def test_who_gives_a_sign_of_life_and_is_well_stays_so() -> None:
    health = Health()
    health.came_back()
    assert health.fitness == "well"


def test_it_tells_when_its_fitness_is_another() -> None:
    told: list[str] = []
    health = Health(lambda: told.append(health.fitness))
    health.lost(100)
    health.still_silent(101)  # as it was
    health.came_back()
    health.came_back()
    health.given(102)
    assert health.takes(102 + TRIAL_S)  # slow, and nothing worse
    health.good(104)
    assert told == ["ejected", "on trial", "well"]
