#!/usr/bin/env python3
"""Writes the tiny OPT checkpoints beside this script, and what Hugging Face transformers makes of them and of the
embedded model: the oracle of greedy decoding in f32.

    make_goldens.py [--only NAME] [FOLDER]

Needs Debian 12's python3-torch (1.13.1, which calls itself 1.13.0a0) and a virtual environment on top of the system's packages:
    /usr/bin/python3 -m venv --system-site-packages VENV && VENV/bin/pip install 'transformers==4.40.*' 'numpy<2'
(Nothing else: accelerate, for one, brings a newer torch along, which then hides Debian's.)

Each model gets a folder as ../greedy_decoding.py says; the embedded model's weights are in share/opt-demo.
"""
import argparse
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import greedy_decoding
import numpy as np
import torch
import transformers

# Each differs from the first in more than one way, and together they pass every branch of the architecture. "prefix" False:
# names without "model." in front, as some published files have them. Seeds and deviations were chosen so that no step is
# near a tie and the texts do not stay at one token.
TINY = {
    "pre-norm-relu-tied": {"seed": 1, "dtype": "F32", "position_deviation": 0.1},
    "pre-norm-gelu-untied": {"seed": 2, "dtype": "F32", "position_deviation": 0.5,
                             "config": {"activation_function": "gelu", "tie_word_embeddings": False}},
    "post-norm-projections": {"seed": 6, "dtype": "BF16", "position_deviation": 2.0,
                              "config": {"do_layer_norm_before": False, "word_embed_proj_dim": 32}},
    "sharded": {"seed": 4, "dtype": "F16", "position_deviation": 0.5, "shards": 2, "prefix": False},
}
DEMO_PROMPTS = [
    "Hello, I am a language model,",
    "Welcome to Amazon Elastic Compute Cloud,",
    "",
    "O",
    "ROMEO:\n",
    "What is the city but the people?\n\nCITIZENS:\n",
    "KING RICHARD:\nNow tell me, good my lord, and tell me true:\nWho sent thee hither, and to what intent?\n\nMESSENGER:\n",
    "3 + 4 = 7; naïve café — 日本",
]


def config_of(settings):
    config = {
        "architectures": ["OPTForCausalLM"], "model_type": "opt", "activation_function": "relu", "attention_dropout": 0.0,
        "bos_token_id": 2, "do_layer_norm_before": True, "dropout": 0.0, "eos_token_id": 2, "ffn_dim": 128,
        "hidden_size": 64, "init_std": 0.02, "layerdrop": 0.0, "max_position_embeddings": 128, "num_attention_heads": 4,
        "num_hidden_layers": 3, "pad_token_id": 1, "prefix": "</s>", "tie_word_embeddings": True, "use_cache": True,
        "vocab_size": 500, "word_embed_proj_dim": 64,
    }
    config.update(settings.get("config", {}))
    config["torch_dtype"] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[settings["dtype"]]
    return config


def weights_of(config, seed, position_deviation):
    """name -> f32 array. Large enough numbers that attention is far from uniform and every bias and norm moves a logit."""
    rng = np.random.Generator(np.random.PCG64(seed))
    hidden, ffn, embed = config["hidden_size"], config["ffn_dim"], config["word_embed_proj_dim"]
    out = {}

    def normal(name, shape, deviation, mean=0.0):
        out[name] = (mean + deviation * rng.standard_normal(shape)).astype(np.float32)

    def linear(name, to, fro):
        normal(name + ".weight", (to, fro), 2.5 / np.sqrt(fro))
        normal(name + ".bias", (to,), 0.2)

    def norm(name):
        normal(name + ".weight", (hidden,), 0.2, mean=1.0)
        normal(name + ".bias", (hidden,), 0.05)

    decoder = "model.decoder."
    normal(decoder + "embed_tokens.weight", (config["vocab_size"], embed), 0.3)
    normal(decoder + "embed_positions.weight", (config["max_position_embeddings"] + 2, hidden), position_deviation)
    if embed != hidden:
        normal(decoder + "project_in.weight", (hidden, embed), 2.5 / np.sqrt(embed))
        normal(decoder + "project_out.weight", (embed, hidden), 2.5 / np.sqrt(hidden))
    for i in range(config["num_hidden_layers"]):
        layer = f"{decoder}layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{layer}self_attn.{name}", hidden, hidden)
        norm(layer + "self_attn_layer_norm")
        linear(layer + "fc1", ffn, hidden)
        linear(layer + "fc2", hidden, ffn)
        norm(layer + "final_layer_norm")
    if config["do_layer_norm_before"]:
        norm(decoder + "final_layer_norm")
    if not config["tie_word_embeddings"]:
        normal("lm_head.weight", (config["vocab_size"], embed), 0.5)
    return out


def write_checkpoint(folder, settings):
    config = config_of(settings)
    weights = weights_of(config, settings["seed"], settings["position_deviation"])
    if not settings.get("prefix", True):
        weights = {name.removeprefix("model."): array for name, array in weights.items()}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    greedy_decoding.write_weights(folder, weights, settings["dtype"], settings.get("shards", 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one model: " + ", ".join([*TINY, "demo"]))
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    assert torch.__version__.startswith("1.13"), torch.__version__
    greedy_decoding.begin("4.40")
    for name, settings in TINY.items():
        if arguments.only not in (None, name):
            continue
        folder = arguments.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(folder, settings)
        prompts = greedy_decoding.seeded_prompts(settings["seed"], 3, 500)
        greedy_decoding.write_goldens(folder, name, greedy_decoding.goldens(folder, prompts))
    if arguments.only in (None, "demo"):
        source = HERE.parents[2] / "share" / "opt-demo"
        folder = arguments.folder / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        slow = transformers.AutoTokenizer.from_pretrained(source, use_fast=False)
        fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json"))
        prompts = [slow(text).input_ids for text in DEMO_PROMPTS]
        assert prompts == [fast(text).input_ids for text in DEMO_PROMPTS]

        def decode(ids):
            return slow.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

        result = greedy_decoding.goldens(source, prompts, DEMO_PROMPTS, decode)
        greedy_decoding.write_goldens(folder, "share/opt-demo", result)


if __name__ == "__main__":
    main()
