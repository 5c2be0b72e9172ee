#!/usr/bin/env python3
"""Fails when a folder under src/ includes a folder that LAYERS does not allow, or when LAYERS has a cycle."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
allowed = {}
for line in (root / "LAYERS").read_text().splitlines():
    line = line.split("#")[0].strip()
    if line:
        folder, _, rest = line.partition(":")
        allowed[folder.strip()] = set(rest.split())

problems = []
order = list(allowed)
for folder, others in allowed.items():
    for other in others - {"*"}:
        if other not in allowed:
            problems.append(f"LAYERS: {folder} names {other}, which has no line")
        elif order.index(other) >= order.index(folder):
            problems.append(f"LAYERS: {folder} may include {other}, which stands below it: a cycle could follow")

for path in sorted((root / "src").rglob("*")):
    if path.suffix not in {".h", ".cc"}:
        continue
    folder = path.relative_to(root / "src").parts[0]
    if folder not in allowed:
        problems.append(f"{path.relative_to(root)}: folder {folder} has no line in LAYERS")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1).split("/")[0]
        if target in allowed and target != folder and target not in allowed[folder] and "*" not in allowed[folder]:
            problems.append(f"{path.relative_to(root)}:{number}: {folder} may not include {target} (see LAYERS)")

print("\n".join(problems) if problems else f"layers: {len(allowed)} folders, every include allowed")
sys.exit(1 if problems else 0)
