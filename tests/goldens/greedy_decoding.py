"""Greedy decoding in f32 by Hugging Face transformers, and the files that say what came of it: what the make_goldens.py of
opt/ and of families/ share.

For each model a folder with config.json, its weights, and
  goldens.json  per prompt: its ids, the 64 greedy ids that follow (the end-of-text token does not stop them), and at each
                step the gap between the best and the second logit. "checks" says what was compared while making it: each
                id with the argmax of one pass over the whole sequence without a cache, and all ids with those from one
                left-padded batch of the eight prompts. A model with the dynamic rotary scaling has no such checks: there
                the frequencies follow the length of whatever runs together, so each prompt gets a freshly loaded model, and
                the goldens are those of decoding with a cache.
  logits.npy    f32 [prompt, step, vocabulary]: the logits that chose the new id of each step in "logit_steps"; step 0 is
                the last position of the prompt.
"""
import json
import os
import struct

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")

import numpy as np
import torch
import transformers

NEW_TOKENS = 64
LOGIT_STEPS = [0, 1, 7, 31, 63]
PROMPT_LENGTHS = [1, 2, 3, 5, 8, 13, 24, 40]


def begin(*versions):
    """One thread, no gradients; refuses a transformers of another version, whose last bits may differ."""
    assert not versions or transformers.__version__.startswith(versions), transformers.__version__
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)


def seeded_prompts(seed, low, high):
    rng = np.random.Generator(np.random.PCG64(1000 + seed))
    return [rng.integers(low, high, length).tolist() for length in PROMPT_LENGTHS]


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


def write_weights(folder, weights, dtype, shards=1):
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
        # OPT takes them from the mask itself.
        position = {} if model.config.model_type == "opt" else {
            "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1]:]}
        out = model(ids, attention_mask=mask, past_key_values=past, use_cache=True, **position)
        past = out.past_key_values
        logits.append(out.logits[:, -1])
        ids = logits[-1].argmax(-1, keepdim=True)
        new.append(ids)
        mask = torch.cat([mask, torch.ones_like(ids)], 1)
    return torch.cat(new, 1), torch.stack(logits, 1)


def goldens(folder, prompts, texts=None, decode=None):
    """Rows of goldens.json, the array of logits.npy and the checks; with texts, the rows have them and the whole text too."""
    model = load(folder)
    dynamic = (getattr(model.config, "rope_scaling", None) or {}).get("type") == "dynamic"
    rows, singles, whole_equal, whole_difference = [], [], True, 0.0
    for i, prompt in enumerate(prompts):
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
        row = {"ids": prompt, "new_ids": new, "gaps": [round(float(a - b), 5) for a, b in best]}
        rows.append(row if texts is None else {"text": texts[i], **row, "whole_text": decode(prompt + new)})
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
