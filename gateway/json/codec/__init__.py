"""JSON values and wire values of a schema, converted directly into each other.

`codec.Codec` is the entrance. `layout` knows how structs look as JSON, `reading` and `writing` apply every rule and
name the path of every error, `read_source` and `write_source` generate the fast functions for the usual case, `params`
and `results` know methods, `references` what stands for live objects.
"""

from gateway.json.codec.codec import Codec
from gateway.json.codec.options import CodecOptions
from gateway.json.codec.references import References

__all__ = ["Codec", "CodecOptions", "References"]
