// The server as a client sees it, over loopback, with a model that a test can steer.
#include "server/server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "http/client.h"
#include "metrics/registry.h"
#include "server/fake_predictor.h"

namespace ganglion::server {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// The bytes of a prediction request.
std::string raw(const std::string& body) {
  return "POST /predictions/opt HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A server with one model "opt" (batch_size 2, n_positions 64) on any free port.
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("server_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "opt");
    write_properties("opt", "option.batch_size=2\noption.n_positions=64\n");
    config_.port = 0;
    config_.models = {{.name = "opt", .version = "", .engine = "", .devices = "", .folder = folder_ / "opt"}};
  }
  void TearDown() override {
    server_.reset();
    fs::remove_all(folder_);
  }

  void write_properties(const std::string& model, const std::string& text) {
    fs::create_directories(folder_ / model);
    std::ofstream(folder_ / model / "serving.properties") << text;
  }
  void add_model(const std::string& name, const std::string& version = "") {
    write_properties(name, "");
    config_.models.push_back({.name = name, .version = version, .engine = "", .devices = "", .folder = folder_ / name});
  }
  void start() {
    start_with([this](const ModelEntry&, const ModelSettings&) { return fake_; });
  }
  void start_with(ModelLoader loader) {
    server_ = std::make_unique<Server>(config_, std::move(loader), registry_, http_);
  }

  http::Response post(const std::string& target, const std::string& body) {
    http::Client client(server_->port());
    return client.request("POST", target, body, "Content-Type: application/json\r\n");
  }
  http::Response predict(const std::string& body) { return post("/predictions/opt", body); }

  // 424 in DJL's shape; returns our message.
  std::string failure(const std::string& body) {
    const http::Response response = predict(body);
    EXPECT_EQ(response.status, 424) << body.substr(0, 200) << response.body;
    EXPECT_EQ(response.reason, "prediction failure");
    EXPECT_TRUE(response.close);
    const Json json = Json::parse(response.body);
    EXPECT_EQ(json["code"], 424);
    EXPECT_EQ(json["message"], "prediction failure");
    // The server goes on serving.
    EXPECT_EQ(predict(R"({"text":"ab","seq_length":6})").body, "{\n  \"outputs\":[\n    \"</s>ababa\"\n  ]\n}");
    return json["error"];
  }
  // An error of the front end; checks its shape and returns "type: message".
  static std::string front_end_error(const http::Response& response) {
    EXPECT_EQ(response.headers.get("connection"), "close");
    const Json json = Json::parse(response.body);
    EXPECT_EQ(json["code"], response.status);
    return json["type"].get<std::string>() + ": " + json["message"].get<std::string>();
  }

  fs::path folder_;
  ServerConfig config_;
  http::ServerOptions http_;
  metrics::Registry registry_;
  std::shared_ptr<FakePredictor> fake_ = std::make_shared<FakePredictor>(64);
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersTheTextFormWithPromptsExtendedToTheLength) {
  start();
  const http::Response response = predict(R"({"seq_length":9,"text":["abc","q"]})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-type"), "application/json");
  EXPECT_EQ(Json::parse(response.body), (Json{{"outputs", {"</s>abcabcab", "</s>qqqqqqqq"}}}));
}

TEST_F(ServerTest, AnswersTheInputsFormWithAList) {
  start();
  EXPECT_EQ(Json::parse(predict(R"({"inputs":"abc","seq_length":4})").body), (Json{"</s>abc"}));
  EXPECT_EQ(Json::parse(predict(R"({"inputs":["a"]})").body)[0].get<std::string>().size(), 49u + 4);
}

TEST_F(ServerTest, AnswersTheParametersFormWithGeneratedText) {
  start();
  EXPECT_EQ(Json::parse(predict(R"({"inputs":"abc","parameters":{"max_new_tokens":4}})").body),
            (Json::array({{{"generated_text", "abcabca"}}})));
  EXPECT_EQ(
      Json::parse(predict(R"({"inputs":["a","b"],"parameters":{"max_new_tokens":2,"return_full_text":false}})").body),
      (Json::array({{{"generated_text", "aa"}}, {{"generated_text", "bb"}}})));
  const Json detailed =
      Json::parse(predict(R"({"inputs":"a","parameters":{"max_new_tokens":2,"details":true}})").body)[0]["details"];
  EXPECT_EQ(detailed["finish_reason"], "length");
  EXPECT_EQ(detailed["tokens"].size(), 2u);
}

