"""llama.cpp, by llama_decode of the low-level API of llama-cpp-python: batches of exactly the tokens that are asked for."""
import ctypes
import pathlib
import time

from measure import Run

NAME = "llama.cpp"
VARIANTS = {"f32": ["f32"], "16bit": ["f16", "bf16"], "s8": ["q8_0"], "s4": ["q4_0"]}
ENVIRONMENT = CONVERTER = "llama_cpp"
FILE_TYPES = {"f16": 1, "q4_0": 2, "q8_0": 7, "bf16": 32}  # enum llama_ftype


def refusal(shape, klass):
    return "llama.cpp has no OPT" if shape.startswith("opt") else None


def packages():
    from importlib.metadata import version
    return {"llama-cpp-python": version("llama-cpp-python")}


def form(variant):
    return f"{variant}.gguf"


def prepare(job):
    import gguf_file
    import llama_cpp
    folder = pathlib.Path(job["converted"])
    wide = folder / "f32.gguf"
    if not wide.exists():
        gguf_file.write(job["shape"], pathlib.Path(job["checkpoint"]), wide)
    if job["variant"] == "f32":
        return
    target = folder / form(job["variant"])
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype = FILE_TYPES[job["variant"]]
    options.nthread = job["threads"]
    if llama_cpp.llama_model_quantize(str(wide).encode(), str(target).encode(), ctypes.byref(options)):
        raise RuntimeError(f"llama_model_quantize to {job['variant']} failed")


class Session:
    def __init__(self, job):
        import llama_cpp
        self.api, self.job = llama_cpp, job
        llama_cpp.llama_backend_init()
        options = llama_cpp.llama_model_default_params()
        path = pathlib.Path(job["converted"]) / form(job["variant"])
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), options)
        if not self.model:
            raise RuntimeError(f"llama.cpp does not load {path.name}")
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def context(self, batch, tokens, prompt):
        options = self.api.llama_context_default_params()
        options.n_ctx = batch * (-(-tokens // 256) * 256)  # of all sequences
        options.n_batch = options.n_ubatch = max(prompt, batch)
        options.n_seq_max = batch
        options.n_threads = options.n_threads_batch = self.job["threads"]
        options.kv_unified = False
        cache = {"f32": 0, "bf16": 30}.get(self.job["variant"], 1)  # enum ggml_type; f16 with the rest
        options.type_k = options.type_v = cache
        context = self.api.llama_init_from_model(self.model, options)
        if not context:
            raise RuntimeError("llama.cpp makes no context")
        return context

    def decode(self, context, rows):
        """Runs rows (token, position, sequence, wants logits); returns the greedy token of each that wants one."""
        import numpy
        batch = self.api.llama_batch_init(len(rows), 0, 1)
        try:
            batch.n_tokens = len(rows)
            for i, (token, position, sequence, wanted) in enumerate(rows):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, wanted
                batch.seq_id[i][0] = sequence
            code = self.api.llama_decode(context, batch)
            if code:
                raise RuntimeError(f"llama_decode gave {code}")
        finally:
            self.api.llama_batch_free(batch)
        chosen = []
        for i, row in enumerate(rows):
            if row[3]:
                logits = self.api.llama_get_logits_ith(context, i)
                chosen.append(int(numpy.ctypeslib.as_array(logits, (self.vocab,)).argmax()))
        return chosen

    def run(self, prompts, new_tokens):
        length = len(prompts[0])
        context = self.context(len(prompts), length + new_tokens, length)
        try:
            begin = time.perf_counter()
            times, tokens = [[] for _ in prompts], []
            for i, prompt in enumerate(prompts):  # as many tokens at once as the largest prompt has
                tokens += self.decode(context, [(token, t, i, t + 1 == length) for t, token in enumerate(prompt)])
            ids = [tokens[0]]
            for mine in times:
                mine.append(time.perf_counter())
            for step in range(1, new_tokens):
                tokens = self.decode(context, [(token, length + step - 1, i, True) for i, token in enumerate(tokens)])
                now = time.perf_counter()
                ids.append(tokens[0])
                for mine in times:
                    mine.append(now)
            return Run(begin, times, ids)
        finally:
            self.api.llama_free(context)


def measure(job):
    import measure as measuring
    session = Session(job)
    return measuring.of_session(session, job["measurements"], session.vocab)
