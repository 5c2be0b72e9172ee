"""The peers: a literal list. Each is a module with

    NAME, VARIANTS           what it is called; class of storage to the types of its own that belong there, all measured
    ENVIRONMENT, CONVERTER   the requirements/*.txt it runs with, and the one it is prepared with; None: this Python
    settings(variant)        (not all) environment variables it runs with
    refusal(shape, klass)    why it is not asked for this, or None
    form(variant)            the file or folder below job["converted"] that it reads, or None: job["checkpoint"] itself
    packages()               name to version of what it runs on
    prepare(job)             makes that form of the checkpoint
    measure(job)             one turn: {measurement: {"rate": tokens/s, "ids": [first tokens], ...}}

What a peer needs is imported in functions only: run.py reads these modules without it."""
import drive_ctranslate2
import drive_ganglion
import drive_llama_cpp
import drive_openvino
import drive_transformers

CLASSES = ("f32", "16bit", "s8", "s4")
OURS = "ganglion"
PEERS = {"ganglion": drive_ganglion, "llama_cpp": drive_llama_cpp, "ctranslate2": drive_ctranslate2, "openvino": drive_openvino,
         "transformers": drive_transformers}