TEST_F(ServerTest, GenerationStopsAtEndOfTextAndSamplingToALengthDoesNot) {
  start();
  predict(R"({"inputs":"a","parameters":{}})");
  EXPECT_EQ(fake_->last_request().stop_ids, std::vector<std::int32_t>{FakePredictor::kEos});
  EXPECT_EQ(fake_->last_request().max_new_tokens, 30);
  predict(R"({"inputs":"a","seq_length":5})");
  EXPECT_TRUE(fake_->last_request().stop_ids.empty());
  EXPECT_TRUE(fake_->last_request().sampling.suppress_eos);
}

TEST_F(ServerTest, StreamsOneLinePerToken) {
  start();
  const http::Response response = predict(R"({"inputs":"ab","parameters":{"max_new_tokens":2},"stream":true})");
  EXPECT_EQ(response.headers.get("content-type"), "application/jsonlines");
  EXPECT_EQ(response.body,
            "{\"token\": {\"id\": [107], \"text\": \"a\", \"log_prob\": -0.5}}\n"
            "{\"token\": {\"id\": [108], \"text\": \"b\", \"log_prob\": -0.5}, \"generated_text\": \"ab\"}\n");
}

TEST_F(ServerTest, EveryAnswerHasTheHeadersOfDjl) {
  start();
  http::Client client(server_->port());
  const http::Response response = client.request("GET", "/ping", "", "X-Request-Id: mine\r\n");
  EXPECT_EQ(response.headers.get("x-request-id"), "mine");
  EXPECT_EQ(response.headers.get("Pragma"), "no-cache");
  EXPECT_EQ(response.headers.get("Cache-Control"), "no-cache; no-store, must-revalidate, private");
  EXPECT_EQ(response.headers.get("Expires"), "Thu, 01 Jan 1970 00:00:00 UTC");
  EXPECT_EQ(response.headers.get("connection"), "keep-alive");
  EXPECT_EQ(client.request("GET", "/ping").headers.get("x-request-id")->size(), 36u);
}

TEST_F(ServerTest, PingNamesEveryModel) {
  start();
  http::Client client(server_->port());
  const http::Response response = client.request("GET", "/ping");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{\n  \"opt\": {\n    \"status\": \"Healthy\"\n  }\n}\n");
  EXPECT_EQ(client.request("PUT", "/ping").status, 200);
}

TEST_F(ServerTest, MetricsAreServed) {
  start();
  http::Client client(server_->port());
  client.request("GET", "/ping");
  const http::Response response = client.request("GET", "/metrics");
  EXPECT_EQ(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(response.body.find("ganglion_http_requests_total{route=\"ping\"} 1"), std::string::npos) << response.body;
}

TEST_F(ServerTest, WhatIsNotThereIs404) {
  start();
  for (const char* target : {"/", "/InvalidUrl", "/predictions", "/predictions/", "/predictions/a/b/c"}) {
    EXPECT_EQ(front_end_error(post(target, "{}")),
              "ResourceNotFoundException: Requested resource is not found, please refer to API document.")
        << target;
  }
  EXPECT_EQ(post("/predictions/nope", "{}").body,
            "{\n  \"code\": 404,\n  \"type\": \"ModelNotFoundException\",\n  \"message\": \"Model or workflow not "
            "found: nope\"\n}\n");
  EXPECT_EQ(post("/predictions/opt/v9", "{}").status, 404);
  EXPECT_EQ(post("/invocations?model_name=nope", "{}").status, 404);
  EXPECT_EQ(front_end_error(post("/predictions/..%2F..%2Fetc", "{}")),
            "ModelNotFoundException: Model or workflow not found: ../../etc");
}

TEST_F(ServerTest, InvocationsFindTheOnlyModelOrAskForItsName) {
  start();
  EXPECT_EQ(post("/invocations", R"({"inputs":"a","seq_length":2})").status, 200);
  server_.reset();
  add_model("second");
  start();
  const http::Response response = post("/invocations", "{}");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.reason, "Parameter model_name is required.");
  EXPECT_EQ(front_end_error(response), "BadRequestException: Parameter model_name is required.");
  EXPECT_EQ(post("/invocations?model_name=second", R"({"inputs":"a","seq_length":2})").status, 200);
}

