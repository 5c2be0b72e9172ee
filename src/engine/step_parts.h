// Where the time of a decode step goes, from what a recorder has written down.
#pragma once

#include <vector>

#include "runtime/recorder.h"

namespace ganglion::engine {

// Of one step, in microseconds; all but `whole` add up to it. Threads work at the same time, so what counts is the
// thread that others waited for: between two barriers, the one that was longest in kernels.
struct StepParts {
  double whole = 0;    // from one step's begin to the next one's
  double kernels = 0;  // in steps of the program, on the thread that was waited for
  double walk = 0;     // of that thread between them
  double waiting = 0;  // for threads: to begin, at barriers, to end
  double inputs = 0;   // filling, checking and binding them
  double sampling = 0;
  double deliver = 0;
  double engine = 0;  // the rest: scheduling, counts, metrics
  double not_in_kernels() const { return whole - kernels; }
};

// Of every step that only decoded and that another one followed. The recorder's lists are of one engine, and complete.
std::vector<StepParts> decode_step_parts(const runtime::Recorder& recorder);

}  // namespace ganglion::engine
