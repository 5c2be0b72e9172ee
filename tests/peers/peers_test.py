#!/usr/bin/env python3
"""bench/peers without the peers: shapes, rates, verdicts, the table. usage: peers_test.py PROGRAM SOURCE_DIR"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "bench" / "peers"))

import checkpoints  # noqa: E402
import install  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import shapes  # noqa: E402
import table  # noqa: E402


class Shapes(unittest.TestCase):
    def test_have_as_many_parameters_as_the_programs_shapes_of_the_same_names(self):
        for name, config in shapes.CONFIGS.items():
            done = subprocess.run([PROGRAM, "plan", "--shape", name, "--json"], capture_output=True, text=True, check=True)
            self.assertEqual(shapes.parameters(config), json.loads(done.stdout)["parameters"], name)

    def test_prompts_differ_in_their_first_token_and_stay_in_the_vocabulary(self):
        rows = shapes.prompts(16, 512, 32000)
        self.assertEqual(len({row[0] for row in rows}), 16)
        self.assertTrue(all(len(row) == 512 and 0 <= min(row) and max(row) < 32000 for row in rows))

    def test_a_checkpoint_header_places_every_tensor_after_the_one_before(self):
        tensors = [shapes.Tensor("a", (2, 3)), shapes.Tensor("b", (5,))]
        text = checkpoints.header(tensors)
        self.assertEqual(len(text) % 8, 0)
        entries = json.loads(text[8:8 + int.from_bytes(text[:8], "little")])
        self.assertEqual((entries["a"]["data_offsets"], entries["b"]["data_offsets"]), ([0, 12], [12, 22]))


class Rates(unittest.TestCase):
    def test_decode_counts_steps_from_when_all_requests_have_begun(self):
        # The second request begins at 3; then steps take 0.5 s, and one 4 s.
        first, second = [1, 2, 3, 3.5, 4, 8], [3, 3.5, 4, 8, 9, 10]
        self.assertEqual(measure.decode_rate(measure.Run(0, [first, second], [])), 2 / 0.5)

    def test_prefill_ends_with_the_first_token_of_the_last_request(self):
        self.assertEqual(measure.prefill_rate(measure.Run(1, [[2], [5]], []), prompt=512), 256)

    def test_a_peer_that_stops_early_is_an_error(self):
        class Lazy:
            def run(self, prompts, new_tokens):
                return measure.Run(0, [[i + 1.0 for i in range(new_tokens - 1)] for _ in prompts], [])

        with self.assertRaisesRegex(RuntimeError, r"asked for 33 tokens of each of 1 requests, given \[32\]"):
            measure.of_session(Lazy(), ["decode"], 1000)


def turns(ours, of_limit, **others):
    out = {"ganglion f32": {"rates": ours, "of_limit": of_limit, "ids": []}}
    return {**out, **{name.replace("_", " ", 1): {"rates": rates, "of_limit": [], "ids": []} for name, rates in others.items()}}


class Verdicts(unittest.TestCase):
    def word(self, ours, of_limit, target=1.1, **others):
        return table.verdict(turns(ours, of_limit, **others), "ganglion", ["a", "b"], target).word

    def test_met_when_every_round_meets_the_target(self):
        self.assertEqual(self.word([12, 24, 12], [.5] * 3, a_x=[10, 20, 10]), "met")

    def test_the_best_peer_counts_and_its_best_variant(self):
        self.assertEqual(self.word([12, 12, 12], [.5] * 3, a_x=[10, 10, 10], b_slow=[1, 1, 1], b_fast=[11.5, 11.5, 11.5]), "missed")

    def test_unsure_when_rounds_disagree(self):
        self.assertEqual(self.word([12, 12, 10.5], [.5] * 3, a_x=[10, 10, 10]), "unsure")

    def test_the_limit_is_enough_where_no_peer_is_faster(self):
        self.assertEqual(self.word([10.5] * 3, [.9] * 3, a_x=[10] * 3), "at the limit")
        self.assertEqual(self.word([9.5] * 3, [.9] * 3, a_x=[10] * 3), "missed")
        self.assertEqual(self.word([10.5] * 3, [.9, .9, .7], a_x=[10] * 3), "unsure")

    def test_ratios_are_of_turns_of_one_round(self):
        judged = table.verdict(turns([12, 6, 12], [.5] * 3, a_x=[10, 5, 10]), "ganglion", ["a"], 1.1)
        self.assertAlmostEqual(judged.low, 1.2)
        self.assertAlmostEqual(judged.high, 1.2)

    def test_without_a_peer_there_is_no_ratio(self):
        self.assertEqual(self.word([10] * 3, [.9] * 3), "no peer")


class Table(unittest.TestCase):
    NAMES = {"ganglion": "ganglion", "a": "Alpha", "b": "Beta"}

    def render(self, cells):
        return table.render({"cells": cells}, self.NAMES, "ganglion", {"decode": 1.1})

    def test_has_a_row_for_each_cell_and_a_reason_for_each_hole(self):
        text = self.render({"gpt2 s8 decode": {"turns": turns([12] * 3, [.5] * 3, a_x=[10] * 3, a_y=[9] * 3), "absent": {"b": "it has no 8 bits"}}})
        rows = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual(len({len(row) for row in rows}), 1)
        self.assertIn("12.0 f32 (12.0–12.0)", rows[2])
        self.assertIn("10.0 x (10.0–10.0)", rows[2])
        self.assertTrue(rows[2].rstrip(" |").endswith("met"), rows[2])
        self.assertIn("- Beta: it has no 8 bits (gpt2 s8)", text)
        self.assertIn("- gpt2 s8 decode: Alpha 9.00 y", text)

    def test_says_when_peers_did_not_choose_the_same_tokens(self):
        cell = {"turns": turns([12] * 3, [.5] * 3, a_x=[10] * 3), "absent": {}}
        cell["turns"]["ganglion f32"]["ids"], cell["turns"]["a x"]["ids"] = [1, 2], [1, 2]
        self.assertIn("the same from all for 1 of 1", self.render({"gpt2 f32 decode": cell}))
        cell["turns"]["a x"]["ids"] = [1, 3]
        self.assertIn("ganglion f32 [1, 2]; a x [1, 3]", self.render({"gpt2 f32 decode": cell}))


class Peers(unittest.TestCase):
    def test_each_answers_for_every_shape_and_class_by_a_type_or_a_reason(self):
        for name, module in peers.PEERS.items():
            for shape in shapes.CONFIGS:
                for klass in peers.CLASSES:
                    self.assertTrue(module.refusal(shape, klass) or module.VARIANTS[klass], f"{name} {shape} {klass}")

    def test_each_environment_has_requirements_with_every_version_pinned(self):
        for module in peers.PEERS.values():
            for environment in {module.ENVIRONMENT, module.CONVERTER} - {None}:
                lines = (install.HERE / "requirements" / f"{environment}.txt").read_text().splitlines()
                self.assertTrue(all("==" in line for line in lines if line and not line.startswith("#")), environment)

    def test_an_environment_that_does_not_install_is_a_reason(self):
        here, install.HERE = install.HERE, pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(setattr, install, "HERE", here)
        (install.HERE / "requirements").mkdir()
        (install.HERE / "requirements" / "x.txt").write_text("./not-there\n")
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(install.NotInstalled, "does not install: .*not-there"):
            install.install(pathlib.Path(folder), "x", lambda text: None)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
