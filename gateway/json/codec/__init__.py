"""JSON values and wire values of a schema, converted directly into each other.

`codec.Codec` is the entrance. `kinds` is the table of what is said of each kind of type, `layout` knows how structs
look as JSON. From both, `read_source` and `write_source` generate the fast functions for the usual case, and `reading`
and `writing` apply every rule and name the path of every error; generated code goes to them for the one member or
element that it does not take. `params` and `results` know methods, `objects` what stands for live objects.
"""

from gateway.json.codec.codec import Codec
from gateway.json.codec.objects import LiveObjects, ReferenceForm
from gateway.json.codec.options import CodecOptions

__all__ = ["Codec", "CodecOptions", "LiveObjects", "ReferenceForm"]
