"""A client of openapi-python-client. What mypy must find is marked; a mark that is not needed is an error, too."""

from __future__ import annotations

import os

from generated_client import AuthenticatedClient, Client
from generated_client.api.addressbook import (
    addressbook_add,
    addressbook_find_get_route,
    addressbook_person_updater_delete,
    addressbook_person_updater_update,
)
from generated_client.api.calculator import (
    calculator_accumulator,
    calculator_accumulator_add,
    calculator_add,
    calculator_divide,
)
from generated_client.api.gateway import session_open
from generated_client.models import (
    AddressbookAddParams,
    AddressbookAddResult,
    AddressbookFindResult,
    AddressbookPersonInput,
    AddressbookPersonUpdater,
    AddressbookPersonUpdaterDeleteParams,
    AddressbookPersonUpdaterUpdateParams,
    AddressbookPersonUpdaterUpdateResult,
    CalculatorAccumulatorAddParams,
    CalculatorAccumulatorAddResult,
    CalculatorAccumulatorParams,
    CalculatorAccumulatorResult,
    CalculatorAddParams,
    CalculatorAddResult,
    CalculatorDivideParams,
    Problem,
    SessionOpened,
)

url = os.environ["GATEWAY_URL"]
client = Client(base_url=url)

added = calculator_add.sync(client=client, body=CalculatorAddParams(first=2, second=5))
assert isinstance(added, CalculatorAddResult)
result: int = added.result
assert result == 7
wrong = CalculatorAddParams(first="two")  # type: ignore[arg-type]

failed = calculator_divide.sync(client=client, body=CalculatorDivideParams(dividend=1, divisor=0))
assert isinstance(failed, Problem)
assert failed.code.value == "invalid_argument"

session = session_open.sync(client=client)
assert isinstance(session, SessionOpened)
mine = AuthenticatedClient(base_url=url, token=session.session, prefix="", auth_header_name="Session-Id")

opened = calculator_accumulator.sync(client=mine, body=CalculatorAccumulatorParams(start="40"))
assert isinstance(opened, CalculatorAccumulatorResult)
assert opened.accumulator is not None
grown = calculator_accumulator_add.sync(
    opened.accumulator.handle, client=mine, body=CalculatorAccumulatorAddParams(value="2")
)
assert isinstance(grown, CalculatorAccumulatorAddResult)
total: str = grown.total
assert total == "42"

made = addressbook_add.sync(client=mine, body=AddressbookAddParams(person=AddressbookPersonInput(name="Python")))
assert isinstance(made, AddressbookAddResult)
assert made.person is not None
updater = made.person.updater
assert isinstance(updater, AddressbookPersonUpdater)
change = AddressbookPersonUpdaterUpdateParams(person=AddressbookPersonInput(phone_number="5"))
updated = addressbook_person_updater_update.sync(updater.handle, client=mine, body=change)
assert isinstance(updated, AddressbookPersonUpdaterUpdateResult)
found = addressbook_find_get_route.sync("Python", client=mine)
assert isinstance(found, AddressbookFindResult)
assert found.person is not None
assert found.person.phone_number == "5"
addressbook_person_updater_delete.sync(updater.handle, client=mine, body=AddressbookPersonUpdaterDeleteParams())
