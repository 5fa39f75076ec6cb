"""/capnp/cara.capnp."""

from cara import cara

registerGlobally = cara.Annotation(name="registerGlobally", id=0xEBD6C4912189BE2C)
registerGlobally.FinishDeclaration(type=cara.Void, applies_to=["struct", "interface"])