TEST_F(ServerTest, OptionsAnswerAnEmptyObject) {
  start();
  http::Client client(server_->port());
  EXPECT_EQ(client.request("OPTIONS", "/").body, "{}\n");
  EXPECT_EQ(client.request("OPTIONS", "/predictions/opt").body, "{}\n");
  EXPECT_EQ(client.request("OPTIONS", "/predictions/nope").status, 404);
}

// ---- bad input
// -------------------------------------------------------------------------------------------------------

TEST_F(ServerTest, ABodyThatIsNotJsonIsAPredictionFailure) {
  start();
  EXPECT_EQ(failure("hello"), "[request body] is not valid JSON: the error is at byte 1 of 5");
}

TEST_F(ServerTest, AnEmptyBodyIsAPredictionFailure) {
  start();
  EXPECT_EQ(failure(""), "[request] the body is empty; wanted a JSON object with \"text\" or \"inputs\"");
}

TEST_F(ServerTest, ABodyNestedAMillionDeepIsAPredictionFailure) {
  start();
  EXPECT_NE(failure(std::string(1'000'000, '[')).find("nested deeper than"), std::string::npos);
  EXPECT_NE(failure("{\"text\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}")
                .find("nested deeper than"),
            std::string::npos);
}

TEST_F(ServerTest, InvalidUtf8IsAPredictionFailure) {
  start();
  EXPECT_NE(failure("{\"text\":\"\xff\xfe\",\"seq_length\":5}").find("not valid UTF-8"), std::string::npos);
}

TEST_F(ServerTest, AGigabyteDeclaredIs413WithNoBody) {
  start();
  http::Client client(server_->port());
  client.send("POST /predictions/opt HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n{\"text\"");
  const auto response = client.read();
  EXPECT_EQ(response->status, 413);
  EXPECT_EQ(response->body, "");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(predict(R"({"text":"a","seq_length":3})").status, 200);
}

TEST_F(ServerTest, MaxRequestSizeIsTheLimit) {
  config_.max_request_size = 100;
  start();
  EXPECT_EQ(predict(std::string(101, ' ')).status, 413);
  EXPECT_EQ(predict(R"({"text":"a","seq_length":3})").status, 200);
}

TEST_F(ServerTest, GarbageIsInvalidHttp) {
  start();
  http::Client client(server_->port());
  client.send("\x16\x03\x01\x02\x00 hello");
  const auto response = client.read();
  EXPECT_EQ(response->status, 400);
  EXPECT_EQ(response->reason, "Invalid HTTP message.");
  EXPECT_EQ(front_end_error(*response), "BadRequestException: Invalid HTTP message.");
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, TextThatIsMissingANumberEmptyOrTooLongIsAPredictionFailure) {
  start();
  EXPECT_NE(failure(R"({"seq_length":10})").find("text is missing"), std::string::npos);
  EXPECT_NE(failure(R"({"text":7,"seq_length":10})").find("text is 7"), std::string::npos);
  EXPECT_NE(failure(R"({"text":[],"seq_length":10})").find("text is an empty list"), std::string::npos);
  EXPECT_NE(failure(R"({"text":["a","b","c"],"seq_length":10})")
                .find("text has 3 prompts; wanted at most 2 (option.batch_size"),
            std::string::npos);
}

TEST_F(ServerTest, ASeqLengthOutOfRangeIsAPredictionFailure) {
  start();
  for (const char* bad : {"0", "-1", "9223372036854775808", "\"10\"", "65"}) {
    EXPECT_NE(
        failure(std::string(R"({"text":"ab","seq_length":)") + bad + "}").find("wanted a whole number from 1 to 64"),
        std::string::npos)
        << bad;
  }
}

TEST_F(ServerTest, ASeqLengthShorterThanThePromptIsAPredictionFailure) {
  start();
  EXPECT_EQ(failure(R"({"text":["a","abcdef"],"seq_length":6})"),
            "[request] seq_length is 6, but prompt 1 has 7 tokens already; wanted 7 to 64");
  EXPECT_NE(failure(R"({"text":")" + std::string(10'000, 'a') + R"("})").find("more than 64 tokens"),
            std::string::npos);
}

