#!/usr/bin/env python3
"""Writes the tokenizer goldens beside this file.

demo.jsonl     strings through the embedded model's tokenizer (share/opt-demo), one JSON object a line:
               "t" the text, or "b" its bytes in hex where they are not UTF-8 (the oracle then gets decode("utf-8", "replace"));
               "i" the ids from tokenizer.json, "v" those from vocab.json + merges.txt where they differ;
               "d" and "vd" what these ids decode to without special tokens, where that is not the text.
trained.jsonl  the same through trained/tokenizer.json, a byte-level BPE with a prefix space, a template with an end token and added
               tokens with every flag, which --train trains anew on text made up here.

The ids of "i" must be the same from tokenizers.Tokenizer and transformers' AutoTokenizer, those of "v" from AutoTokenizer without
tokenizer.json and from the Python GPT2Tokenizer; the run fails where they are not.

Needs: pip install transformers==4.40.* tokenizers==0.19.1
"""
import argparse
import json
import pathlib
import random
import shutil
import tempfile
import warnings

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, GPT2Tokenizer

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE.parent.parent.parent / "share" / "opt-demo"
TRAINED = HERE / "trained" / "tokenizer.json"

PHRASES = """Hello, world! How are you today?|Thou art more lovely and more temperate|ROMEO: But, soft! what light?
Ein schöner Tag, große Füße und Übermut|L'été dernier, où étions-nous? Ça va.|¿Dónde está el niño? ¡Aquí!|Não há pão na maçã
Zażółć gęślą jaźń|Příliš žluťoučký kůň|Árvíztűrő tükörfúrógép|Iğdır ılık süt içti|Þetta er gott, ekki satt?|Hyvää päivää, öljyä
Καλημέρα κόσμε, τι κάνεις;|Ἀρχὴ ἥμισυ παντός|Привет, мир! Как дела?|Їжак і ґанок|Здраво, свете|Բարեւ աշխարհ|გამარჯობა მსოფლიო
שלום עולם, מה שלומך?|שָׁלוֹם|مرحبا بالعالم، كيف حالك؟|سلام دنیا ۱۲۳|السَّلَامُ عَلَيْكُمْ|ہیلو دنیا|ܫܠܡܐ|ދުނިޔެ
नमस्ते दुनिया, १२३|হ্যালো বিশ্ব|ਸਤ ਸ੍ਰੀ ਅਕਾਲ|નમસ્તે વિશ્વ|வணக்கம் உலகம்|హలో ప్రపంచం|ನಮಸ್ಕಾರ|ഹലോ ലോകം|ආයුබෝවන්
สวัสดีชาวโลก ๑๒๓|ສະບາຍດີ|မင်္ဂလာပါ|សួស្តី|བཀྲ་ཤིས་བདེ་ལེགས|ሰላም ልዑል|ᓄᓇᕗᑦ ᐃᓄᒃ|ᏣᎳᎩ|ᠮᠣᠩᠭᠣᠯ|ꦗꦮ|ᮞᮥᮔ᮪ᮓ
你好，世界！今天天气很好。|繁體中文測試|こんにちは世界、カタカナとひらがな。|ｶﾀｶﾅ ＦＵＬＬ　ＷＩＤＴＨ|안녕하세요 세계|한글|ㄱㄴㄷ|㊗㊙ ㍿ ①②③ Ⅷ ⅷ ½ ² ₃
Xin chào thế giới|Sawubona Mhlaba|Habari dunia|ʻO ka honua|ɪntəˈnæʃənəl|𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛|𐌰𐌱𐌲 𐍈|𒀀𒁀 𓀀𓁐|𠀀𠀁 𪜀""".replace("\n", "|").split("|")
EMOJI = "😀 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷🇩🇪 ❤️ 1️⃣ #️⃣ 🧑🏿‍🚀 ☺︎ 🫠 🤷🏻‍♀️ ♥ ✈️ ©️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🥲x a😀b".split(" ")
SPACES = [" ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085", "\u200b", "\u180e", "\ufeff", "\x1c", "\v", "\f"]
CONTRACTIONS = ["s", "t", "re", "ve", "m", "ll", "d", "l", "r", "v", "sx", "lll"]
INVALID = """80 bf c0 c1 c080 c2 c3 c328 e0 e080 e08080 e0a0 e0a041 e282 e28241 eda080 edbfbf ed9f f0 f09f f09f98 f09f9841 f0808080 f08fbfbf
f4908080 f5 f8808080 fc fe ff fffe c3c3a9 e282e282ac f09ff09f9880 61ff62 ff20ff 20c320 e29faf80 80808080 f09f98f09f98 edb0b0eda0b4 c3a9c3""".split()


