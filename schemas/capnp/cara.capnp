@0xd30e8d7461442f16;
# The annotation of the original cara, under its own ids, so that schemas which use it load unchanged.

annotation registerGlobally @0xebd6c4912189be2c (struct, interface, enum) :Void;
# Puts the declaration's class into `cara.GlobalTypeRegistry` under the declaration's id.
