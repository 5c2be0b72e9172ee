#!/usr/bin/env python3
"""The targets of docs/performance.md, measured by `ganglion bench` one after another on this machine, as a table.

Every verb runs --repeat times; its figure is the median that it prints, as a part of the limit that it measured in the
same process. The table has the median of the runs (lowest to highest). "met" wants the whole range on the right side;
"median": only the median is.

example: ./dev bench targets --only decode,compile
"""
import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import machine

LEAST, MOST = "at least", "at most"


def of_bandwidth(out):
    return out["fraction_of_bandwidth"]


def of_peak(out):
    return out["fraction_of_peak"]


def of_nearer_limit(out):
    return max(of_bandwidth(out), of_peak(out))


def tokens(outs):
    rates = sorted(out["tokens_per_second"]["median"] for out in outs)
    return f"{statistics.median(rates):.4g} ({rates[0]:.4g} to {rates[-1]:.4g}) tokens/s"


def decode(group, shape, dtype, least, *more, figure=of_bandwidth):
    return group, f"{shape} {dtype} {' '.join(more)}".strip(), ["decode", "--shape", shape, "--dtype", dtype, *more], figure, LEAST, least, tokens


def prefill(shape, dtype, least, prompt, *more):
    return ("2 prefill", f"{shape} {dtype}, {prompt} tokens {' '.join(more)}".strip(),
            ["prefill", "--shape", shape, "--dtype", dtype, "--prompt", str(prompt), *more], of_peak, LEAST, least, tokens)


def nothing(outs):
    return ""


def rows(isa):
    for shape in ("opt-1.3b", "llama-1.1b"):
        for dtype, least in (("f16", 0.88), ("bf16", 0.88), ("s8", 0.85), ("s4", 0.75)):
            yield decode("1 decode", shape, dtype, least)
    for shape in ("opt-1.3b", "llama-1.1b"):
        yield prefill(shape, "f32", 0.80, 512)
        if isa == "amx":
            yield prefill(shape, "bf16", 0.60, 512)
            yield prefill(shape, "s8", 0.50, 512)
            yield prefill(shape, "f16", 0.25, 512)
            yield prefill(shape, "bf16", 0.60, 2047)
        yield prefill(shape, "bf16", 0.80, 512, "--isa", "avx512" if isa != "avx2" else "avx2")
    for batch in (2, 8, 16, 64):
        yield decode("3 batch", "opt-1.3b", "bf16", 0.80, "--prompt", "512", "--batch", str(batch), "--steps", str(max(32, 2 * batch)), figure=of_nearer_limit)
    yield decode("3 batch", "opt-1.3b", "s8", 0.80, "--prompt", "512", "--batch", "16", figure=of_nearer_limit)
    yield decode("4 long", "opt-1.3b", "bf16", 0.80, "--prompt", "8128", "--n-positions", "8192")
    yield ("5 overhead", "opt-125m f16, part of a step", ["overhead", "--shape", "opt-125m", "--dtype", "f16"],
           lambda out: out["not_in_kernels_us"]["median"] / out["step_us"]["median"], MOST, 0.05, nothing)
    yield ("5 overhead", "embedded model, us a step", ["overhead", "--model", "share/opt-demo", "--dtype", "f16"],
           lambda out: out["not_in_kernels_us"]["median"], MOST, 60, nothing)
    for shape in ("opt-1.3b", "llama-1.1b"):
        yield ("6 compile", f"{shape}, ms", ["compile", "--shape", shape], lambda out: 1e3 * out["seconds"]["median"], MOST, 10,
               lambda outs: f"{outs[0]['program_bytes'] / 1e3:.0f} kB of program")
    yield ("8 mixed", "opt-125m f16, HTTP over engine", ["mixed", "--shape", "opt-125m", "--dtype", "f16"],
           lambda out: out["http_over_engine"]["median"], LEAST, 0.97,
           lambda outs: "p99 over median " + ", ".join(f"{out['runs'][0]['http']['p99_over_median']:.2f}" for out in outs))
    yield ("9 threads", "opt-125m f16, 2 threads on 1 core", ["threads", "--shape", "opt-125m", "--dtype", "f16"],
           lambda out: out["rows"][1]["of_one_thread"], LEAST, 0.90,
           lambda outs: "beside a busy process " + ", ".join(f"{out['rows'][3]['of_one_thread']:.2f}" for out in outs))
    yield ("10 schedule", "256 running, us a step", ["schedule"],
           lambda out: max(row["scheduling_us"]["median"] for row in out["rows"]), MOST, 100, nothing)


def verdict(figures, kind, target):
    good = [value >= target if kind == LEAST else value <= target for value in figures]
    return "met" if all(good) else "median" if good[len(good) // 2] else "missed"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="groups, by commas: decode, prefill, batch, long, overhead, compile, mixed, threads, schedule")
    parser.add_argument("--out", default=str(ROOT / "bench" / "results"), help="where the table goes")
    parser.add_argument("--repeat", type=int, default=5, help="runs of every verb")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    ganglion = ROOT / "build" / "release" / "ganglion"
    about = machine.about()
    lines = ["| row | what | figure | target | | |", "| --- | --- | --- | --- | --- | --- |"]
    for group, what, arguments, figure, kind, target, beside in rows(about["isa"]):
        if only and not any(name in group for name in only):
            continue
        runs = [subprocess.run([ganglion, "bench", *arguments, "--json"], cwd=ROOT, capture_output=True, text=True)
                for _ in range(options.repeat)]
        failed = [run.stderr.strip().splitlines()[-1] for run in runs if run.returncode != 0]
        if failed:
            line = f"| {group} | {what} | | {kind} {target} | failed | {failed[0]} |"
        else:
            outs = [json.loads(run.stdout) for run in runs]
            figures = sorted(figure(out) for out in outs)
            text = f"{statistics.median(figures):.3g} ({figures[0]:.3g} to {figures[-1]:.3g})"
            line = f"| {group} | {what} | {text} | {kind} {target} | {verdict(figures, kind, target)} | {beside(outs)} |"
        lines.append(line)
        print(line, flush=True)
    commit = machine.version(ROOT)["ganglion"]
    heading = (f"# Targets, {datetime.date.today()}\n\n{about['cpu']}, {about['isa']}, {about['cores']} cores, "
               f"{about['memory_GiB']} GiB; ganglion {commit}; {options.repeat} runs each.\n\nMedian (lowest to highest); parts are of the limit that was "
               "measured in the same process. `./dev bench targets` makes this table.\n\n")
    path = pathlib.Path(options.out) / f"targets-{datetime.date.today()}-{machine.slug()}.md"
    path.write_text(heading + "\n".join(lines) + "\n")
    print(path)


if __name__ == "__main__":
    main()
