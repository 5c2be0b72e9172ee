#!/usr/bin/env python3
"""Writes the goldens of tokenizers in the styles of Llama 2 and Llama 3, trained here on text of this repository.

llama3/tokenizer.json          byte-level BPE with Llama 3's Split pattern, ignore_merges and a template
llama2/tokenizer.model         SentencePiece BPE with byte fallback
llama2/tokenizer.json          what transformers' LlamaTokenizerFast makes of it (legacy: true)
llama2/not_legacy.json         the same with legacy: false
unigram/tokenizer.model        a SentencePiece unigram model with byte fallback, and its tokenizer.json

llama3.jsonl, llama2.jsonl, unigram.jsonl: one line for each text of demo.jsonl, in its order: "i" the ids, "n" those with legacy: false where
they differ, "d" what the ids of "i" decode to without special tokens, where that is not the text.

--train trains and converts, which needs: pip install transformers==4.57.* sentencepiece==0.2.* protobuf
Without it the ids are written, which needs: pip install tokenizers==0.19.1 (a later one splits by a later Unicode version)
"""
import argparse
import json
import pathlib
import shutil
import tempfile

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def texts():
    for line in (HERE / "demo.jsonl").read_text().split("\n")[:-1]:
        golden = json.loads(line)
        yield bytes.fromhex(golden["b"]).decode("utf-8", "replace") if "b" in golden else golden["t"]


def training_lines():
    for file in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("decisions/*.md")), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("src/base/*.h"))]:
        yield from (line for line in file.read_text().splitlines() if line.strip())
    yield from (text for text in texts() if text.isprintable() and len(text) > 12)


def write_json(file, tokenizer):
    file.parent.mkdir(exist_ok=True)
    whole = json.loads(tokenizer.to_str())
    if "merges" in whole["model"]:
        whole["model"]["merges"] = [" ".join(pair) for pair in whole["model"]["merges"]]  # as 0.19 reads them
    file.write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n")


def train_llama3():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=[], show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(training_lines(), trainer)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "</s>")])
    begin = "<|begin_of_text|>"
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, tokenizer.token_to_id(begin))])])
    write_json(HERE / "llama3" / "tokenizer.json", tokenizer)


def train_sentencepiece(name, kind):
    import sentencepiece

    with tempfile.TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=training_lines(), model_prefix=f"{folder}/m", model_type=kind, vocab_size=1000, byte_fallback=True, character_coverage=0.995,
            normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True, num_threads=1,
            user_defined_symbols=["<sep>"], minloglevel=2)
        (HERE / name).mkdir(exist_ok=True)
        shutil.copy(f"{folder}/m.model", HERE / name / "tokenizer.model")


def convert(name, legacy):
    from transformers import LlamaTokenizerFast

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(HERE / name / "tokenizer.model", folder)
        (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", "legacy": legacy}))
        return LlamaTokenizerFast.from_pretrained(folder)


def write_goldens(name, tokenizer, not_legacy=None):
    lines = []
    for text in texts():
        ids = tokenizer.encode(text).ids
        line = {"i": ids}
        if not_legacy is not None and not_legacy.encode(text).ids != ids:
            line["n"] = not_legacy.encode(text).ids
        decoded = tokenizer.decode(ids)
        if decoded != text:
            line["d"] = decoded
        lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    (HERE / f"{name}.jsonl").write_text("".join(lines))
    print(f"{name}.jsonl: {len(lines)} texts, {sum(len(line.encode()) for line in lines)} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true", help="train the tokenizers anew first")
    if parser.parse_args().train:
        train_llama3()
        train_sentencepiece("llama2", "bpe")
        train_sentencepiece("unigram", "unigram")
        for name in ("llama2", "unigram"):
            write_json(HERE / name / "tokenizer.json", convert(name, legacy=True).backend_tokenizer)
            write_json(HERE / name / "not_legacy.json", convert(name, legacy=False).backend_tokenizer)
    else:
        assert tokenizers.__version__ == "0.19.1", tokenizers.__version__
        write_goldens("llama3", Tokenizer.from_file(str(HERE / "llama3" / "tokenizer.json")))
        for name in ("llama2", "unigram"):
            write_goldens(name, Tokenizer.from_file(str(HERE / name / "tokenizer.json")), Tokenizer.from_file(str(HERE / name / "not_legacy.json")))
