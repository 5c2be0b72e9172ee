#!/usr/bin/env python3
"""How many instructions the hot kernels and the sampler take on fixed sizes, counted by valgrind's callgrind, against
the counts in recorded.json: a guard against regressions that does not depend on how busy the machine is. Valgrind knows
AVX2 and no AVX-512, so the tables are scalar and avx2.

usage: instructions_test.py COUNT_KERNELS [--accept]

Another compiler makes other code: with one that the counts were not recorded with nothing is compared and the test is
skipped (exit status 77). --accept records what is counted now."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

TABLES = ("avx2", "scalar")
RECORDED = pathlib.Path(__file__).with_name("recorded.json")
SKIPPED = 77


def compiler_of(program):
    return subprocess.run([program, "--compiler"], capture_output=True, text=True, check=True).stdout.strip()


def start_counting(program, table, folder):
    command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={folder}/{table}", program, table]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_counts(folder, table):
    """A part for each dump: its trigger holds the kernel's name, its totals the count."""
    counts = {}
    for file in folder.glob(table + ".*"):
        text = file.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
        if name and total:
            counts[name[1]] = int(total[1])
    return counts


def count_all(program):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        running = {table: start_counting(program, table, folder) for table in TABLES}
        out = {}
        for table, process in running.items():
            output, _ = process.communicate()
            if process.returncode == 3:
                print(f"SKIPPED {table}: {output.strip().splitlines()[-1]}")
                continue
            if process.returncode != 0:
                sys.exit(f"valgrind ended with {process.returncode}:\n{output}")
            out[table] = read_counts(folder, table)
            if not out[table]:
                sys.exit(f"callgrind wrote no counts:\n{output}")
        return out


def differences(now, recorded, tolerance):
    """One line for each count that is not what it was; less work is told as well, so that it is recorded."""
    lines = []
    for table, counts in now.items():
        known = recorded.get(table, {})
        for name in sorted(counts.keys() | known.keys()):
            if name not in counts or name not in known:
                lines.append(f"{table}: {name}: now {counts.get(name, 'not there')}, recorded {known.get(name, 'not there')}")
            elif abs(counts[name] - known[name]) > tolerance * known[name]:
                change = 100 * (counts[name] / known[name] - 1)
                lines.append(f"{table}: {name}: now {counts[name]}, recorded {known[name]} ({change:+.1f} %)")
    return lines


def main(program, accept):
    compiler = compiler_of(program)
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {"compiler": None, "tolerance": 0.03, "counts": {}}
    if not accept and compiler != recorded["compiler"]:
        print(f"SKIPPED: recorded with the compiler {recorded['compiler']}, this program was built by {compiler}")
        return SKIPPED
    now = count_all(program)
    if accept:
        recorded.update(compiler=compiler, counts={**recorded["counts"], **now})
        RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
        print(f"recorded {sum(map(len, now.values()))} counts in {RECORDED}")
        return 0
    lines = differences(now, recorded["counts"], recorded["tolerance"])
    if lines:
        print("\n".join(lines))
        print(f"more than {100 * recorded['tolerance']:.0f} % from what is recorded; to accept: python3 {sys.argv[0]} {program} --accept")
        return 1
    print(f"{sum(map(len, now.values()))} counts are as recorded")
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--accept"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:] == ["--accept"]))
