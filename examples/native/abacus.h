// The abacus: what its objects are, and how a calculation goes.

#pragma once

#include <capnp/capability.h>
#include <kj/async.h>
#include <kj/timer.h>

#include "traffic.h"
#include "trials.capnp.h"

// The bootstrap object, with what all of its objects share. It has to outlive them.
capnp::Capability::Client makeAbacus(kj::Timer& timer, Traffic& traffic);
