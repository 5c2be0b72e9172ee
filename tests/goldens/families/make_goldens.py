#!/usr/bin/env python3
"""Writes tiny checkpoints of every family but OPT (which has tests/goldens/opt) beside this script, and what Hugging Face
transformers makes of them: the oracle of greedy decoding in f32.

    make_goldens.py [--only NAME] [--check] [FOLDER]

Needs Debian 12's python3-torch (1.13.1) and a virtual environment on top of the system's packages:
    /usr/bin/python3 -m venv --system-site-packages VENV && VENV/bin/pip install 'transformers==4.45.*' 'numpy<2'
4.45 is the first release whose Llama has head_dim, mlp_bias and the llama3 scaling. --check compares the committed goldens
with the transformers at hand instead of writing them (4.40 gives the same for every model that it can load).

For each model a folder with config.json, its weights, and goldens.json and logits.npy as tests/goldens/opt/make_goldens.py
writes them. "checks" says what was compared while making them: each id with the argmax of one pass over the whole
sequence without a cache, and all ids with those from one left-padded batch of the eight prompts. A model with the dynamic
scaling has no such checks: there the frequencies follow the length of whatever runs together, so each prompt gets a
freshly loaded model, and the goldens are those of decoding with a cache.
"""
import argparse
import json
import os
import pathlib
import sys
import zlib

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "opt"))
from make_goldens import LOGIT_STEPS, NEW_TOKENS, PROMPT_LENGTHS, to_bytes, write_goldens, write_safetensors  # noqa: E402

GPT2 = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 64, "n_layer": 3, "n_head": 4,
        "n_positions": 128, "vocab_size": 500, "bos_token_id": 499, "eos_token_id": 499}
BIGCODE = {**GPT2, "architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode"}
GPTJ = {"architectures": ["GPTJForCausalLM"], "model_type": "gptj", "n_embd": 64, "n_layer": 3, "n_head": 4,
        "n_positions": 128, "rotary_dim": 8, "vocab_size": 501, "bos_token_id": 499, "eos_token_id": 499}
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 96, "vocab_size": 500,
         "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "bos_token_id": 1,
         "eos_token_id": 2}

# Together they pass every branch of the families. "prefix" False: names without the base model's prefix, as published
# files of GPT-2 have them. Seeds were chosen so that no step is near a tie and the texts do not stay at one token.
MODELS = {
    "gpt2": {"seed": 1, "dtype": "F32", "prefix": False, "config": GPT2},
    "gpt2-variant": {"seed": 2, "dtype": "F16",
                     "config": {**GPT2, "n_inner": 96, "activation_function": "gelu", "layer_norm_epsilon": 1e-3,
                                "scale_attn_by_inverse_layer_idx": True,
                                "tie_word_embeddings": False}},
    "gpt-bigcode-multi-query": {"seed": 3, "dtype": "F32", "config": BIGCODE},
    "gpt-bigcode-heads": {"seed": 14, "dtype": "F16",
                          "config": {**BIGCODE, "multi_query": False, "scale_attn_weights": False, "n_inner": 112}},
    "gptj": {"seed": 5, "dtype": "F32", "config": GPTJ},
    "gptj-tied": {"seed": 6, "dtype": "BF16",
                  "config": {**GPTJ, "rotary_dim": 16, "n_inner": 96, "tie_word_embeddings": True}},
    "llama": {"seed": 7, "dtype": "F32", "config": LLAMA},
    "llama3-grouped-tied": {"seed": 18, "dtype": "BF16", "prefix": False,
                            "config": {**LLAMA, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16,
                                       "tie_word_embeddings": True, "rope_theta": 5e5,
                                       "eos_token_id": [2, 3],
                                       "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                                        "high_freq_factor": 4.0,
                                                        "original_max_position_embeddings": 32}}},
    "llama-linear": {"seed": 9, "dtype": "F16",
                     "config": {**LLAMA, "max_position_embeddings": 32, "num_key_value_heads": 2,
                                "rope_scaling": {"type": "linear", "factor": 4.0}}},
    "llama-dynamic": {"seed": 42, "dtype": "F16",
                      "config": {**LLAMA, "max_position_embeddings": 32, "num_key_value_heads": 1,
                                 "rope_scaling": {"type": "dynamic", "factor": 4.0}}},
    "llama-biases": {"seed": 21, "dtype": "BF16", "shards": 2,
                     "config": {**LLAMA, "attention_bias": True, "mlp_bias": True, "hidden_act": "gelu_pytorch_tanh",
                                "num_key_value_heads": 2, "vocab_size": 503}},
}
PREFIXES = {"gpt2": "transformer.", "gpt_bigcode": "transformer.", "gptj": "transformer.", "llama": "model."}


def numbers_of(name, shape, seed, model_type):
    """Large enough that attention is far from uniform and every bias and norm moves a logit; by the name alone."""
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    leaf, parent = name.split(".")[-1], name.split(".")[-2]
    if leaf == "bias":
        deviation, mean = 0.2, 0.0
    elif len(shape) == 1:
        deviation, mean = 0.2, 1.0  # of a norm
    elif parent in ("wte", "wpe", "embed_tokens"):
        deviation, mean = 0.5, 0.0
    elif parent == "lm_head":
        deviation, mean = 0.5, 0.0
    else:
        conv1d = model_type == "gpt2"  # [in, out]
        deviation, mean = 2.0 / np.sqrt(shape[0] if conv1d else shape[1]), 0.0
    return (mean + deviation * rng.standard_normal(shape)).astype(np.float32)


