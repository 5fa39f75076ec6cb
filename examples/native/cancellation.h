// Whether a method that waits ends when its caller no longer wants its answer.

#pragma once

#include <capnp/common.h>

// Until version 0.11 of the library a call says so itself. From then on the method's annotation in the schema does, which
// older versions do not know; without it the method runs to its end.
template <typename Context>
void allowCancellation(Context& context) {
#if CAPNP_VERSION < 11000
  context.allowCancellation();
#endif
}
