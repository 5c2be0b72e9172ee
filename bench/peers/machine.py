"""What a run says of the machine it ran on."""
import os
import pathlib
import platform
import re
import subprocess

# The widest that /proc/cpuinfo names, as ganglion calls its kernel tables.
ISAS = (("amx", "amx_tile"), ("avx512", "avx512f"), ("avx2", "avx2"))


def cpuinfo(field):
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.split(":")[0].strip() == field:
            return line.split(":", 1)[1].strip()
    return ""


def isa():
    flags = cpuinfo("flags").split()
    return next((name for name, flag in ISAS if flag in flags), "x86-64")


def slug():
    """Of a file's name: intel-xeon-processor-amx."""
    name = re.sub(r"\((R|TM)\)", "", cpuinfo("model name") or platform.machine())
    return re.sub(r"[^a-z0-9]+", "-", f"{name} {isa()}".lower()).strip("-")


def about():
    return {"cpu": cpuinfo("model name"), "isa": isa(), "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "memory_GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)}


def version(root):
    """The commit of the tree; "-dirty" with changes that are not committed. Empty where there is no git."""
    done = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {"ganglion": done.stdout.strip()}


def heading(about):
    versions = ", ".join(f"{name} {number}" for packages in about["versions"].values() for name, number in packages.items())
    return (f"# ganglion and its peers, {about['date']}\n\n{about['cpu']}, {about['isa']}, {about['cores']} cores, {about['memory_GiB']} GiB; "
            f"{about['threads']} threads.\n{versions}.")
