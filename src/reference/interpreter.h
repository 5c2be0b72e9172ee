// Runs computations instruction by instruction, all ranks in lock-step. One per evaluate() call; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "hlo/module.h"
#include "reference/evaluate.h"
#include "reference/operations.h"
#include "reference/rows.h"
#include "reference/value.h"

namespace ganglion::reference {

class Interpreter {
 public:
  explicit Interpreter(const EvaluateOptions& options) : options_(options) {}

  // The root's value for each rank in `ranks`; arguments[r] belongs to ranks[r] and is in the order of the parameters.
  std::vector<Value> run(const hlo::Computation& computation, const std::vector<int>& ranks,
                         const std::vector<std::vector<Value>>& arguments);

 private:
  // What is known of a computation before it runs.
  struct Plan {
    explicit Plan(const hlo::Computation& computation);
    RowClasses rows;
    std::unordered_map<const hlo::Instruction*, std::size_t> position;
    std::vector<std::size_t> last_use;  // position of the last user; the root is used for ever
    bool talks = false;                 // it, or what it calls, has a collective
  };
  // The values of one rank while a computation runs.
  struct Frame {
    std::vector<Value> values;       // by position
    std::vector<std::int64_t> rows;  // by row class; -1: not yet known
  };

  const Plan& plan_of(const hlo::Computation& computation);
  bool talks(const hlo::Computation& computation);
  ScalarFunction scalar_function(const hlo::Computation& computation);

  Value evaluate_alone(const hlo::Instruction& instruction, const Plan& plan, const Frame& frame, int rank);
  std::vector<Value> evaluate_together(const hlo::Instruction& instruction, const std::vector<int>& ranks,
                                       const std::vector<std::vector<Value>>& operands);
  std::vector<Value> run_while(const hlo::Instruction& instruction, const std::vector<int>& ranks,
                               std::vector<Value> state);
  Dims dims_in_this_run(const hlo::Instruction& instruction, const Plan& plan, const Frame& frame) const;
  void remember_rows(const hlo::Instruction& instruction, const Plan& plan, Frame& frame, const Value& value) const;

  EvaluateOptions options_;
  std::unordered_map<const hlo::Computation*, std::unique_ptr<Plan>> plans_;
  std::int64_t iterations_ = 0;
  int depth_ = 0;
};

}  // namespace ganglion::reference
