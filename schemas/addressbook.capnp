@0xeb8712a9987ef944;
# People and how to reach them: a service that keeps something, returns objects and calls its callers back.

using Gateway = import "/gateway.capnp";

interface AddressBook {
  # Finds, adds and lists people, and tells about changes. A person is known by the name.

  find @0 (name :Text) -> (person :Person)
      $Gateway.readOnly $Gateway.http(verb = "get", path = "/people/{name}");
  # Finds a person by the whole name. `not_found` when there is none.

  add @1 (person :Person) -> (person :Person)
      $Gateway.http(verb = "post", path = "/people", body = "person");
  # Adds a person. `already_exists` when there is one of that name.

  list @2 (prefix :Text, limit :UInt16 = 50) -> (people :List(Person))
      $Gateway.readOnly $Gateway.http(verb = "get", path = "/people");
  # Lists people whose names begin with the prefix, sorted by name, at most `limit` of them.

  watch @3 (listener :Listener) -> (subscription :Subscription);
  # Calls the listener at every change from now on.

  interface Listener {
    # An object of the caller's that wants to know about changes.

    changed @0 (person :Person, change :Change) -> ();
    # Something happened to a person; the person is as after the change, or as before it was deleted.
  }

  interface Subscription {
    # A listener's place in the list of listeners. To release it is to cancel it.

    cancel @0 () -> () $Gateway.idempotent;
    # Ends the calls to the listener.
  }
}

enum Change {
  # What happened to a person.

  added @0;
  updated @1;
  deleted @2;
}

struct Person {
  # Someone in the address book.

  name @0 :Text;
  # The whole name, by which the person is found.

  phoneNumber @1 :Text;
  # As it is dialled.

  email @2 :Text;
  # An address for mail.

  tags @3 :List(Text);
  # Words to group people by.

  updater @4 :Updater;
  # Changes this very person. Every person that the service returns has one.

  interface Updater {
    # The right to change one person.

    update @0 (person :Person) -> (person :Person);
    # Replaces the fields that are given and leaves the others as they are.

    delete @1 () -> ();
    # Removes the person from the address book.
  }
}
