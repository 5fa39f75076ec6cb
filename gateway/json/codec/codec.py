"""The codec of one schema: values, parameters and results between JSON and the wire."""

from __future__ import annotations

from collections.abc import Callable

from cara_pseud.capabilities import WireValue
from cara_pseud.schema.nodes import BoundMethod, Schema, Type
from gateway.json.codec.conversions import Conversions, Reader, Writer
from gateway.json.codec.needless import NeedlessRefusals
from gateway.json.codec.objects import ReferenceForm
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.params import Params
from gateway.json.codec.results import Results
from gateway.json.text import JSON


class Codec:
    """JSON and wire values of one schema; everything is compiled when first used and kept.

    Args:
        form: how references look in the JSON of whoever uses this codec.
        needless: where needless refusals are counted; None is a count of this codec's own.
    """

    def __init__(
        self,
        schema: Schema,
        options: CodecOptions | None = None,
        *,
        form: ReferenceForm,
        needless: NeedlessRefusals | None = None,
    ) -> None:
        self.schema = schema
        self.options = options or CodecOptions()
        self._conversions = Conversions(schema, self.options, form, needless)
        # By (interface, method id): a method itself has no hash, its annotations may hold dicts.
        self._params: dict[tuple[Type, int], Params] = {}
        self._results: dict[tuple[Type, int], Results] = {}

    @property
    def needless_refusals(self) -> int:
        """How often generated code refused a value in which the careful walk then found nothing wrong.

        Values that are right in an unusual way (``"5"`` for an Int8) are not counted, so each is a bug in the
        generated code. The value was taken all the same; the log names each type once.
        """
        return self._conversions.needless.count

    def check(self) -> None:
        """Look at every annotation of json.capnp in the schema.

        Raises:
            SchemaError: one is misused, or two members of an object have one name.
        """
        self._conversions.layouts.check()

    def reader(self, type: Type) -> Reader:
        """The function ``(obj, objects=None) -> wire`` for values of that type.

        It raises GatewayError: INVALID_ARGUMENT where the value does not fit or is nested too deeply, and whatever
        ``objects`` raises about a reference.
        """
        return self._conversions.reader(type)

    def writer(self, type: Type) -> Writer:
        """The function ``(wire, objects=None) -> JSON`` for values of that type.

        It raises GatewayError: INTERNAL where the value does not fit, TOO_LARGE where it is nested too deeply, and
        whatever ``objects`` raises about a capability.
        """
        return self._conversions.writer(type)

    def params(self, bound: BoundMethod) -> Params:
        """The parameters of a method."""
        key = (bound.interface, bound.method.id)
        params = self._params.get(key)
        if params is None:
            params = self._params[key] = Params(self._conversions, bound)
        return params

    def results(self, bound: BoundMethod) -> Results:
        """The results of a method."""
        key = (bound.interface, bound.method.id)
        results = self._results.get(key)
        if results is None:
            results = self._results[key] = Results(self._conversions, bound)
        return results

    def callback_params(self, bound: BoundMethod) -> Callable[..., list[JSON]]:
        """What a service passes to a client's method: ``(args, kwargs={}, objects=None) -> JSON array``."""
        return self.params(bound).to_json

    def callback_results(self, bound: BoundMethod) -> Callable[..., WireValue]:
        """What a client's method answers: ``(obj, objects=None, unbox=False) -> wire``."""
        return self.results(bound).to_wire