def demo_strings(rng):
    latin = [chr(code) for code in range(256)]
    yield ""
    for char in latin:
        yield char
        yield "a" + char
        yield char + "b " + char
    yield from PHRASES
    for phrase in PHRASES:
        yield " " + phrase + "\n"
    yield from EMOJI
    yield from ("x " + emoji + emoji for emoji in EMOJI)
    for space in SPACES:
        for count in range(1, 7):
            yield space * count
            yield "a" + space * count + "b"
            yield space * count + "1, " + space * count + "!"
    for _ in range(150):
        yield "".join(rng.choice(SPACES[:8]) if rng.random() < 0.7 else rng.choice("ab1.") for _ in range(rng.randrange(2, 12)))
    for count in range(1, 11):
        digits = "1234567890"[:count]
        yield from (digits, " " + digits, "x" + digits + "y", digits + "." + digits, "٣" * count, "²" * count + "Ⅻ")
    for tail in CONTRACTIONS:
        for form in (tail, tail.upper(), tail.capitalize()):
            yield from (f"I'{form}", f"'{form}", f" '{form} x", f"it'{form}n't", f"I’{form}", f"''{form}")
    for token in ("</s>", "<s>", "<pad>", "<unk>"):
        yield from (token, token * 2, f"a{token}b", f" {token} ", f"a  {token}\n", f"it{token}'s", f"{token[:-1]}", f"<{token}>", f"é{token}é", token.upper())
    # Where tables of letters, numbers and spaces begin and end, and what newer Unicode versions made letters.
    for code in (0x2C1, 0x2C2, 0x374, 0x375, 0x37F, 0x380, 0x870, 0x888, 0x897, 0xC5D, 0x1680, 0x1C89, 0x1FFF, 0x2000, 0x200A, 0x200B, 0x2029,
                 0x202A, 0x202F, 0x205F, 0x2060, 0x3000, 0x3007, 0x4DBF, 0x4DC0, 0x9FFC, 0x9FFF, 0xA7CA, 0xA7CB, 0xA7D0, 0xD7FF, 0xE000, 0xFFFD,
                 0xFFFF, 0x10000, 0x105C0, 0x10D40, 0x11F02, 0x1B11F, 0x1DF25, 0x1E030, 0x2A6DF, 0x2A6E0, 0x2B739, 0x2EBF0, 0x31350, 0xE0100, 0x10FFFF):
        yield from (chr(code), "a" + chr(code), "1" + chr(code), " " + chr(code) + "!")
    pieces = PHRASES + EMOJI + SPACES + ["</s>", "<pad>", "'s", "42", "...", "--", "_x_", "http://a.b/c?d=e&f=%20"]
    for _ in range(400):
        yield "".join(rng.choice(pieces)[: rng.randrange(1, 9)] for _ in range(rng.randrange(2, 10)))


