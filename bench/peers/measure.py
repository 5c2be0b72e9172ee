"""What is timed, and how: the same for every peer, and what `ganglion bench decode` and `bench prefill` do themselves."""
import dataclasses
import statistics

import shapes


@dataclasses.dataclass(frozen=True)
class Measurement:
    batch: int
    prompt: int
    steps: int  # decode steps after the first token; 0: the prompt alone is timed
    target: float  # ganglion's rate over the best peer's
    unit: str


MEASUREMENTS = {
    "prefill": Measurement(batch=1, prompt=512, steps=0, target=1.25, unit="prompt tokens/s"),
    "decode": Measurement(batch=1, prompt=512, steps=32, target=1.10, unit="tokens/s"),
    "decode16": Measurement(batch=16, prompt=512, steps=32, target=3.0, unit="tokens/s of all 16"),
}
PREFILLS = 3  # timed prompts of a turn, after one that is not
IDS = 8       # first tokens that are kept, to compare


@dataclasses.dataclass
class Run:
    """One batch of greedy requests: when it began, when each request had each of its new tokens, and the first one's tokens."""
    begin: float
    times: list
    ids: list


def decode_rate(run):
    """The median over the steps in which every request already has a token and each gets one."""
    all_begun = max(times[0] for times in run.times)
    first = run.times[0]
    rates = [len(run.times) / (first[i] - first[i - 1]) for i in range(1, len(first)) if first[i - 1] >= all_begun]
    if not rates:
        raise RuntimeError("the first request ended before the last had begun: too few steps")
    return statistics.median(rates)


def prefill_rate(run, prompt):
    """From the request to its first token; of several, to the last one's."""
    return len(run.times) * prompt / (max(times[0] for times in run.times) - run.begin)


def check(run, batch, new_tokens):
    if len(run.times) != batch or any(len(times) != new_tokens for times in run.times):
        seen = [len(times) for times in run.times]
        raise RuntimeError(f"asked for {new_tokens} tokens of each of {batch} requests, given {seen}")


def of_session(session, names, vocab):
    """Measures by a session's run(prompts, new_tokens) -> Run. Returns name to {"rate", "ids"}."""
    out = {}
    for name in names:
        what = MEASUREMENTS[name]
        prompts = shapes.prompts(what.batch, what.prompt, vocab)
        new_tokens = what.steps + 1
        if what.steps:
            run = session.run(prompts, new_tokens)
            check(run, what.batch, new_tokens)
            rate = decode_rate(run)
        else:
            runs = [session.run(prompts, new_tokens) for _ in range(PREFILLS + 1)]
            for run in runs:
                check(run, what.batch, new_tokens)
            rate = statistics.median(prefill_rate(run, what.prompt) for run in runs[1:])
        out[name] = {"rate": rate, "ids": run.ids[:IDS] if name == "decode" else []}
    return out
