// Which bounded instructions of a computation have the same number of rows. It is needed where an instruction makes
// rows out of nothing: a scalar broadcast to f32[<=64,256] has as many as what it is combined with.
#pragma once

#include <unordered_map>

#include "hlo/module.h"

namespace ganglion::reference {

class RowClasses {
 public:
  explicit RowClasses(const hlo::Computation& computation);
  // A number below count() that instructions with equally many rows share; -1 when the instruction is not bounded.
  int of(const hlo::Instruction* instruction) const;
  int count() const { return count_; }

 private:
  std::unordered_map<const hlo::Instruction*, int> class_of_;
  int count_ = 0;
};

}  // namespace ganglion::reference
