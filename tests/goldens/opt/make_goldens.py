#!/usr/bin/env python3
"""Writes the tiny OPT checkpoints beside this script, and what Hugging Face transformers makes of them and of the
embedded model: the oracle of greedy decoding in f32.

    make_goldens.py [--only NAME] [FOLDER]

Needs Debian 12's python3-torch (1.13.1, which calls itself 1.13.0a0) and a virtual environment on top of the system's packages:
    /usr/bin/python3 -m venv --system-site-packages VENV && VENV/bin/pip install 'transformers==4.40.*' 'numpy<2'
(Nothing else: accelerate, for one, brings a newer torch along, which then hides Debian's.)

For each model a folder with config.json and its weights (the embedded model's are in share/opt-demo) and
  goldens.json  per prompt: its ids, the 64 greedy ids that follow (the end-of-text token does not stop them), and at each
                step the gap between the best and the second logit. "checks" says what was compared while making it: each
                id with the argmax of one pass over the whole sequence without a cache, and all ids with those from one
                left-padded batch of the eight prompts.
  logits.npy    f32 [prompt, step, vocabulary]: the logits that chose the new id of each step in "logit_steps"; step 0 is
                the last position of the prompt.
"""
import argparse
import json
import os
import pathlib
import struct

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
NEW_TOKENS = 64
LOGIT_STEPS = [0, 1, 7, 31, 63]
PROMPT_LENGTHS = [1, 2, 3, 5, 8, 13, 24, 40]

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


def to_bytes(array, dtype):
    if dtype == "F32":
        return array.astype("<f4").tobytes()
    if dtype == "F16":
        return array.astype("<f2").tobytes()
    bits = array.astype("<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()  # to nearest, ties to even


def write_safetensors(path, weights, dtype):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in weights.items():
        piece = to_bytes(array, dtype)
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_checkpoint(folder, settings):
    config = config_of(settings)
    weights = weights_of(config, settings["seed"], settings["position_deviation"])
    if not settings.get("prefix", True):
        weights = {name.removeprefix("model."): array for name, array in weights.items()}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    shards = settings.get("shards", 1)
    if shards == 1:
        write_safetensors(folder / "model.safetensors", weights, settings["dtype"])
        return
    names, where = list(weights), {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = names[i * len(names) // shards:(i + 1) * len(names) // shards]
        write_safetensors(folder / file, {name: weights[name] for name in part}, settings["dtype"])
        where.update({name: file for name in part})
    index = {"metadata": {"total_size": sum(len(to_bytes(w, settings["dtype"])) for w in weights.values())},
             "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def load(folder):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32,
                                                                    output_loading_info=True)
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
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
        out = model(ids, attention_mask=mask, past_key_values=past, use_cache=True)
        past = out.past_key_values
        logits.append(out.logits[:, -1])
        ids = logits[-1].argmax(-1, keepdim=True)
        new.append(ids)
        mask = torch.cat([mask, torch.ones_like(ids)], 1)
    return torch.cat(new, 1), torch.stack(logits, 1)


def goldens(model, prompts, texts=None, decode=None):
    rows, kept, full_equal, full_difference = [], [], True, 0.0
    singles = []
    for i, prompt in enumerate(prompts):
        new, logits = greedy(model, [prompt])
        new, logits = new[0].tolist(), logits[0]
        singles.append((new, logits))
        whole = model(torch.tensor([prompt + new[:-1]]), use_cache=False).logits[0, len(prompt) - 1:]
        full_equal &= whole.argmax(-1).tolist() == new
        full_difference = max(full_difference, float((whole - logits).abs().max() / whole.abs().max()))
        best = torch.topk(logits, 2).values
        row = {"ids": prompt, "new_ids": new, "gaps": [round(float(a - b), 5) for a, b in best]}
        if texts is not None:
            row = {"text": texts[i], **row, "whole_text": decode(prompt + new)}
        rows.append(row)
        kept.append(logits[LOGIT_STEPS].numpy())
    batch_new, batch_logits = greedy(model, prompts)
    batch_difference = max(float((b - s).abs().max() / s.abs().max()) for b, (_, s) in zip(batch_logits, singles))
    checks = {
        "ids_equal_without_cache": full_equal,
        "logits_without_cache_differ_by": full_difference,
        "ids_equal_as_left_padded_batch": batch_new.tolist() == [new for new, _ in singles],
        "logits_as_left_padded_batch_differ_by": batch_difference,
        "smallest_gap": min(min(row["gaps"]) for row in rows),
        "steps_with_gap_below_0.001": sum(gap < 1e-3 for row in rows for gap in row["gaps"]),
        "distinct_new_ids": len({t for row in rows for t in row["new_ids"]}),
    }
    assert checks["ids_equal_without_cache"] and checks["ids_equal_as_left_padded_batch"], checks
    return rows, np.stack(kept).astype("<f4"), checks


def write_goldens(folder, model, result):
    rows, logits, checks = result
    document = {"made_with": {"torch": torch.__version__, "transformers": transformers.__version__}, "model": model,
                "dtype": "float32", "new_tokens": NEW_TOKENS, "logit_steps": LOGIT_STEPS, "checks": checks}
    head = json.dumps(document, indent=1)[:-2]  # one line for each prompt
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    (folder / "goldens.json").write_text(f'{head},\n "prompts": [\n  {lines}\n ]\n}}\n')
    json.loads((folder / "goldens.json").read_text())
    np.save(folder / "logits.npy", logits)
    print(folder.name, json.dumps(checks))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one model: " + ", ".join([*TINY, "demo"]))
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    assert torch.__version__.startswith("1.13") and transformers.__version__.startswith("4.40"), (
        torch.__version__, transformers.__version__)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for name, settings in TINY.items():
        if arguments.only not in (None, name):
            continue
        folder = arguments.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(folder, settings)
        rng = np.random.Generator(np.random.PCG64(1000 + settings["seed"]))
        prompts = [rng.integers(3, 500, length).tolist() for length in PROMPT_LENGTHS]
        write_goldens(folder, name, goldens(load(folder), prompts))
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

        write_goldens(folder, "share/opt-demo", goldens(load(source), prompts, DEMO_PROMPTS, decode))


if __name__ == "__main__":
    main()
