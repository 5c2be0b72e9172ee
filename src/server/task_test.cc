#include "server/task.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ganglion::server {
namespace {

const TaskLimits kLimits{.batch_size = 2, .n_positions = 256, .vocabulary = 2048};

std::string refusal(const std::string& body) {
  try {
    parse_task(body, kLimits);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Task, TextFormIsSamplingToAFixedLength) {
  const Task task = parse_task(R"({"seq_length":128,"text":["a","b"]})", kLimits);
  EXPECT_EQ(task.form, Task::Form::kText);
  EXPECT_EQ(task.prompts, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(task.seq_length, 128);
  EXPECT_TRUE(task.sampling.suppress_eos);
  EXPECT_FALSE(task.sampling.greedy);
  EXPECT_EQ(task.sampling.top_k, 50);
}

TEST(Task, InputsFormHasAnOwnLengthByDefault) {
  const Task task = parse_task(R"({"inputs":"a"})", kLimits);
  EXPECT_EQ(task.form, Task::Form::kInputs);
  EXPECT_EQ(task.seq_length, 50);
}

TEST(Task, ParametersAreThoseOfGenerate) {
  const Task task = parse_task(
      R"({"inputs":["a"],"parameters":{"max_new_tokens":7,"do_sample":true,"temperature":0.5,"top_k":0,"top_p":0.9,"seed":18446744073709551615,
          "return_full_text":false,"num_beams":1,"repetition_penalty":1.0,"stop_sequences":[],"typical_p":null,"early_stopping":false}})",
      kLimits);
  EXPECT_EQ(task.form, Task::Form::kParameters);
  EXPECT_EQ(task.max_new_tokens, 7);
  EXPECT_FALSE(task.sampling.greedy);
  EXPECT_EQ(task.sampling.temperature, 0.5);
  EXPECT_EQ(task.sampling.top_k, 0);
  EXPECT_EQ(task.sampling.seed, UINT64_MAX);
  EXPECT_EQ(task.return_full_text, false);
  EXPECT_FALSE(task.sampling.suppress_eos);
}

TEST(Task, GenerationIsGreedyByDefault) {
  EXPECT_TRUE(parse_task(R"({"inputs":"a","parameters":{}})", kLimits).sampling.greedy);
  EXPECT_TRUE(parse_task(R"({"inputs":"a","stream":true})", kLimits).stream);
}

TEST(Task, BodiesThatAreNoObjectOfPromptsAreRefused) {
  EXPECT_EQ(refusal(""), "[request] the body is empty; wanted a JSON object with \"text\" or \"inputs\"");
  EXPECT_EQ(refusal("hello"), "[request body] is not valid JSON: the error is at byte 1 of 5");
  EXPECT_NE(refusal("{\"text\":\"\xff\"}").find("is not valid UTF-8"), std::string::npos);
  EXPECT_NE(refusal(std::string(1'000'000, '[')).find("nested deeper than 64 levels"), std::string::npos);
  EXPECT_EQ(refusal("[1]"), "[request] the body is a list of 1; wanted an object with \"text\" or \"inputs\"");
  EXPECT_EQ(refusal("{}"), "[request] text is missing; wanted one of \"text\" and \"inputs\" with the prompts");
  EXPECT_NE(refusal(R"({"text":"a","inputs":"b"})").find("both text and inputs"), std::string::npos);
}

TEST(Task, PromptsAreAStringOrAFewStrings) {
  EXPECT_EQ(refusal(R"({"text":5})"), "[request] text is 5; wanted a string or a list of 1 to 2 strings");
  EXPECT_EQ(refusal(R"({"text":[]})"), "[request] text is an empty list; wanted a string or a list of 1 to 2 strings");
  EXPECT_EQ(refusal(R"({"text":null})"), "[request] text is null; wanted a string or a list of 1 to 2 strings");
  EXPECT_EQ(refusal(R"({"text":["a",1]})"), "[request] text[1] is 1; wanted a string");
  EXPECT_EQ(refusal(R"({"text":["a","b","c"]})"),
            "[request] text has 3 prompts; wanted at most 2 (option.batch_size in serving.properties)");
}

TEST(Task, SeqLengthIsAWholeNumberWithinThePositions) {
  const std::string wanted = "; wanted a whole number from 1 to 256 (option.n_positions in serving.properties)";
  for (const char* bad :
       {"0", "-1", "9223372036854775808", "18446744073709551616", "257", "1.5", "1e300", "true", "null"}) {
    const std::string message = refusal(std::string(R"({"text":"a","seq_length":)") + bad + "}");
    EXPECT_TRUE(message.starts_with("[request] seq_length is ") && message.ends_with(wanted)) << message;
  }
  EXPECT_EQ(refusal(R"({"text":"a","seq_length":"128"})"), "[request] seq_length is the string \"128\"" + wanted);
  EXPECT_EQ(parse_task(R"({"text":"a","seq_length":64.0})", kLimits).seq_length, 64);
}

TEST(Task, ParametersOutOfRangeAreRefusedByName) {
  for (const char* bad :
       {"max_new_tokens\":0", "max_new_tokens\":257", "max_length\":-1", "temperature\":0", "temperature\":-1",
        "temperature\":\"x\"", "top_k\":-1", "top_p\":0", "top_p\":1.1", "seed\":-1", "do_sample\":1",
        "eos_token_id\":2048", "eos_token_id\":-1", "return_full_text\":\"yes\""}) {
    const std::string name = std::string(bad).substr(0, std::string(bad).find('"'));
    EXPECT_TRUE(refusal(std::string(R"({"inputs":"a","parameters":{")") + bad + "}}")
                    .starts_with("[request] parameters." + name + " is "))
        << bad;
  }
}

TEST(Task, ParametersThatAreNotServedAreRefusedNotIgnored) {
  for (const char* bad : {"num_beams\":4", "repetition_penalty\":1.2", "stop_sequences\":[\"x\"]",
                          "penalty_alpha\":0.6", "unheard_of\":1", "num_return_sequences\":1000000"}) {
    EXPECT_NE(
        refusal(std::string(R"({"inputs":"a","parameters":{")") + bad + "}}").find("is not supported; supported are"),
        std::string::npos)
        << bad;
  }
}

TEST(Task, ACacheSaltIsAShortString) {
  EXPECT_EQ(parse_task(R"({"inputs":"a","parameters":{"cache_salt":"tenant 7"}})", kLimits).cache_salt, "tenant 7");
  EXPECT_EQ(refusal(R"({"inputs":"a","parameters":{"cache_salt":7}})"),
            "[request] parameters.cache_salt is 7; wanted a string of at most 256 bytes");
  EXPECT_NE(
      refusal(R"({"inputs":"a","parameters":{"cache_salt":")" + std::string(257, 'x') + "\"}}").find("at most 256"),
      std::string::npos);
}

TEST(Task, AStreamHasOnePrompt) {
  EXPECT_NE(refusal(R"({"inputs":["a","b"],"stream":true})").find("a stream has exactly 1"), std::string::npos);
  EXPECT_NE(refusal(R"({"inputs":"a","stream":"yes"})").find("wanted true or false"), std::string::npos);
}

}  // namespace
}  // namespace ganglion::server