TEST_F(ServerTest, AGenerationBeyondThePositionsIsAPredictionFailure) {
  start();
  EXPECT_NE(
      failure(R"({"inputs":"abcdefghi","parameters":{"max_new_tokens":60}})").find("70 together; wanted at most 64"),
      std::string::npos);
  EXPECT_NE(failure(R"({"inputs":"abcdefghi","parameters":{"max_length":5}})").find("max_length is 5"),
            std::string::npos);
  EXPECT_NE(failure(R"({"inputs":"a","parameters":{"num_beams":4}})").find("parameters.num_beams = 4 is not supported"),
            std::string::npos);
}

TEST_F(ServerTest, AnErrorOfTheEngineIsAPredictionFailure) {
  fake_->set_failure(std::make_exception_ptr(Error(Code::kInternal, "[opt] layer 3: NaN")));
  start();
  const http::Response response = predict(R"({"text":"ab","seq_length":10})");
  EXPECT_EQ(response.status, 424);
  EXPECT_EQ(Json::parse(response.body)["error"], "[opt] layer 3: NaN");
  const http::Response stream = predict(R"({"inputs":"ab","stream":true})");
  EXPECT_EQ(stream.status, 200);
  EXPECT_NE(stream.body.find("{\"code\": 424, \"error\": \"[opt] layer 3: NaN\"}\n"), std::string::npos);
}

TEST_F(ServerTest, AFullQueueIs503AtOnce) {
  fake_->hold(true);
  fake_->set_capacity(1);
  start();
  http::Client first(server_->port());
  first.send(raw(R"({"text":"ab","seq_length":8})"));
  ASSERT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.running() == 1; }));
  const http::Response second = predict(R"({"text":"ab","seq_length":8})");
  EXPECT_EQ(second.status, 503);
  EXPECT_EQ(front_end_error(second), "WlmCapacityException: Worker queue capacity exceeded for model: opt");
  fake_->hold(false);
  EXPECT_EQ(first.read()->status, 200);
}

TEST_F(ServerTest, ABatchOfWhichOnlyAPartFitsTheQueueLeavesNothingBehind) {
  fake_->hold(true);
  fake_->set_capacity(1);
  start();
  EXPECT_EQ(predict(R"({"text":["a","b"],"seq_length":8})").status, 503);
  EXPECT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.running() == 0; }));
}

TEST_F(ServerTest, APredictionThatTakesTooLongIs503AndCancelled) {
  write_properties("opt", "option.n_positions=64\noption.predict_timeout=1\n");
  fake_->hold(true);
  start();
  const http::Response response = predict(R"({"text":"ab","seq_length":8})");
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(front_end_error(response).find("predict_timeout"), std::string::npos);
  EXPECT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.cancelled() == 1; }));
}

TEST_F(ServerTest, AClientThatLeavesCancelsItsPrediction) {
  fake_->hold(true);
  start();
  http::Client client(server_->port());
  client.send(raw(R"({"text":["ab","cd"],"seq_length":8})"));
  ASSERT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.running() == 2; }));
  client.close();
  EXPECT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.cancelled() == 2; }));
}

TEST_F(ServerTest, AClientThatNeverReadsItsStreamIsCutAndCancelled) {
  http_.backlog_bytes = 64 << 10;
  fake_->set_endless();
  start();
  http::Client client(server_->port(), std::chrono::seconds(60), 4096);
  client.send(raw(R"({"inputs":"ab","stream":true})"));
  EXPECT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.cancelled() == 1; }));
  http::Client other(server_->port());
  EXPECT_EQ(other.request("GET", "/ping").status, 200);
}

TEST_F(ServerTest, AClientThatSendsItsBodyTooSlowlyIsEnded) {
  http_.body_timeout = http::Milliseconds(50);
  start();
  http::Client client(server_->port());
  client.send("POST /predictions/opt HTTP/1.1\r\nContent-Length: 100\r\n\r\n{");
  const auto response = client.read();
  EXPECT_EQ(response->status, 408);
  EXPECT_EQ(front_end_error(*response), "RequestTimeoutException: the request's body took longer than 50 ms");
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, APortInUseIsSaidWithTheSetting) {
  start();
  ServerConfig second = config_;
  second.port = server_->port();
  try {
    Server other(
        second, [this](const ModelEntry&, const ModelSettings&) { return fake_; }, registry_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("inference_address in config.properties"), std::string::npos);
  }
}

