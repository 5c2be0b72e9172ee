"""A virtual environment for each peer below build/peers/venv, from requirements/ENVIRONMENT.txt. What does not install is a reason, not an end."""
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
# Built here, for this CPU. GCC 12 takes ldtilecfg to read 8 bytes of the 64 and drops the stores to the others, so that
# llama.cpp's AMX kernels crash (its issue 20824) unless such stores are left alone.
BUILD = {"llama_cpp": {"arguments": ["--no-binary", "llama-cpp-python"],
                       "environment": {"CMAKE_ARGS": "-DGGML_NATIVE=ON -DGGML_OPENMP=ON -DLLAVA_BUILD=OFF",
                                       "CXXFLAGS": "-fno-tree-dse -fno-dse -fno-strict-aliasing"}}}


class NotInstalled(Exception):
    pass


def python_of(environments, name):
    return environments / name / "bin" / "python"


def install(environments, name, say):
    """Makes the environment unless it is there with these requirements; returns its Python. Throws NotInstalled with the reason."""
    requirements = HERE / "requirements" / f"{name}.txt"
    folder, wanted = environments / name, requirements.read_text()
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return python_of(environments, name)
    say(f"installing {name} ({requirements.name})")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = environments / f"{name}.log"
    build = BUILD.get(name, {})
    with log.open("w") as out:
        for command in ([shutil.which("python3", path="/usr/bin:/bin") or "python3", "-m", "venv", folder],
                        [folder / "bin" / "pip", "install", "--disable-pip-version-check", *build.get("arguments", []), "-r", requirements]):
            done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **build.get("environment", {})})
            if done.returncode:
                break
    if done.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise NotInstalled(f"does not install: {errors[-1] if errors else 'no message'} ({log})")
    stamp.write_text(wanted)
    return python_of(environments, name)
