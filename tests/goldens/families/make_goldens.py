#!/usr/bin/env python3
"""Writes tiny checkpoints of every family but OPT (which has tests/goldens/opt) beside this script, and what Hugging Face
transformers makes of them: the oracle of greedy decoding in f32.

    make_goldens.py [--only NAME] [--check] [FOLDER]

Needs Debian 12's python3-torch (1.13.1) and a virtual environment on top of the system's packages:
    /usr/bin/python3 -m venv --system-site-packages VENV && VENV/bin/pip install 'transformers==4.45.*' 'numpy<2'
4.45 is the first release whose Llama has head_dim, mlp_bias and the llama3 scaling. --check compares the committed goldens
with the transformers at hand instead of writing them (4.40 gives the same for every model that it can load).

Each model gets a folder as ../greedy_decoding.py says.
"""
import argparse
import json
import pathlib
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import greedy_decoding
import numpy as np
import transformers

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
    greedy_decoding.write_weights(folder, weights, dtype, settings.get("shards", 1))


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
    greedy_decoding.begin(*(() if arguments.check else ("4.45",)))
    for name, settings in MODELS.items():
        if arguments.only not in (None, name):
            continue
        folder = arguments.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        if not arguments.check:
            write_checkpoint(folder, settings)
        prompts = greedy_decoding.seeded_prompts(settings["seed"], 4, 499)
        try:
            result = greedy_decoding.goldens(folder, prompts)
        except (ValueError, AssertionError) as error:
            if not arguments.check:
                raise
            print(folder.name, "cannot be loaded here:", str(error)[:100])
            continue
        compare(folder, result) if arguments.check else greedy_decoding.write_goldens(folder, name, result)


if __name__ == "__main__":
    main()
