@0xd5c3b2a190817264;
# Secrets of every kind, for the drill that looks whether any comes to light.

using Gateway = import "/gateway.capnp";

interface Vault {
  open @0 (user :Text, pin :Text $Gateway.sensitive) -> (ok :Bool) $Gateway.http(path = "/vaults/{user}/{pin}");
  fail @1 (pin :Text $Gateway.sensitive, how :Text) -> (ok :Bool);
  reveal @2 (how :Text) -> (secret :Text $Gateway.sensitive);
  box @3 () -> (box :Box);
  watch @4 (listener :Listener, pin :Text $Gateway.sensitive) -> (pin :Text $Gateway.sensitive);
  forbidden @5 (pin :Text $Gateway.sensitive) -> () $Gateway.requires(["admin"]);

  interface Box {
    put @0 (pin :Text $Gateway.sensitive, how :Text) -> ();
  }

  interface Listener {
    told @0 (pin :Text $Gateway.sensitive) -> (pin :Text $Gateway.sensitive);
  }
}
