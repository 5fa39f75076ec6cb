"""/capnp/c++.capnp."""

from cara import cara

namespace = cara.Annotation(name="namespace", id=0xB9C6F99EBF805F2C)
namespace.FinishDeclaration(type=cara.Text, applies_to=["file"])
name = cara.Annotation(name="name", id=0xF264A779FEF191CE)
name.FinishDeclaration(type=cara.Text, applies_to=cara.Annotation.ALL)