// ---- life of a model
// -------------------------------------------------------------------------------------------------

TEST_F(ServerTest, AModelThatCannotBeLoadedStopsTheStart) {
  try {
    start_with([](const ModelEntry&, const ModelSettings&) -> std::shared_ptr<Predictor> {
      fail(Code::kDataCorrupt, "[weights] broken");
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[weights] broken");
  }
}

TEST_F(ServerTest, WhileAModelLoadsPingSaysPendingAndPredictionsAre503) {
  std::promise<void> ready;
  auto future = ready.get_future();
  config_.wait_model_loading = false;
  config_.allow_multi_status = true;
  start_with([&](const ModelEntry&, const ModelSettings&) {
    future.wait();
    return fake_;
  });
  http::Client client(server_->port());
  const http::Response ping = client.request("GET", "/ping");
  EXPECT_EQ(ping.status, 207);
  EXPECT_EQ(Json::parse(ping.body)["opt"]["status"], "PENDING");
  const http::Response early = predict(R"({"text":"ab","seq_length":8})");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(front_end_error(early), "WlmException: Model is not ready: opt");
  ready.set_value();
  while (client.request("GET", "/ping").status != 200) {
  }
  EXPECT_EQ(predict(R"({"text":"ab","seq_length":8})").status, 200);
}

TEST_F(ServerTest, AFailedModelMakesPing500AndLeavesTheOthersServing) {
  add_model("bad");
  config_.wait_model_loading = false;
  start_with([&](const ModelEntry& entry, const ModelSettings&) -> std::shared_ptr<Predictor> {
    if (entry.name == "bad") fail(Code::kDataCorrupt, "[weights] broken");
    return fake_;
  });
  http::Response ping;
  do {
    http::Client client(server_->port());
    ping = client.request("GET", "/ping");
  } while (ping.body.find("PENDING") != std::string::npos);
  EXPECT_EQ(ping.status, 500);
  EXPECT_EQ(Json::parse(ping.body)["bad"]["status"], "FAILED");
  EXPECT_EQ(predict(R"({"text":"ab","seq_length":8})").status, 200);
  EXPECT_EQ(post("/predictions/bad", "{}").status, 503);
}

TEST_F(ServerTest, AModelThatLoadsTooLongFailsWithTheSetting) {
  write_properties("opt", "option.model_loading_timeout=1\n");
  std::promise<void> never;
  auto future = never.get_future();
  config_.wait_model_loading = false;
  start_with([&](const ModelEntry&, const ModelSettings&) {
    future.wait();
    return fake_;
  });
  http::Response ping;
  do {
    http::Client client(server_->port());
    ping = client.request("GET", "/ping");
  } while (ping.status == 200);
  EXPECT_EQ(Json::parse(ping.body)["opt"]["status"], "FAILED");
  never.set_value();
}

TEST_F(ServerTest, VersionsOfAModelTakeTurns) {
  config_.models[0].version = "v1";
  config_.models.push_back(config_.models[0]);
  config_.models[1].version = "v2";
  start();
  EXPECT_EQ(post("/predictions/opt/v2", R"({"text":"ab","seq_length":8})").status, 200);
  EXPECT_EQ(post("/predictions/opt", R"({"text":"ab","seq_length":8})").status, 200);
  EXPECT_EQ(post("/predictions/opt/v3", R"({"text":"ab","seq_length":8})").status, 404);
}

TEST_F(ServerTest, StopFinishesWhatIsInFlight) {
  fake_->hold(true);
  start();
  http::Client client(server_->port());
  client.send(raw(R"({"text":"ab","seq_length":8})"));
  ASSERT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.running() == 1; }));
  std::thread stopper([&] { server_->stop(std::chrono::seconds(60)); });
  fake_->hold(false);
  EXPECT_EQ(client.read()->status, 200);
  client.close();
  stopper.join();
}

TEST_F(ServerTest, StopCancelsWhatDoesNotFinish) {
  fake_->hold(true);
  start();
  http::Client client(server_->port());
  client.send(raw(R"({"text":"ab","seq_length":8})"));
  ASSERT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.running() == 1; }));
  server_->stop(std::chrono::milliseconds(10));
  EXPECT_TRUE(fake_->wait_until([](FakePredictor& fake) { return fake.cancelled() == 1; }));
}

}  // namespace
}  // namespace ganglion::server
