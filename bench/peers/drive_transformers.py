"""Hugging Face transformers on PyTorch: the model's forward, a step at a time, with scaled-dot-product attention."""
import time

from measure import Run

NAME = "transformers"
VARIANTS = {"f32": ["float32"], "16bit": ["bfloat16", "float16"], "s8": [], "s4": []}
ENVIRONMENT, CONVERTER = "transformers", None


def refusal(shape, klass):
    return "transformers has no such weights on CPUs without a further package" if klass in ("s8", "s4") else None


def packages():
    from importlib.metadata import version
    return {name: version(name) for name in ("torch", "transformers")}


def form(variant):
    return None


class Session:
    def __init__(self, job):
        import torch
        import transformers
        torch.set_num_threads(job["threads"])
        torch.set_grad_enabled(False)
        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(job["checkpoint"], dtype=getattr(torch, job["variant"]),
                                                                      attn_implementation="sdpa").eval()

    def forward(self, ids, cache):
        # Logits of the last position alone.
        out = self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].argmax(-1), out.past_key_values

    def run(self, prompts, new_tokens):
        begin = time.perf_counter()
        cache, times, ids = None, [], []
        tokens = self.torch.tensor(prompts)
        for _ in range(new_tokens):
            tokens, cache = self.forward(tokens, cache)
            ids.append(int(tokens[0]))
            times.append(time.perf_counter())
            tokens = tokens[:, None]
        return Run(begin, [times for _ in prompts], ids)


def measure(job):
    import measure as measuring
    return measuring.of_session(Session(job), job["measurements"], job["vocab"])
