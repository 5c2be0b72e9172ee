"""Texts that tokenizers are compared on, all made here. Each is a str, or bytes where it is not meant to be UTF-8."""
import random
import unicodedata

WORDS = """the of and to in is that it was for on are as with his they at be this from have or by one had not but what all were when we there can an
your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could
no make than first been its who now people my made over did down only way find use may water long little very after words called just where most
know I'll don't it's we've you're he'd they'll o'clock I'M DON'T IT'S Hello World HTTP URL JSON std::vector int64_t foo_bar camelCase x86-64 a.b.c
naïve café Straße Übermut mañana œuvre façade Ærø İstanbul ﬁne ſo Привет мир Здравствуйте Καλημέρα κόσμε שלום עולם مرحبا بالعالم नमस्ते दुनिया
হ্যালো வணக்கம் สวัสดี ສະບາຍດີ မင်္ဂလာပါ ሰላም ᏣᎳᎩ ᠮᠣᠩᠭᠣᠯ 你好 世界 今天天气很好 こんにちは カタカナ 안녕하세요 한글 𝔘𝔫𝔦 𐌰𐌱 𒀀 𠀀𠀁 😀 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 ❤️ 1️⃣""".split()
SPACES = [" ", " ", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085", "\u200b", "\u180e", "\ufeff", "\x1c", "\v", "\f", "▁"]
SIGNS = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + ["...", "--", "==", "//", "::", "->", "</", "<|", "|>", "'", "''", "’", "“", "€", "½", "²", "①", "Ⅷ", "٣", "१"]
TAILS = ["s", "t", "re", "ve", "m", "ll", "d", "l", "r", "v", "sx", "lll", "S", "T", "RE", "Ve", "M", "LL", "D", "ſ", "ſt", "ﬅ", "ʼn"]
EDGES = (0, 0x7F, 0x80, 0x7FF, 0x800, 0x2581, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF)


def assigned():
    for code in range(0x110000):
        if unicodedata.category(chr(code)) not in ("Cn", "Cs"):
            yield chr(code)


def every_code_point():
    for char in assigned():
        yield char
        yield " " + char


def contraction_letters():
    """Where case is ignored, letters may match that are not the ones written."""
    for code in range(0x80, 0x2FFF):
        if unicodedata.category(chr(code))[0] == "L":
            yield f"it'{chr(code)}e"


def random_text(rng, chars):
    kind = rng.randrange(4)
    length = rng.randrange(1, 24)
    if kind == 0:
        return "".join(rng.choice(chars) for _ in range(length))
    if kind == 1:
        start = rng.randrange(len(chars) - 64)
        return "".join(rng.choice(chars[start : start + 64]) for _ in range(length))
    if kind == 2:
        return "".join(chr(rng.randrange(32, 127)) for _ in range(length))
    return "".join(chr(rng.choice(EDGES)) if rng.random() < 0.2 else rng.choice(chars) + rng.choice("a 1.") for _ in range(length))


def random_bytes(rng):
    kind = rng.randrange(3)
    if kind == 0:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 16)))
    raw = bytearray(" ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 6))).encode())
    if kind == 1:
        for _ in range(rng.randrange(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(128, 256)
        return bytes(raw)
    return bytes(raw[rng.randrange(len(raw)) :][: rng.randrange(1, 24)])


def white_space(rng):
    return "".join(rng.choice(SPACES) if rng.random() < 0.75 else rng.choice("ab1.é中") for _ in range(rng.randrange(1, 14)))


def digits(rng):
    return "".join(rng.choice("0123456789") if rng.random() < 0.85 else rng.choice(["x", " ", ".", ",", "٣", "²", "Ⅷ", "१", "-"]) for _ in range(rng.randrange(1, 14)))


def contractions(rng):
    return "".join(rng.choice(["I", "it", " you", "", " ", "é", "1"]) + rng.choice(["'", "'", "’", "''"]) + rng.choice(TAILS) for _ in range(rng.randrange(1, 4)))


def beside_tokens(rng, tokens):
    pieces = []
    for _ in range(rng.randrange(1, 6)):
        token = rng.choice(tokens)
        if rng.random() < 0.1:
            token = token[: rng.randrange(len(token))]
        pieces.append(token if rng.random() < 0.5 else rng.choice(WORDS + SPACES + SIGNS))
    return "".join(pieces)


def mixed(rng, pieces=12):
    return "".join(rng.choice(WORDS) + (rng.choice(SPACES[:4]) if rng.random() < 0.8 else rng.choice(SIGNS + SPACES)) for _ in range(rng.randrange(1, pieces)))


def long_texts(rng):
    """A megabyte each."""
    yield mixed(rng, 2) + "".join(mixed(rng) for _ in range(20000))[: 1 << 19]
    for unit in ("a", " ", "\n", "😀", "▁", "é", "中", "ab", "\ufffd", "1", "'s", "!"):
        yield unit * ((1 << 20) // len(unit.encode()))


def short_cases(count, seed, tokens):
    """About `count` texts: a sample of every kind, or all code points and the rest of random ones."""
    rng = random.Random(seed)
    chars = list(assigned())
    points = list(every_code_point()) + list(contraction_letters())
    if len(points) > count // 2 and count < 10**6:
        points = rng.sample(points, count // 2)
    yield from points
    makers = [lambda: random_text(rng, chars), lambda: random_bytes(rng), lambda: white_space(rng), lambda: digits(rng), lambda: contractions(rng),
              lambda: beside_tokens(rng, tokens), lambda: mixed(rng)]
    for index in range(count - len(points)):
        yield makers[index % len(makers)]()
