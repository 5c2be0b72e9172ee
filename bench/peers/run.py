#!/usr/bin/env python3
"""ganglion and its peers side by side in one run: the same shapes, weights, storage type, threads and prompts. README.md
beside this file says what each is asked to do.

example: ./dev bench peers --shapes gpt2 --classes s8 --measurements decode --repeat 3"""
import argparse
import datetime
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

import install
import machine
import measure
import peers
import shapes
import table

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "peers"
HERE = pathlib.Path(__file__).resolve().parent


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def some_of(flag, known, what):
        parser.add_argument(flag, nargs="+", choices=list(known), default=list(known), metavar="NAME",
                            help=f"{what} (default: all): {', '.join(known)}")

    some_of("--peers", peers.PEERS, "whom to measure")
    some_of("--shapes", shapes.CONFIGS, "shapes")
    some_of("--classes", peers.CLASSES, "classes of storage")
    some_of("--measurements", measure.MEASUREMENTS, "measurements")
    parser.add_argument("--repeat", type=int, default=5, help="rounds; in each, every peer has one turn (default: 5, at least 3)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="compute threads (default: the cores there are)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "results", help="folder of the table and its JSON (default: bench/results)")
    parser.add_argument("--append", action="store_true", help="add to today's results in that folder; cells measured again are replaced")
    parser.add_argument("--launcher", default="", help="a command put before each that measures, as in 'numactl -C 0,1'")
    parser.add_argument("--keep-models", action="store_true", help="leave what was written to build/peers/models for the next run")
    parser.add_argument("--prepare", action="store_true", help="install and convert what the run would need, keep it, measure nothing")
    parser.add_argument("--ganglion", type=pathlib.Path, default=ROOT / "build" / "release" / "ganglion", help="the program")
    options = parser.parse_args()
    if options.repeat < 3:
        parser.error(f"--repeat {options.repeat}: at least 3, for a median and a spread")
    return options


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"


