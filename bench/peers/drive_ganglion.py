"""ganglion itself: `ganglion bench` times what the session of every other peer is timed for."""
import json
import subprocess

import measure as measuring
import shapes

NAME = "ganglion"
VARIANTS = {"f32": ["f32"], "16bit": ["bf16", "f16"], "s8": ["s8"], "s4": ["s4"]}

ENVIRONMENT = CONVERTER = None


def refusal(shape, klass):
    return None


def packages():
    return {}


def form(variant):
    return None


def ganglion(job, *arguments):
    done = subprocess.run([job["ganglion"], *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout)


def measure(job):
    options = ["--dtype", job["variant"], "--threads", job["threads"], "--json"]
    out = {}
    for name in job["measurements"]:
        what = measuring.MEASUREMENTS[name]
        length = ["decode", "--steps", what.steps] if what.steps else ["prefill", "--repeat", measuring.PREFILLS]
        figures = ganglion(job, "bench", *length, "--model", job["checkpoint"], "--batch", what.batch, "--prompt", what.prompt, *options)
        out[name] = {"rate": figures["tokens_per_second"]["median"], "isa": figures["isa"],
                     # Whichever limit is nearer bounds it.
                     "of_limit": max(figures["fraction_of_bandwidth"], figures["fraction_of_peak"])}
        if name == "decode":
            out[name]["ids"] = first_ids(job)
    return out


def first_ids(job):
    prompt = shapes.prompts(1, measuring.MEASUREMENTS["decode"].prompt, shapes.CONFIGS[job["shape"]]["vocab_size"])[0]
    (row,) = ganglion(job, "generate", job["checkpoint"], "--prompt-ids", ",".join(map(str, prompt)), "--max-new-tokens",
                      measuring.IDS, "--dtype", job["variant"], "--threads", job["threads"], "--json")
    return row["new_ids"]
