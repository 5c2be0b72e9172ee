#include "compiler/pipeline.h"

#include <fmt/format.h>

#include <chrono>

#include "base/error.h"
#include "compiler/import.h"
#include "compiler/lower.h"
#include "compiler/passes.h"
#include "compiler/plan_memory.h"

namespace ganglion::compiler {
namespace {

using PassFunction = void (*)(Graph& graph, const Unit& unit);

struct Pass {
  const char* name;
  PassFunction run;
  bool needed;  // what follows relies on it
};

constexpr Pass kPasses[] = {
    {"infer_rows", infer_rows, true},
    {"simplify", simplify, true},  // checks collectives against the number of ranks
    {"drop_dead", drop_dead, true},
    {"fold_constants", fold_constants, false},
    {"share_common", share_common, false},
    {"recognise_matmul", recognise_matmul, false},  // before a convert is merged into something else
    {"absorb_broadcasts", absorb_broadcasts, false},
    {"drop_unused", drop_dead, true},  // so that fusions count real uses only
    {"mark_replicated", mark_replicated, true},
    {"fuse_epilogue", fuse_epilogue, false},
    {"fuse_elementwise", fuse_elementwise, false},
    {"mark_fused", mark_replicated, true},
    {"drop_fused", drop_dead, true},
};

// Timing, off switch, dump and verify for every pass.
void run_pass(const char* name, bool needed, const Options& options, const Graph& graph,
              const std::function<void()>& pass) {
  if (!needed && options.off.count(name) != 0) return;
  const auto start = std::chrono::steady_clock::now();
  pass();
  if (options.times != nullptr) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    options.times->push_back({name, taken.count()});
  }
  check_graph(graph, name);
  if (options.dump && options.dump_after == name) options.dump(dump_graph(graph));
}

program::Program finish(Lowered lowered) {
  plan_memory(lowered);
  place_barriers(lowered.program);
  return std::move(lowered.program);
}

}  // namespace

program::Program compile(const hlo::Module& module, const Options& options) {
  GANGLION_CHECK(options.table != nullptr && options.ranks >= 1);
  Unit unit;
  unit.module = &module;
  unit.ranks = options.ranks;
  unit.inputs_per_rank = options.inputs_per_rank && options.ranks > 1;
  Graph graph;
  run_pass("import", true, options, graph, [&] { graph = import_module(unit); });
  for (const Pass& pass : kPasses) {
    run_pass(pass.name, pass.needed, options, graph, [&] { pass.run(graph, unit); });
  }
  program::Program program;
  run_pass("lower", true, options, graph, [&] { program = finish(lower(graph, unit, *options.table)); });
  return program;
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names = {"import"};
  for (const Pass& pass : kPasses) names.emplace_back(pass.name);
  names.emplace_back("lower");
  return names;
}

std::shared_ptr<const program::Program> finish_callee(const Graph& graph, const Unit& unit,
                                                      const kernels::Table& table) {
  return std::make_shared<const program::Program>(finish(lower(graph, unit, table)));
}

std::string dump_graph(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.dead) continue;
    text += fmt::format("%{} =", i);
    for (const NodeResult& result : node.results) text += " " + result.shape.text();
    text += fmt::format(" {}{}(", hlo::opcode_name(node.opcode), node.replicated ? "" : " per rank");
    for (const Value operand : node.operands) text += fmt::format(" %{}.{}", operand.node, operand.result);
    text += fmt::format(" ) {} {}\n", node.origin == nullptr ? "" : node.origin->place,
                        node.origin == nullptr ? "" : node.origin->name);
  }
  return text;
}

}  // namespace ganglion::compiler
