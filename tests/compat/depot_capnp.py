# A module as the compiler of cara 0.10 writes it, made by hand of a schema of our own.
from cara import cara

# Forward declarations:
from cara.capnp import cara_capnp
from cara.capnp import cxx_capnp
note = cara.Annotation(name="note", id=0xe1a2b3c4d5e6f708)
limit = cara.Const(name="limit", id=0xe1a2b3c4d5e6f709)
State = cara.Enum(name="State", enumerants=[cara.Enumerant(name="waiting", ordinal=0), cara.Enumerant(name="sent", ordinal=1)])
Parcel = cara.Struct(name="Parcel", id=0xe1a2b3c4d5e6f70a)
Parcel.Part = cara.Struct(name="Part", id=0xe1a2b3c4d5e6f70b)
Box = cara.TemplatedStruct(name="Box", id=0xe1a2b3c4d5e6f70c, templates=["T"])
Box.Label = cara.TemplatedStruct(name="Label", id=0xe1a2b3c4d5e6f70d, templates=["U"])
Named = cara.Interface(name="Named", id=0xe1a2b3c4d5e6f70e)
Depot = cara.Interface(name="Depot", id=0xe1a2b3c4d5e6f70f)
Depot.Listener = cara.Interface(name="Listener", id=0xe1a2b3c4d5e6f710)
Shelf = cara.TemplatedInterface(name="Shelf", id=0xe1a2b3c4d5e6f711, templates=["T"])

# Finishing declarations:
note.FinishDeclaration(type=cara.Text, applies_to=cara.Annotation.ALL)
limit.FinishDeclaration(type=cara.Int32, value=40, annotations=[note('kilograms')])
State.FinishDeclaration(
    enumerants=[cara.Enumerant(name="waiting", ordinal=0, annotations=[note('first')]), cara.Enumerant(name="sent", ordinal=1)])
Parcel.Part.FinishDeclaration(
    fields=[cara.Field(id=0, name="name", type=cara.Text), cara.Field(id=1, name="weight", type=cara.Uint16)])
Parcel.FinishDeclaration(
    fields=[cara.Union(fields=[cara.Field(id=3, name="street", type=cara.Text), cara.Field(id=4, name="locker", type=cara.Int8)]), cara.Field(id=0, name="id", type=cara.Uint64), cara.Field(id=1, name="parts", type=cara.List(Parcel.Part)), cara.Field(id=2, name="comment", default='fragile', type=cara.Text), cara.Field(id=5, name="state", type=State), cara.Group(id=6, name="size", fields=[cara.Field(id=0, name="width", type=cara.Int32), cara.Field(id=1, name="height", type=cara.Int32)]), cara.Group(id=7, name="price", fields=[cara.Union(fields=[cara.Field(id=0, name="free", type=cara.Void), cara.Field(id=1, name="cents", type=cara.Int64)])]), cara.Field(id=8, name="label", type=Box[Parcel.Part].Label[cara.Text])], annotations=[note('what is sent'), cara_capnp.registerGlobally()])
Box.Label.FinishDeclaration(
    fields=[cara.Field(id=0, name="outer", type=Box.Template(0)), cara.Field(id=1, name="inner", type=Box.Label.Template(0))])
Box.FinishDeclaration(
    fields=[cara.Field(id=0, name="content", type=Box.Template(0)), cara.Field(id=1, name="more", type=cara.List(Box[Box.Template(0)]))])
Named.FinishDeclaration(
    superclasses=[], methods=[cara.Method(id=0, name="name", params=[], results=[cara.Param(id=0, name="name", type=cara.Text)])])
Depot.Listener.FinishDeclaration(
    superclasses=[], methods=[cara.Method(id=0, name="arrived", params=[cara.Param(id=0, name="parcel", type=Parcel)], results=[])])
Depot.FinishDeclaration(
    superclasses=[Named], methods=[cara.Method(id=0, name="send", params=[cara.Param(id=0, name="parcel", type=Parcel), cara.Param(id=1, name="copies", default=1, type=cara.Int32)], results=[cara.Param(id=0, name="sent", type=cara.List(Parcel))]), cara.Method(id=1, name="weigh", params=Parcel, results=Parcel.Part), cara.Method(id=2, name="count", params=[], results=[cara.Param(id=0, name="waiting", type=cara.Int32), cara.Param(id=1, name="sent", type=cara.Int32)]), cara.Method(id=3, name="watch", params=[cara.Param(id=0, name="listener", type=Depot.Listener)], results=[cara.Param(id=0, name="shelf", type=Shelf[Parcel])], annotations=[note('for ever')]), cara.TemplatedMethod(id=4, name="wrap", templates=["X"], params=[cara.Param(id=0, name="content", type=cara.MethodTemplate(0))], results=[cara.Param(id=0, name="box", type=Box[cara.MethodTemplate(0)])])])
Shelf.FinishDeclaration(
    superclasses=[], methods=[cara.Method(id=0, name="top", params=[], results=[cara.Param(id=0, name="item", type=Shelf.Template(0))])])

__annotations__ = [cxx_capnp.namespace('depot')]
