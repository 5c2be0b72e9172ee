// From a module to a program: the list of passes, in order, in pipeline.cc.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "compiler/graph.h"
#include "kernels/table.h"

namespace ganglion::compiler {

struct PassTime {
  std::string name;
  double seconds = 0;
};

struct Options {
  int ranks = 1;
  bool inputs_per_rank = false;  // the ranks' inputs may differ
  const kernels::Table* table = nullptr;
  std::set<std::string> off;  // passes to leave out; those the program needs cannot be
  std::string dump_after;     // name of a pass: the graph after it is given to `dump`
  std::function<void(const std::string& text)> dump;
  std::vector<PassTime>* times = nullptr;  // when wanted
};

// The module must have been verified and must outlive nothing of the program. kUnsupported and kInvalidArgument with
// the instruction's name and place.
program::Program compile(const hlo::Module& module, const Options& options);

// The names of the passes in order.
std::vector<std::string> pass_names();
// Lowers a computation that a step calls.
std::shared_ptr<const program::Program> finish_callee(const Graph& graph, const Unit& unit,
                                                      const kernels::Table& table);
// A graph as text, one node a line.
std::string dump_graph(const Graph& graph);

}  // namespace ganglion::compiler
