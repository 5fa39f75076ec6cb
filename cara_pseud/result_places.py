"""Places in the result of a method, by their names: which fields lead there, and what type is declared. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cara_pseud.errors import RpcError, UnknownField
from cara_pseud.python_names import python_name, schema_name
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import Kind
from cara_pseud.signatures import MethodResult, Signature


class ResultPlace(NamedTuple):
    """A place in the result of a method.

    Attributes:
        path: the ids of the fields that lead there, from the struct of the results.
        type: what is declared there: a struct or interface class, or another type object.
        text: what to call it in errors.
    """

    path: tuple[int, ...]
    type: Any
    text: str

    @property
    def is_struct(self) -> bool:
        """Whether it has members."""
        return hasattr(self.type, "__fields__")

    @property
    def is_object(self) -> bool:
        """Whether an object may be there whose interface is known."""
        return hasattr(self.type, "__proxy_class__")

    @property
    def is_any(self) -> bool:
        """Whether an object may be there whose interface is not known."""
        type = getattr(self.type, "__type__", None)
        return type is not None and type.kind in (Kind.ANY_POINTER, Kind.CAPABILITY)

    def member(self, name: object) -> ResultPlace:
        """The place of a field of the struct that is here.

        Raises:
            UnknownField: the struct has no such field, or there is none.
        """
        if not self.is_struct:
            raise UnknownField(f"{self.text} is no struct and has no {shown(name)}")
        field = self.type.__fields__.get(schema_name(name) if isinstance(name, str) else name)
        if field is None:
            listed = ", ".join(self.type.__fields__)
            raise UnknownField(f"{self.text} has no field {shown(name)}; its fields are {listed or 'none'}")
        return ResultPlace((*self.path, field.id), field.type, f"{self.text}.{field.name}")


def place_of(signature: Signature, name: object) -> ResultPlace:
    """The place of a result by its name, or of a member of the only result.

    Raises:
        UnknownField: there is no such result, and no such member.
    """
    text = f"the result of {signature.name}"
    if signature.result_type is not None:
        return ResultPlace((), signature.result_type, text).member(name)
    for id, result in enumerate(signature.results):
        if name in (result.name, python_name(result.name)):
            return ResultPlace((id,), result.type, f"{text}, {result.name},")
    only = only_place(signature)
    if only is not None and only.is_struct:
        return only.member(name)
    listed = ", ".join(result.name for result in signature.results)
    raise UnknownField(f"{text} has no {shown(name)}; its results are {listed or 'none'}")


def only_place(signature: Signature) -> ResultPlace | None:
    """The place of the only result; None if there are several, or one struct stands for them."""
    if len(signature.results) != 1:
        return None
    return ResultPlace((0,), signature.results[0].type, f"the result of {signature.name}")


def value_at(signature: Signature, result: Any, path: Sequence[int]) -> Any:
    """What lies at a place of a result that has come, as its caller gets it.

    Raises:
        RpcError: ``invalid_argument``, there is nothing.
    """
    value, ids = result, path
    if signature.result_type is None:
        ids = path[1:]
        if len(signature.results) > 1:
            assert isinstance(result, MethodResult)
            value = result[signature.results[path[0]].name]
    for id in ids:
        value = None if value is None else value[id]
    if value is None:
        raise RpcError("invalid_argument", f"the result of {signature.name} has no object there that could be called")
    return value