def write_checkpoint(folder, settings):
    config, dtype = settings["config"], settings["dtype"]
    named = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype]
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": named}, indent=2) + "\n")
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(folder))
    tied = set(model._tied_weights_keys or []) if model.config.tie_word_embeddings else set()
    prefix = "" if settings.get("prefix", True) else PREFIXES[config["model_type"]]
    weights = {name.removeprefix(prefix): numbers_of(name, tuple(value.shape), settings["seed"], config["model_type"])
               for name, value in model.named_parameters() if name not in tied}
    shards = settings.get("shards", 1)
    if shards == 1:
        write_safetensors(folder / "model.safetensors", weights, dtype)
        return
    names, where = list(weights), {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = names[i * len(names) // shards:(i + 1) * len(names) // shards]
        write_safetensors(folder / file, {name: weights[name] for name in part}, dtype)
        where.update({name: file for name in part})
    index = {"metadata": {"total_size": sum(len(to_bytes(w, dtype)) for w in weights.values())}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def load(folder):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32,
                                                                    output_loading_info=True)
    tied = set(model._tied_weights_keys or []) if model.config.tie_word_embeddings else set()
    # The library would fill a missing weight with random numbers of its own.
    assert not set(info["missing_keys"]) - tied and not info["unexpected_keys"] and not info["mismatched_keys"], info
    return model.eval()


def greedy(model, prompts):
    """Ids [B, 64] and logits [B, 64, V] for prompts as one left-padded batch."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[1] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    new, logits, past = [], [], None
    for _ in range(NEW_TOKENS):
        position = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1]:]
        out = model(ids, attention_mask=mask, position_ids=position, past_key_values=past, use_cache=True)
        past = out.past_key_values
        logits.append(out.logits[:, -1])
        ids = logits[-1].argmax(-1, keepdim=True)
        new.append(ids)
        mask = torch.cat([mask, torch.ones_like(ids)], 1)
    return torch.cat(new, 1), torch.stack(logits, 1)


def goldens(folder, prompts):
    model = load(folder)
    dynamic = (getattr(model.config, "rope_scaling", None) or {}).get("type") == "dynamic"
    rows, singles, whole_equal, whole_difference = [], [], True, 0.0
    for prompt in prompts:
        if dynamic:
            model = load(folder)
        new, logits = greedy(model, [prompt])
        new, logits = new[0].tolist(), logits[0]
        singles.append((new, logits))
        if not dynamic:
            whole = model(torch.tensor([prompt + new[:-1]]), use_cache=False).logits[0, len(prompt) - 1:]
            whole_equal &= whole.argmax(-1).tolist() == new
            whole_difference = max(whole_difference, float((whole - logits).abs().max() / whole.abs().max()))
        best = torch.topk(logits, 2).values
        rows.append({"ids": prompt, "new_ids": new, "gaps": [round(float(a - b), 5) for a, b in best]})
    checks = {"smallest_gap": min(min(row["gaps"]) for row in rows),
              "steps_with_gap_below_0.001": sum(gap < 1e-3 for row in rows for gap in row["gaps"]),
              "distinct_new_ids": len({t for row in rows for t in row["new_ids"]})}
    if not dynamic:
        batch_new, batch_logits = greedy(model, prompts)
        differences = [float((b - s).abs().max() / s.abs().max()) for b, (_, s) in zip(batch_logits, singles)]
        checks = {"ids_equal_without_cache": whole_equal,
                  "logits_without_cache_differ_by": whole_difference,
                  "ids_equal_as_left_padded_batch": batch_new.tolist() == [new for new, _ in singles],
                  "logits_as_left_padded_batch_differ_by": max(differences), **checks}
        assert checks["ids_equal_without_cache"] and checks["ids_equal_as_left_padded_batch"], checks
    return rows, np.stack([logits[LOGIT_STEPS].numpy() for _, logits in singles]).astype("<f4"), checks


def compare(folder, result):
    rows, logits, _ = result
    committed = json.loads((folder / "goldens.json").read_text())["prompts"]
    reference = np.load(folder / "logits.npy")
    same = [row["new_ids"] for row in rows] == [row["new_ids"] for row in committed]
    difference = float(np.abs(logits - reference).max() / np.abs(reference).max())
    print(folder.name, "ids equal" if same else "IDS DIFFER", f"logits differ by {difference:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one model: " + ", ".join(MODELS))
    parser.add_argument("--check", action="store_true", help="compare with the committed goldens")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    assert arguments.check or transformers.__version__.startswith("4.45"), transformers.__version__
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for name, settings in MODELS.items():
        if arguments.only not in (None, name):
            continue
        folder = arguments.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        if not arguments.check:
            write_checkpoint(folder, settings)
        rng = np.random.Generator(np.random.PCG64(1000 + settings["seed"]))
        prompts = [rng.integers(4, 499, length).tolist() for length in PROMPT_LENGTHS]
        try:
            result = goldens(folder, prompts)
        except (ValueError, AssertionError) as error:
            if not arguments.check:
                raise
            print(folder.name, "cannot be loaded here:", str(error)[:100])
            continue
        compare(folder, result) if arguments.check else write_goldens(folder, name, result)


if __name__ == "__main__":
    main()
