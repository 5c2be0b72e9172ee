"""From the turns of a run to figures, verdicts and a table. Numbers in, text out.

Results: {"about": {...}, "cells": {"SHAPE CLASS MEASUREMENT": {"turns": {"PEER VARIANT": {"rates": [...], "of_limit": [...],
"ids": [...]}}, "absent": {"PEER" or "PEER VARIANT": reason}}}}, where PEER is a key of peers.PEERS."""
import dataclasses
import statistics

LIMIT = 0.85  # of what the machine was measured to be able to: enough, where no peer is faster


@dataclasses.dataclass(frozen=True)
class Figures:
    peer: str
    variant: str
    median: float
    low: float
    high: float
    rates: tuple


def figures(name, rates):
    peer, variant = name.split(" ", 1)
    return Figures(peer, variant, statistics.median(rates), min(rates), max(rates), tuple(rates))


def best_of(turns, peers):
    """The variant with the highest median of these peers, or None."""
    found = [figures(name, entry["rates"]) for name, entry in turns.items() if entry["rates"] and name.split(" ", 1)[0] in peers]
    return max(found, key=lambda one: one.median, default=None)


@dataclasses.dataclass(frozen=True)
class Verdict:
    ratio: float  # ours over the best peer's, the median over the rounds
    low: float
    high: float
    of_limit: float
    word: str     # met, at the limit, unsure, missed, no peer


def verdict(turns, ours, others, target):
    """Ratios are of turns of one round: what disturbed the machine then disturbed both. Met only if no round misses; where
    rounds disagree it is unsure, which counts as a miss."""
    mine, best = best_of(turns, [ours]), best_of(turns, others)
    if mine is None:
        return None
    limits = turns[f"{mine.peer} {mine.variant}"].get("of_limit") or [0.0]
    of_limit = statistics.median(limits)
    if best is None:
        return Verdict(0, 0, 0, of_limit, "no peer")
    ratios = [a / b for a, b in zip(mine.rates, best.rates)]
    ratio = statistics.median(ratios)
    at_limit = of_limit >= LIMIT and ratio >= 1
    if min(ratios) >= target:
        word = "met"
    elif at_limit and min(limits) >= LIMIT and min(ratios) >= 1:
        word = "at the limit"
    else:
        word = "unsure" if ratio >= target or at_limit else "missed"
    return Verdict(ratio, min(ratios), max(ratios), of_limit, word)


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell_text(one):
    return f"{number(one.median)} {one.variant} ({number(one.low)}–{number(one.high)})"


def aligned(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]])


def render(results, names, ours, targets):
    """names: peer to what it is called, in the order of the columns; targets: measurement to ratio."""
    others = [peer for peer in names if peer != ours]
    rows = [["shape", "class", "measurement", *names.values(), "ratio", "of limit", "target", "verdict"]]
    for key, cell in results["cells"].items():
        shape, klass, measurement = key.split()
        found = {peer: best_of(cell["turns"], [peer]) for peer in names}
        judged = verdict(cell["turns"], ours, others, targets[measurement])
        ratio = limit = word = "-"
        if judged is not None:
            limit, word = f"{judged.of_limit:.0%}", judged.word
            if word != "no peer":
                ratio = f"{judged.ratio:.2f} ({judged.low:.2f}–{judged.high:.2f})"
        rows.append([shape, klass, measurement, *(cell_text(one) if one else "-" for one in found.values()),
                     ratio, limit, f"{targets[measurement]:.2f}", word])
    parts = [aligned(rows), slower(results, names), absences(results, names), differing(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def slower(results, names):
    """The variants that were measured and are not in the table."""
    lines = []
    for key, cell in results["cells"].items():
        for peer in names:
            best = best_of(cell["turns"], [peer])
            for name, entry in cell["turns"].items():
                if entry["rates"] and name.split(" ", 1)[0] == peer and name != f"{best.peer} {best.variant}":
                    lines.append(f"- {key}: {names[peer]} {cell_text(figures(name, entry['rates']))}")
    return "Measured too, and slower:\n\n" + "\n".join(lines) if lines else ""


def absences(results, names):
    """Reasons, each once, with the shapes and classes where it holds; a measurement is named where it is not all of them."""
    where, all_of = {}, {}
    for key, cell in results["cells"].items():
        place, measurement = key.rsplit(" ", 1)
        all_of.setdefault(place, []).append(measurement)
        for name, reason in cell["absent"].items():
            peer, _, variant = name.partition(" ")
            where.setdefault((f"{names[peer]} {variant}".strip(), reason), {}).setdefault(place, []).append(measurement)
    lines = []
    for (name, reason), places in where.items():
        texts = [place if found == all_of[place] else f"{place} {', '.join(found)}" for place, found in places.items()]
        lines.append(f"- {name}: {reason} ({'; '.join(texts)})")
    return "Not measured:\n\n" + "\n".join(lines) if lines else ""


def differing(results):
    """In f32 all must have chosen the same tokens, or they did not do the same work."""
    same, different = 0, []
    for key, cell in results["cells"].items():
        if key.split()[1:] != ["f32", "decode"]:
            continue
        ids = {name: tuple(entry["ids"]) for name, entry in cell["turns"].items() if entry.get("ids")}
        if len(set(ids.values())) == 1:
            same += 1
        elif ids:
            different.append(f"- {key}: " + "; ".join(f"{name} {list(tokens)}" for name, tokens in ids.items()))
    lines = [f"First greedy tokens in f32: the same from all for {same} of {same + len(different)} shapes."] if same or different else []
    return "\n".join(lines + different)
