"""All attacks, in the order of the report."""

from __future__ import annotations

from tests.attacks import messages, requests, sockets
from tests.attacks.attack import Attack


def every_attack() -> list[Attack]:
    return [*messages.attacks(), *sockets.attacks(), *requests.attacks()]