def byte_strings(rng):
    for text in INVALID:
        raw = bytes.fromhex(text)
        yield from (raw, b"a" + raw + b"b", b" " + raw)
    for _ in range(60):
        raw = bytearray(rng.choice(PHRASES).encode()[:24])
        for _ in range(rng.randrange(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(128, 256)
        yield bytes(raw)
    for phrase in PHRASES[::4]:
        yield phrase.encode()[:7]


def flag_strings(rng, tokens):
    """Added tokens beside white space, words, signs and each other."""
    neighbours = ["", " ", "  ", "\n\t ", "a", "é", "_", "1", ".", "\u0301", "\u00a0", "中", "x ", " x"]
    for token in tokens:
        yield token
        for left in neighbours:
            for right in neighbours[::2] if rng.random() < 0.5 else neighbours[1::2]:
                yield left + token + right
    for _ in range(500):
        yield "".join(rng.choice(tokens) if rng.random() < 0.4 else rng.choice(neighbours + PHRASES)[:9] for _ in range(rng.randrange(2, 9)))


def train():
    rng = random.Random(3)
    words = [word for phrase in PHRASES for word in phrase.split()] + EMOJI
    common = ["".join(rng.choice(["ka", "to", "mi", "ré", "ло", "ни", "世", "界", "ση", "th", "er", "in", "12", "की"]) for _ in range(rng.randrange(1, 5)))
              for _ in range(1500)]
    lines = [" ".join(rng.choice(words if rng.random() < 0.4 else common) for _ in range(12)) for _ in range(6000)]
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=3000, special_tokens=["[BOS]", "[EOS]", "[UNK]"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True), AddedToken("[SEP]", rstrip=True, normalized=True)])
    tokenizer.add_tokens([
        AddedToken("[LR]", lstrip=True, rstrip=True, normalized=False),
        AddedToken("word", single_word=True, normalized=False),
        AddedToken("wording", normalized=True),
        AddedToken("[N]", single_word=True, lstrip=True, normalized=True),
        AddedToken("[NL]\n", rstrip=True, normalized=False),
        AddedToken("ab", normalized=False), AddedToken("abcd", normalized=False), AddedToken("bcdef", normalized=True),
        AddedToken("über", normalized=False, single_word=True),
    ])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", pair="[BOS] $A [EOS] $B [EOS]",
        special_tokens=[("[BOS]", tokenizer.token_to_id("[BOS]")), ("[EOS]", tokenizer.token_to_id("[EOS]"))])
    TRAINED.parent.mkdir(exist_ok=True)
    TRAINED.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")


def as_text(case):
    return case.decode("utf-8", "replace") if isinstance(case, bytes) else case


def record(case, ids, decoded):
    line = {"b": case.hex()} if isinstance(case, bytes) else {"t": case}
    line["i"] = ids
    if decoded != as_text(case):
        line["d"] = decoded
    return line


def write(name, lines):
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    (HERE / name).write_text(text)
    print(f"{name}: {len(lines)} strings, {len(text.encode())} bytes")


def plain(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def make_demo():
    rng = random.Random(1)
    raw = Tokenizer.from_file(str(DEMO / "tokenizer.json"))
    auto = AutoTokenizer.from_pretrained(DEMO)
    with tempfile.TemporaryDirectory() as folder:
        for file in ("vocab.json", "merges.txt", "config.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copy(DEMO / file, folder)
        fast = AutoTokenizer.from_pretrained(folder)
        slow = GPT2Tokenizer.from_pretrained(folder)
    lines = []
    for case in dict.fromkeys([*demo_strings(rng), *byte_strings(rng)]):
        text = as_text(case)
        ids = raw.encode(text).ids
        assert ids == auto.encode(text), text
        line = record(case, ids, raw.decode(ids))
        from_vocab = fast.encode(text)
        # The Python tokenizer splits by the Unicode version of another package: newer letters may differ there only.
        if from_vocab != slow.encode(text):
            print("GPT2Tokenizer differs:", ascii(text))
        if from_vocab != ids:
            line["v"] = from_vocab
            line["vd"] = plain(fast, from_vocab)
        lines.append(line)
    write("demo.jsonl", lines)


def make_trained():
    rng = random.Random(2)
    tokenizer = Tokenizer.from_file(str(TRAINED))
    tokens = [token["content"] for token in json.loads(TRAINED.read_text())["added_tokens"]] + ["abcdef", "words"]
    cases = [*flag_strings(rng, tokens), *PHRASES, *EMOJI, *(" " + phrase for phrase in PHRASES), *list(byte_strings(rng))[:60]]
    lines = []
    for case in dict.fromkeys(cases):
        ids = tokenizer.encode(as_text(case)).ids
        lines.append(record(case, ids, tokenizer.decode(ids)))
    write("trained.jsonl", lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true", help="train trained/tokenizer.json anew first")
    if parser.parse_args().train:
        train()
    make_demo()
    make_trained()
