"""An emulated x86-64 CPU with AVX-512 (Bochs, through PyPI's bochscpu-python) that runs one freestanding ELF program.

The CPU starts in 64-bit mode, ring 0, the first GiB mapped to itself, all vector state enabled; a program ends with hlt.
"""
import ctypes
import os
import struct
import sys

import bochscpu
import bochscpu._bochscpu
import bochscpu.memory

PAGE = 4096
PAGE_TABLES = 0x10000000
STACK_TOP = 0x0F000000
STACK_SIZE = 2 << 20
# The emulator's numbers of CPUs it can be (in this version; one that is another then meets instructions it lacks).
SKYLAKE_X = 26  # AVX-512 with the parts F, CD, BW, DQ and VL
SAPPHIRE_RAPIDS = 30  # VNNI, bf16 and fp16 besides; its tiles are not emulated


def be(model):
    """Sets which CPU the machines made from now on are. The package has no name for it, its library has."""
    library = ctypes.CDLL(bochscpu._bochscpu.__file__)
    library.sim_get_param_enum.restype = ctypes.c_void_p
    parameter = ctypes.c_void_p(library.sim_get_param_enum(b"cpu.model"))
    set_range, set_value = library._ZN14bx_param_num_c9set_rangeEmm, library._ZN14bx_param_num_c3setEl
    set_range.restype = set_value.restype = None
    set_range(parameter, ctypes.c_ulong(0), ctypes.c_ulong(model))
    set_value(parameter, ctypes.c_long(model))


class Machine:
    def __init__(self, model):
        be(model)
        self._session = bochscpu.Session()
        self._session.missing_page_handler = self._missing
        self._pages = {}
        # Three levels: the first entry of each leads on, the last holds 512 pages of 2 MiB (0x83: present, writable, large).
        self.write(PAGE_TABLES, struct.pack("<Q", (PAGE_TABLES + PAGE) | 3))
        self.write(PAGE_TABLES + PAGE, struct.pack("<Q", (PAGE_TABLES + 2 * PAGE) | 3))
        self.write(PAGE_TABLES + 2 * PAGE, b"".join(struct.pack("<Q", i << 21 | 0x83) for i in range(512)))
        self.reserve(STACK_TOP - STACK_SIZE, STACK_SIZE)

    def _missing(self, address):
        self._end(f"the program touched {address:#x}, where nothing is, at {self._session.cpu.state.rip:#x}")

    @staticmethod
    def _end(reason):
        # A Python exception would not get through the emulator.
        print(f"[emulation] {reason}", file=sys.stderr, flush=True)
        os._exit(1)

    def reserve(self, address, size):
        """Makes [address, address + size) memory, zero where it was not yet."""
        for page in range(address // PAGE, (address + size + PAGE - 1) // PAGE):
            if page not in self._pages:
                host = bochscpu.memory.allocate_host_page()
                ctypes.memset(host, 0, PAGE)
                bochscpu.memory.page_insert(page * PAGE, host)
                self._pages[page] = host

    def _spans(self, address, size):
        done = 0
        while done < size:
            page, offset = divmod(address + done, PAGE)
            count = min(PAGE - offset, size - done)
            yield done, self._pages[page] + offset, count
            done += count

    def write(self, address, data):
        self.reserve(address, len(data))
        for done, host, count in self._spans(address, len(data)):
            ctypes.memmove(host, data[done:done + count], count)

    def read(self, address, size):
        return b"".join(ctypes.string_at(host, count) for _, host, count in self._spans(address, size))

    def load(self, elf):
        """Copies the segments of a static ELF64 executable to where they belong; returns its entry address."""
        assert elf[:5] == b"\x7fELF\x02", "not an ELF64 file"
        entry, headers = struct.unpack_from("<QQ", elf, 24)
        size, count = struct.unpack_from("<HH", elf, 54)
        for i in range(count):
            kind, _, offset, address, _, in_file, in_memory, _ = struct.unpack_from("<IIQQQQQQ", elf, headers + i * size)
            if kind == 1:  # PT_LOAD
                self.reserve(address, in_memory)
                self.write(address, elf[offset:offset + in_file])
        return entry

    def call(self, entry, first, second):
        """Runs the program from `entry` with two arguments until it halts."""
        state = bochscpu.State()
        state.cr3 = PAGE_TABLES
        state.cr0 = 1 << 31 | 1 << 18 | 1 << 16 | 1 << 5 | 1 << 4 | 1 << 1 | 1  # paging, AM, WP, NE, ET, MP, protection
        state.cr4 = 1 << 18 | 1 << 10 | 1 << 9 | 1 << 5  # xsave, SSE exceptions, SSE, PAE
        state.efer = 1 << 11 | 1 << 10 | 1 << 8 | 1  # no-execute, long mode active and enabled, syscall
        state.xcr0 = 0xE7  # x87, SSE, AVX, the three parts of AVX-512
        state.rflags = 2
        state.mxcsr = 0x1F80
        state.mxcsr_mask = 0xFFFF
        state.cs = self._segment(0x10, 0xA09B)  # 64-bit code
        for name in ("ds", "es", "ss", "fs", "gs"):
            setattr(state, name, self._segment(0x18, 0xC093))
        state.rip, state.rsp, state.rdi, state.rsi = entry, STACK_TOP - 8, first, second
        self._session.cpu.state = state

        hook = bochscpu.Hook()
        hook.hlt = lambda session, cpu: session.stop()
        hook.exception = self._exception
        self._session.run([hook])

    def _exception(self, session, cpu, vector, code):
        state = session.cpu.state
        self._end(f"exception {vector} at {state.rip:#x}, address {state.cr2:#x}")

    @staticmethod
    def _segment(selector, attributes):
        segment = bochscpu.Segment()
        segment.present = True
        segment.selector = selector
        segment.base = 0
        segment.limit = 0xFFFFFFFF
        segment.attr = attributes
        return segment
