#!/usr/bin/env python3
"""Compares our HLO text and HloModuleProto with XLA's own reading of them, and makes the *.jaxlib.pb goldens.

    pip install jax==0.10.2 jaxlib==0.10.2
    python tests/goldens/hlo/check_with_jaxlib.py            # check; exits 1 on a difference
    python tests/goldens/hlo/check_with_jaxlib.py --update   # write *.jaxlib.pb, too

For every NAME.hlo.txt and NAME.hlo.pb here (written by src/hlo/formats_test.cc): both are parsed by XLA and must print the
same canonical text; the text, parsed and written by XLA, is NAME.jaxlib.pb, which our reader reads in that test.
"""
import difflib
import pathlib
import sys

from jaxlib import _hlo

here = pathlib.Path(__file__).resolve().parent
options = _hlo.HloPrintOptions()
options.print_large_constants = True
options.print_metadata = True
problems = 0
for text_file in sorted(here.glob("*.hlo.txt")):
    name = text_file.name.removesuffix(".hlo.txt")
    from_text = _hlo.hlo_module_from_text(text_file.read_text())
    from_proto = _hlo.HloModule.from_serialized_hlo_module_proto((here / f"{name}.hlo.pb").read_bytes())
    made = from_text.as_serialized_hlo_module_proto()
    # XLA orders instructions by its own traversal after parsing text, so that both go through it once more.
    again = _hlo.hlo_module_from_text(from_proto.to_string(options))
    one, two = (m.to_string(options).splitlines() for m in (from_text, again))
    difference = list(difflib.unified_diff(one, two, "text", "proto", lineterm="", n=0))
    print(f"{name}: {len(one)} lines, {len(difference)} differ")
    print("\n".join(difference[:40]))
    problems += bool(difference)
    golden = here / f"{name}.jaxlib.pb"
    if "--update" in sys.argv:
        golden.write_bytes(made)
    elif not golden.exists():
        print(f"{golden.name} is missing; run with --update")
        problems += 1
sys.exit(1 if problems else 0)
