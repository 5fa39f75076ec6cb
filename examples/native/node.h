// A node whose every method takes a context with the thread that it shall run on.

#pragma once

#include <capnp/capability.h>
#include <kj/timer.h>

capnp::Capability::Client makeNode(kj::Timer& timer);
