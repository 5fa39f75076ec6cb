@0x8ef99297a43a5e34;
# The annotations of Cap'n Proto's JSON mapping, with the ids and shapes that the Cap'n Proto project published.
#
# Import it as `using Json = import "/capnp/compat/json.capnp";`.

annotation name @0xfa5b1fd61c2e7c3d (field, enumerant, method, group, union) :Text;
# The name in JSON, where it differs from the one in the schema.

annotation flatten @0x82d3e852af0336bf (field, group, union) :FlattenOptions;
# Puts the members of a struct, group or union into the object around it instead of an object of their own.

annotation discriminator @0xcfa794e8d19a0162 (struct, union) :DiscriminatorOptions;
# Adds a member that says which member of the union is set. On a struct it is about the struct's unnamed union.

annotation base64 @0xd7d879450a253e4b (field) :Void;
# Writes Data as base64 text instead of an array of numbers.

annotation hex @0xf061e22f0ae5c7b5 (field) :Void;
# Writes Data as hexadecimal text instead of an array of numbers.

annotation notification @0xa0a054dea32fd98c (method) :Void;
# JSON-RPC calls of the method carry no id and get no answer.

struct FlattenOptions {
  # How members are flattened.

  prefix @0 :Text = "";
  # Stands before the name of each member.
}

struct DiscriminatorOptions {
  # What tells the members of a union apart.

  name @0 :Text;
  # The member whose text names the union member that is set; without it, it is named like the union.

  valueName @1 :Text;
  # The member that holds the value of whichever union member is set; without it, each has its own name.
}

struct Value {
  # Any JSON value.

  union {
    null @0 :Void;
    boolean @1 :Bool;
    number @2 :Float64;
    string @3 :Text;
    array @4 :List(Value);
    object @5 :List(Field);

    call @6 :Call;
    # A function call, as in JavaScript. It is no JSON.
  }

  struct Field {
    # A member of an object.

    name @0 :Text;
    value @1 :Value;
  }

  struct Call {
    # A function's name and its arguments.

    function @0 :Text;
    params @1 :List(Value);
  }
}
