"""The shapes that are compared, as Hugging Face configs, and the tensors that a checkpoint of each has. Sizes are those
of ganglion's published shapes of the same names; nothing here needs a package."""
import dataclasses

OPT = {"model_type": "opt", "architectures": ["OPTForCausalLM"], "vocab_size": 50272, "max_position_embeddings": 2048,
       "activation_function": "relu", "do_layer_norm_before": True, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1,
       "dropout": 0.0, "attention_dropout": 0.0, "tie_word_embeddings": True, "torch_dtype": "float16"}


def opt(hidden, layers, heads):
    return {**OPT, "hidden_size": hidden, "word_embed_proj_dim": hidden, "ffn_dim": 4 * hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads}


CONFIGS = {
    "gpt2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 50257, "n_positions": 1024, "n_embd": 768,
             "n_layer": 12, "n_head": 12, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "bos_token_id": 50256,
             "eos_token_id": 50256, "tie_word_embeddings": True, "torch_dtype": "float16"},
    "opt-125m": opt(768, 12, 12),
    "opt-1.3b": opt(2048, 24, 32),
    "llama-1.1b": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000, "hidden_size": 2048,
                   "intermediate_size": 5632, "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4,
                   "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
                   "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False, "torch_dtype": "float16"},
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple
    scale: bool = False  # the factors of a norm, which are ones; everything else is drawn


def linear(name, columns, rows, bias=True):
    """A matrix [rows, columns] of nn.Linear, and its bias [rows]."""
    return [Tensor(f"{name}.weight", (rows, columns)), *([Tensor(f"{name}.bias", (rows,))] if bias else [])]


def layer_norm(name, width):
    return [Tensor(f"{name}.weight", (width,), scale=True), Tensor(f"{name}.bias", (width,))]


def opt_tensors(config):
    hidden, ffn = config["hidden_size"], config["ffn_dim"]
    base = "model.decoder"
    # Positions begin at 2 in OPT's table.
    out = [Tensor(f"{base}.embed_tokens.weight", (config["vocab_size"], hidden)),
           Tensor(f"{base}.embed_positions.weight", (config["max_position_embeddings"] + 2, hidden))]
    for i in range(config["num_hidden_layers"]):
        layer = f"{base}.layers.{i}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            out += linear(f"{layer}.self_attn.{projection}", hidden, hidden)
        out += linear(f"{layer}.fc1", hidden, ffn) + linear(f"{layer}.fc2", ffn, hidden)
        out += layer_norm(f"{layer}.self_attn_layer_norm", hidden) + layer_norm(f"{layer}.final_layer_norm", hidden)
    return out + layer_norm(f"{base}.final_layer_norm", hidden)


def gpt2_tensors(config):
    hidden = config["n_embd"]

    def conv(name, rows, columns):  # GPT-2 stores [in, out]
        return [Tensor(f"{name}.weight", (rows, columns)), Tensor(f"{name}.bias", (columns,))]

    out = [Tensor("transformer.wte.weight", (config["vocab_size"], hidden)),
           Tensor("transformer.wpe.weight", (config["n_positions"], hidden))]
    for i in range(config["n_layer"]):
        layer = f"transformer.h.{i}"
        out += layer_norm(f"{layer}.ln_1", hidden) + layer_norm(f"{layer}.ln_2", hidden)
        out += conv(f"{layer}.attn.c_attn", hidden, 3 * hidden) + conv(f"{layer}.attn.c_proj", hidden, hidden)
        out += conv(f"{layer}.mlp.c_fc", hidden, 4 * hidden) + conv(f"{layer}.mlp.c_proj", 4 * hidden, hidden)
    return out + layer_norm("transformer.ln_f", hidden)


def llama_tensors(config):
    hidden, ffn, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    cached = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    out = [Tensor("model.embed_tokens.weight", (vocab, hidden))]
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        for projection, rows in (("q_proj", hidden), ("k_proj", cached), ("v_proj", cached), ("o_proj", hidden)):
            out += linear(f"{layer}.self_attn.{projection}", hidden, rows, bias=False)
        for projection, columns, rows in (("gate_proj", hidden, ffn), ("up_proj", hidden, ffn), ("down_proj", ffn, hidden)):
            out += linear(f"{layer}.mlp.{projection}", columns, rows, bias=False)
        out += [Tensor(f"{layer}.input_layernorm.weight", (hidden,), scale=True),
                Tensor(f"{layer}.post_attention_layernorm.weight", (hidden,), scale=True)]
    return [*out, Tensor("model.norm.weight", (hidden,), scale=True), Tensor("lm_head.weight", (vocab, hidden))]


TENSORS = {"opt": opt_tensors, "gpt2": gpt2_tensors, "llama": llama_tensors}


def tensors(config):
    return TENSORS[config["model_type"]](config)


def parameters(config):
    total = 0
    for tensor in tensors(config):
        size = 1
        for extent in tensor.shape:
            size *= extent
        total += size
    return total


def prompts(count, length, vocab):
    """The prompts that `ganglion bench` gives its requests: no two alike, so that no cache of prefixes can help."""
    return [[(7 + 31 * t + 101 * i) % vocab for t in range(length)] for i in range(count)]
