#include "metrics/registry.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "base/error.h"

namespace ganglion::metrics {
namespace {

// Runs what the library may refuse with an exception of its own.
template <typename Action>
auto checked(const std::string& name, const Action& action) {
  try {
    return action();
  } catch (const std::invalid_argument& error) {
    fail(Code::kInvalidArgument,
         "[metrics] {}: {}; names are letters, digits, _ and (metrics only) :, and keep their kind", name,
         error.what());
  }
}

prometheus::Counter& counter_of(void* metric) { return *static_cast<prometheus::Counter*>(metric); }
prometheus::Gauge& gauge_of(void* metric) { return *static_cast<prometheus::Gauge*>(metric); }

}  // namespace

struct Registry::Families {
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
};

void Counter::add(double amount) const { counter_of(metric_).Increment(amount); }
double Counter::value() const { return counter_of(metric_).Value(); }
void Gauge::set(double value) const { gauge_of(metric_).Set(value); }
void Gauge::add(double amount) const { gauge_of(metric_).Increment(amount); }
double Gauge::value() const { return gauge_of(metric_).Value(); }
void Histogram::observe(double value) const { static_cast<prometheus::Histogram*>(metric_)->Observe(value); }

const std::vector<double>& time_buckets() {
  static const std::vector<double> bounds = {0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.3,
                                             0.6,   1,     2,     3,     6,    10,   20,   30,   60,  100};
  return bounds;
}

Registry::Registry() : families_(std::make_unique<Families>()) {}
Registry::~Registry() = default;

Counter Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return checked(name, [&] {
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(families_->registry);
    return Counter(&family.Add(labels));
  });
}

Gauge Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return checked(name, [&] {
    auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(families_->registry);
    return Gauge(&family.Add(labels));
  });
}

Histogram Registry::histogram(const std::string& name, const std::string& help, const Labels& labels,
                              const std::vector<double>& bounds) {
  const bool finite = std::all_of(bounds.begin(), bounds.end(), [](double bound) { return std::isfinite(bound); });
  if (!finite || std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>()) != bounds.end()) {
    fail(Code::kInvalidArgument, "[metrics] {}: the bounds of its buckets do not ascend", name);
  }
  return checked(name, [&] {
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(families_->registry);
    return Histogram(&family.Add(labels, bounds));
  });
}

std::string Registry::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families_->registry.Collect());
  return out.str();
}

}  // namespace ganglion::metrics
