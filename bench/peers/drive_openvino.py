"""OpenVINO GenAI's ContinuousBatchingPipeline (paged attention; logits of sampled positions only), a step at a time."""
import math
import pathlib
import subprocess
import sys
import time

from measure import Run

NAME = "OpenVINO GenAI"
VARIANTS = {"f32": ["f32"], "16bit": ["bf16", "f16"], "s8": ["int8"], "s4": ["int4"]}
FILES = {"f32": "fp32", "bf16": "fp16", "f16": "fp16", "int8": "int8", "int4": "int4"}
ENVIRONMENT, CONVERTER = "openvino", "transformers"  # optimum-intel exports by PyTorch
BLOCK = 32  # positions of a block of its cache on CPUs


def refusal(shape, klass):
    return None


def packages():
    from importlib.metadata import version
    return {name: version(name) for name in ("openvino", "openvino-genai")}


def form(variant):
    return FILES[variant]


def prepare(job):
    target = pathlib.Path(job["converted"]) / form(job["variant"])
    weights = ["--weight-format", target.name]
    if target.name == "int4":
        weights += ["--sym", "--group-size", "128", "--ratio", "1.0"]
    done = subprocess.run([str(pathlib.Path(sys.executable).parent / "optimum-cli"), "export", "openvino", "--model", job["checkpoint"], "--task",
                           "text-generation-with-past", "--disable-convert-tokenizer", *weights, str(target)],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "optimum-cli failed").splitlines()[-1])


def properties(job):
    """Precisions: what the class says, nothing narrower; with 8 and 4 bits its own choice for activations."""
    variant = job["variant"]
    out = {"INFERENCE_NUM_THREADS": job["threads"], "PERFORMANCE_HINT": "LATENCY", "KV_CACHE_PRECISION": "f16"}
    if variant in ("f32", "bf16", "f16"):
        out["INFERENCE_PRECISION_HINT"] = out["KV_CACHE_PRECISION"] = variant
        out["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
    return out


class Session:
    def __init__(self, job):
        import measure as measuring
        import openvino_genai
        self.api = openvino_genai
        wanted = [measuring.MEASUREMENTS[name] for name in job["measurements"]]
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = False
        scheduler.dynamic_split_fuse = True
        scheduler.max_num_batched_tokens = max(what.prompt for what in wanted)
        scheduler.max_num_seqs = max(what.batch for what in wanted)
        scheduler.num_kv_blocks = max(what.batch * (math.ceil((what.prompt + what.steps + 1) / BLOCK) + 1) for what in wanted)
        folder = pathlib.Path(job["converted"]) / form(job["variant"])
        self.pipeline = openvino_genai.ContinuousBatchingPipeline(folder, scheduler, "CPU", properties(job))

    def run(self, prompts, new_tokens):
        import numpy
        import openvino
        config = self.api.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = new_tokens
        config.ignore_eos, config.do_sample = True, False
        times, ids = [[] for _ in prompts], []
        begin = time.perf_counter()
        handles = [self.pipeline.add_request(i, openvino.Tensor(numpy.array([prompt], numpy.int64)), config)
                   for i, prompt in enumerate(prompts)]
        while self.pipeline.has_non_finished_requests():
            self.pipeline.step()
            now = time.perf_counter()
            for i, handle in enumerate(handles):
                while handle.can_read():
                    for output in handle.read().values():
                        for token in output.generated_ids:
                            times[i].append(now)
                            if i == 0:
                                ids.append(int(token))
        return Run(begin, times, ids)


def measure(job):
    import measure as measuring
    return measuring.of_session(Session(job), job["measurements"], job["vocab"])
