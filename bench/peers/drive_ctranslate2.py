"""CTranslate2's Generator, greedy, timed by its callback for each token."""
import pathlib
import time

from measure import Run

NAME = "CTranslate2"
# With "+keep", glibc keeps what is freed. Its cache grows by copying: at batch 16 that is twice as fast, and elsewhere it may be slower.
KEEP = "+keep"
VARIANTS = {klass: [name + suffix for name in names for suffix in ("", KEEP)]
            for klass, names in {"f32": ["float32"], "16bit": ["bfloat16", "float16"], "s8": ["int8_float32", "int8_bfloat16"], "s4": []}.items()}
ENVIRONMENT, CONVERTER = "ctranslate2", "transformers"  # its converter reads checkpoints by transformers
FILES = {"float32": "float32", "bfloat16": "bfloat16", "float16": "float16", "int8_float32": "int8", "int8_bfloat16": "int8"}


def refusal(shape, klass):
    return "CTranslate2 has no 4-bit weights on CPUs" if klass == "s4" else None


def packages():
    from importlib.metadata import version
    return {"ctranslate2": version("ctranslate2")}


def settings(variant):
    return {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736"} if variant.endswith(KEEP) else {}


def form(variant):
    return FILES[variant.removesuffix(KEEP)]


def check_type(variant):
    """The compute type, if this CPU has it."""
    import ctranslate2
    variant = variant.removesuffix(KEEP)
    supported = ctranslate2.get_supported_compute_types("cpu")
    if variant not in supported:
        raise RuntimeError(f"it computes in {', '.join(sorted(supported))} on this CPU")
    return variant


def prepare(job):
    check_type(job["variant"])
    target = pathlib.Path(job["converted"]) / form(job["variant"])
    from ctranslate2.converters import TransformersConverter

    class Words:
        """In place of a tokenizer, which random weights have no use for: a word for each id."""
        bos_token = eos_token = unk_token = pad_token = "0"
        bos_token_id = eos_token_id = unk_token_id = pad_token_id = 0

        def __init__(self, count):
            self.count = count

        def get_vocab(self):
            return {str(i): i for i in range(self.count)}

    class Converter(TransformersConverter):
        def load_tokenizer(self, tokenizer_class, model_name_or_path, **kwargs):
            return Words(job["vocab"])

    Converter(job["checkpoint"]).convert(str(target), quantization=form(job["variant"]))


class Session:
    def __init__(self, job):
        import ctranslate2
        compute_type = check_type(job["variant"])
        self.generator = ctranslate2.Generator(str(pathlib.Path(job["converted"]) / form(job["variant"])), device="cpu",
                                               compute_type=compute_type, inter_threads=1, intra_threads=job["threads"])

    def run(self, prompts, new_tokens):
        times, ids = [[] for _ in prompts], []

        def on_token(result):
            times[result.batch_id].append(time.perf_counter())
            if result.batch_id == 0:
                ids.append(result.token_id)
            return False

        words = [[str(token) for token in prompt] for prompt in prompts]
        begin = time.perf_counter()
        # The prompt goes through the decoder at once, without logits; [] ends nothing.
        self.generator.generate_batch(words, max_length=new_tokens, include_prompt_in_result=False, end_token=[], beam_size=1,
                                      sampling_topk=1, cache_static_prompt=False, callback=on_token)
        return Run(begin, times, ids)


def measure(job):
    import measure as measuring
    return measuring.of_session(Session(job), job["measurements"], job["vocab"])
