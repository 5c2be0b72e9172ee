// Counters, gauges and histograms, and their text for Prometheus to scrape. A handle is a pointer: take it once, when
// the thing it counts is set up, and use it from then on; updates take tens of nanoseconds and never wait for each
// other, except two observations of one histogram.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ganglion::metrics {

using Labels = std::map<std::string, std::string>;

// Only grows: requests answered, tokens produced. Thread-safe; valid as long as its registry.
class Counter {
 public:
  // amount >= 0; a negative one is ignored.
  void add(double amount = 1) const;
  double value() const;

 private:
  friend class Registry;
  explicit Counter(void* metric) : metric_(metric) {}
  void* metric_;
};

// Goes up and down: requests in the queue, blocks in use. Thread-safe; valid as long as its registry.
class Gauge {
 public:
  void set(double value) const;
  void add(double amount) const;
  double value() const;

 private:
  friend class Registry;
  explicit Gauge(void* metric) : metric_(metric) {}
  void* metric_;
};

// Counts observations by size: seconds to the first token. Thread-safe; valid as long as its registry.
class Histogram {
 public:
  void observe(double value) const;

 private:
  friend class Registry;
  explicit Histogram(void* metric) : metric_(metric) {}
  void* metric_;
};

// Upper bounds of buckets for times in seconds, from 1 ms to 100 s, four for each factor of ten.
const std::vector<double>& time_buckets();

// All metrics of a program. Thread-safe. Asking again for the same name and labels gives the same metric; the first
// help text and the first buckets stay. Error{kInvalidArgument} when a name or label is not one Prometheus allows, or
// when the name is taken by a metric of another kind, or when bounds do not ascend.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // An observation falls in the first bucket whose bound is not below it; one more bucket, +Inf, is always there.
  Histogram histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                      const std::vector<double>& bounds = time_buckets());

  // Prometheus's text format, version 0.0.4: what GET /metrics answers, as "text/plain; version=0.0.4".
  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace ganglion::metrics
