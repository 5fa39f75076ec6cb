@0xa06b645834965902;
# How the gateway shows a service to the web: annotations for methods, interfaces, fields and parameters.
#
# Import it as `using Gateway = import "/gateway.capnp";` and write `$Gateway.readOnly` behind a declaration. None of them
# changes what travels between a service and its peers, so they may be added and removed at any time.

annotation http @0x982a9ded59cd7000 (method) :Http;
# Gives a method a REST route of its own, beside `POST /api/{service}/{method}`:
# `find @0 (name :Text) -> (person :Person) $Gateway.http(verb = "get", path = "/people/{name}");`

struct Http {
  # A REST route.

  verb @0 :Text = "post";
  # `get`, `post`, `put`, `patch` or `delete`.

  path @1 :Text;
  # The path from the server's root, such as `/people/{name}`. What stands in braces is a parameter, or with dots a member of
  # one: `{person.name}`. It may not begin with a route of the gateway itself, such as `/api`.

  body @2 :Text;
  # What the request's body is: a parameter's name, `*` for an object of all parameters that are not in the path, or empty for
  # none. Parameters that are in neither come from the query.
}

annotation readOnly @0xe4a2b8786e8aa383 (method, interface) :Void;
# Calling the method changes nothing, so it may be called with GET, and repeated. On an interface: true of all its methods.

annotation idempotent @0xd93e4a51bcdb1068 (method, interface) :Void;
# Calling the method twice is as good as once, so the gateway repeats a call whose connection was lost while it was under way.

annotation hidden @0xacd70d8cf61bac6d (method, interface) :Void;
# The method exists for other services only: the gateway neither lists it nor calls it.

annotation timeout @0x8527a29d3b00193e (method, interface) :UInt32;
# The deadline of a call in milliseconds, where the caller gives none.

annotation requires @0xfd66cf567d4fb088 (method, interface) :List(Text);
# The roles that a caller must have, all of them, also those of other lists that match. On an interface: for the methods that
# it declares, whatever inherits them. A method that is declared anew under an inherited one's name requires what that does, and
# the other way round. Who has which roles is said in the gateway's configuration ([gateway.auth]); without that it refuses to
# serve an interface that leads to this annotation, but for what is hidden.

annotation body @0xeabcb9905a761f9a (method) :Text;
# Over REST the method's one Data is the body itself, with this content type, and not a value in JSON: the parameter of the type
# Data, whose other parameters then stand in the path and the query, and a result of that type that is the only one.
# `picture @1 (name :Text) -> (image :Data) $Gateway.body("image/png") $Gateway.readOnly;`

annotation sensitive @0xcbe99c9f582543de (field, param) :Void;
# The value is a secret, such as a password: logs show that it was there, not what it was.