class Bench:
    def __init__(self, options):
        self.options = options
        self.pythons = {}   # environment to its Python, or to the reason why there is none
        self.asked_versions = set()
        self.launcher = shlex.split(options.launcher)
        name = f"peers-{datetime.date.today()}-{machine.slug()}"
        self.json_file, self.table_file = options.out / f"{name}.json", options.out / f"{name}.md"
        self.results = {"about": {}, "cells": {}}
        if options.append and self.json_file.exists():
            self.results = json.loads(self.json_file.read_text())
        about = self.results["about"]
        about.update(machine.about(), date=str(datetime.date.today()), threads=options.threads)
        about.setdefault("versions", {})[peers.OURS] = machine.version(ROOT)

    def python(self, environment):
        if environment is None:
            return sys.executable
        if environment not in self.pythons:
            try:
                self.pythons[environment] = install.install(BUILD / "venv", environment, say)
            except install.NotInstalled as reason:
                self.pythons[environment] = reason
        found = self.pythons[environment]
        if isinstance(found, Exception):
            raise found
        return found

    def worker(self, action, peer, environment, job, launcher=()):
        """The worker's result; throws RuntimeError with its reason."""
        with tempfile.TemporaryDirectory() as folder:
            job_file, out, log = (pathlib.Path(folder) / name for name in ("job", "out", "log"))
            job_file.write_text(json.dumps(job))
            with log.open("w") as noise:
                done = subprocess.run([*launcher, self.python(environment), HERE / "worker.py", action, peer, job_file, out],
                                      stdout=noise, stderr=subprocess.STDOUT, env={**os.environ, **self.settings(peer, job)})
            if not out.exists():
                how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
                raise RuntimeError(f"{action} ended with {how}: {last_line(log.read_text(errors='replace'))}")
            result = json.loads(out.read_text())
        if result and "error" in result:
            raise RuntimeError(result["error"])
        return result

    def settings(self, peer, job):
        return getattr(peers.PEERS[peer], "settings", lambda variant: {})(job.get("variant", ""))

    def prepare(self, peer, job):
        """Makes the peer's form of the checkpoint, once."""
        module = peers.PEERS[peer]
        form = module.form(job["variant"])
        if form is None:
            return
        converted = pathlib.Path(job["converted"])
        converted.mkdir(parents=True, exist_ok=True)
        target, stamp = converted / form, converted / f"{form}.whole"
        if stamp.exists():
            return
        if target.is_dir():
            shutil.rmtree(target)  # a run that was broken off left it
        self.worker("prepare", peer, module.CONVERTER, job)
        stamp.touch()

    def job(self, shape, klass, peer, variant):
        folder = BUILD / "models" / shape
        return {"shape": shape, "class": klass, "variant": variant, "threads": self.options.threads, "vocab": shapes.CONFIGS[shape]["vocab_size"],
                "checkpoint": str(folder / "checkpoint"), "converted": str(folder / peer), "measurements": self.options.measurements,
                "ganglion": str(self.options.ganglion)}

    def ready(self, shape, klass, absent):
        """The (peer, job) that can be measured; the reasons of the others go into absent."""
        out = []
        for peer in self.options.peers:
            module = peers.PEERS[peer]
            reason = module.refusal(shape, klass)
            if reason:
                absent[peer] = reason
                continue
            for variant in module.VARIANTS[klass]:
                job = self.job(shape, klass, peer, variant)
                try:
                    self.python(module.ENVIRONMENT)
                    if peer != peers.OURS and peer not in self.asked_versions:
                        self.results["about"]["versions"][peer] = self.worker("packages", peer, module.ENVIRONMENT, {})
                        self.asked_versions.add(peer)
                    say(f"{shape} {klass}: preparing {module.NAME} {variant}")
                    self.prepare(peer, job)
                    out.append((peer, job))
                except (RuntimeError, install.NotInstalled) as reason:
                    absent[f"{peer} {variant}"] = str(reason)
                    say(f"{shape} {klass}: {module.NAME} {variant}: {reason}")
        return out

    def compare(self, shape, klass):
        absent, turns = {}, {name: {} for name in self.options.measurements}
        asked = self.ready(shape, klass, absent)
        if self.options.prepare:
            return
        for number in range(self.options.repeat):
            # Each round begins with another peer, so that none is always the first or after the same.
            turn = number % max(1, len(asked))
            for peer, job in asked[turn:] + asked[:turn]:
                name = f"{peer} {job['variant']}"
                if name in absent:
                    continue
                try:
                    measured = self.worker("measure", peer, peers.PEERS[peer].ENVIRONMENT, job, self.launcher)
                except RuntimeError as reason:
                    absent[name] = str(reason)
                    say(f"{shape} {klass}: {name}: {reason}")
                    continue
                say(f"{shape} {klass} round {number + 1} of {self.options.repeat}: {name}: "
                    + ", ".join(f"{what} {table.number(one['rate'])}" for what, one in measured.items()))
                for what, one in measured.items():
                    entry = turns[what].setdefault(name, {"rates": [], "of_limit": [], "ids": one.get("ids", [])})
                    entry["rates"].append(one["rate"])
                    if "of_limit" in one:
                        entry["of_limit"].append(one["of_limit"])
        for what in self.options.measurements:
            whole = {name: entry for name, entry in turns[what].items() if name not in absent}
            cell = self.results["cells"].setdefault(f"{shape} {klass} {what}", {"turns": {}, "absent": {}})
            for kept in (cell["turns"], cell["absent"]):
                for name in [name for name in kept if name.split(" ")[0] in self.options.peers]:
                    del kept[name]
            cell["turns"].update(whole)
            cell["absent"].update(absent)
        self.write()

    def write(self):
        self.options.out.mkdir(parents=True, exist_ok=True)
        names = {peer: module.NAME for peer, module in peers.PEERS.items()}
        order = [f"{shape} {klass} {what}" for shape in shapes.CONFIGS for klass in peers.CLASSES for what in measure.MEASUREMENTS]
        cells = self.results["cells"]
        self.results["cells"] = {key: cells[key] for key in order if key in cells}
        self.json_file.write_text(json.dumps(self.results, indent=1) + "\n")
        targets = {name: what.target for name, what in measure.MEASUREMENTS.items()}
        units = "; ".join(f"{name}: {what.unit}, batch {what.batch}, prompt {what.prompt}" for name, what in measure.MEASUREMENTS.items())
        text = f"{machine.heading(self.results['about'])}\n\nMedian (lowest–highest) of the turns. {units}.\n\n"
        self.table_file.write_text(text + table.render(self.results, names, peers.OURS, targets))

    def run(self):
        for shape in self.options.shapes:
            checkpoint = BUILD / "models" / shape / "checkpoint"
            if not (checkpoint / "config.json").exists():
                say(f"{shape}: writing {shapes.parameters(shapes.CONFIGS[shape]) / 1e6:.0f} M random weights")
                subprocess.run([self.python("checkpoints"), HERE / "checkpoints.py", shape, checkpoint], check=True)
            for klass in self.options.classes:
                self.compare(shape, klass)
            if not self.options.keep_models and not self.options.prepare:
                shutil.rmtree(BUILD / "models" / shape)
        if not self.options.prepare:
            print(self.table_file.read_text())
            say(f"{self.table_file} and {self.json_file.name}")


if __name__ == "__main__":
    Bench(arguments()).run()
