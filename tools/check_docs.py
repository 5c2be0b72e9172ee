#!/usr/bin/env python3
"""Fails when a document names a file or folder of the project that is not there."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
documents = [p for p in [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("decisions/*.md")]]
tops = {p.name for p in root.iterdir()}
problems = []
for document in documents:
    for number, line in enumerate(document.read_text().splitlines(), 1):
        for name in re.findall(r"`([\w./-]+)`", line):
            top = name.split("/")[0]
            if name.startswith("/") or "NAME" in name:  # a URL's path; a name to be chosen
                continue
            folder_below_src = (root / "src" / top).is_dir() and "/" in name
            if not ((top in tops and top != "build" and "/" in name) or folder_below_src):
                continue
            if not ((root / name).exists() or (root / "src" / name).exists()):
                problems.append(f"{document.relative_to(root)}:{number}: {name} is not there")
print("\n".join(problems) if problems else f"documents: {len(documents)}, every file they name is there")
sys.exit(1 if problems else 0)
