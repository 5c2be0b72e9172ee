"""A checkpoint as a GGUF file in f32, by the package gguf: what llama.cpp's own converter writes for these families, without
a vocabulary (tokenizer "no_vocab"), which random weights have no use for. llama.cpp itself makes the narrower types of it."""
import checkpoints
import shapes


def rotary_order(weight, heads):
    """Rows of a projection in the order of llama.cpp's rotary positions: pairs side by side, not halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def llama_settings(writer, config):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])


def gpt2_settings(writer, config):
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


def arranged(name, values, config):
    if config["model_type"] == "llama":
        if name.endswith("q_proj.weight"):
            return rotary_order(values, config["num_attention_heads"])
        if name.endswith("k_proj.weight"):
            return rotary_order(values, config["num_key_value_heads"])
    elif name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return values.T  # GPT-2 stores [in, out]
    return values


def write(shape, checkpoint, path):
    import gguf
    import numpy
    config = shapes.CONFIGS[shape]
    architecture = config["model_type"]
    layers = config["num_hidden_layers" if architecture == "llama" else "n_layer"]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], layers)
    partial = path.with_suffix(".part")
    writer = gguf.GGUFWriter(partial, architecture, use_temp_file=False)
    {"llama": llama_settings, "gpt2": gpt2_settings}[architecture](writer, config)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("no_vocab")
    for name, values in checkpoints.read(checkpoint):
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise RuntimeError(f"GGUF has no name for {name}")
        writer.add_tensor(target, numpy.ascontiguousarray(arranged(name, values, config), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(path)
