#!/usr/bin/env python3
"""Writes files that look like torch.save's and must be refused, to tests/corpus/torch_fuzz/refused, and refused.json beside
this script: for each the part of the message that says why. They are put together from opcodes and zip structures; nothing
here imports torch, and none of the programs in them is run.

    make_refused.py [CORPUS_FOLDER]
"""
import json
import pathlib
import pickle
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[1] / "corpus" / "torch_fuzz" / "refused"
REASONS = {}


def put(name, data, reason):
    (OUT / f"{name}.bin").write_bytes(data)
    REASONS[f"{name}.bin"] = reason


# --- pickles -------------------------------------------------------------------------------------------------------

def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([8 if value < 1 << 63 else 9]) + raw[:8 if value < 1 << 63 else 9]


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def name_of(module, name):
    return f"c{module}\n{name}\n".encode()


def call(module, name, *arguments):
    return name_of(module, name) + tuple_of(*arguments) + b"R"


def storage(key="0", kind="FloatStorage", elements=4, tag="storage", device="cpu", more=()):
    return tuple_of(text(tag), name_of("torch", kind), text(key), text(device), number(elements), *more) + b"Q"


def tensor(source=None, offset=0, size=(4,), stride=(1,)):
    return call("torch._utils", "_rebuild_tensor_v2", source if source is not None else storage(), number(offset),
                tuple_of(*map(number, size)), tuple_of(*map(number, stride)), b"\x89", call("collections", "OrderedDict"))


def entry(value, key="weight"):
    return text(key) + value + b"s"


def program(body):
    return b"\x80\x02" + body + b"."


def state(*entries):
    return program(b"}" + b"".join(entries))


# --- archives ------------------------------------------------------------------------------------------------------

class Record:
    def __init__(self, name, data, **changes):
        self.name, self.data, self.changes = name.encode(), data, changes

    def get(self, field, otherwise):
        return self.changes.get(field, otherwise)


def local_header(record):
    size, crc = len(record.data), zlib.crc32(record.data)
    name = record.get("local_name", record.name)
    return struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, record.get("flags", 0), record.get("local_method", record.get("method", 0)), 0, 0,
                       record.get("local_crc", crc), record.get("local_stored", size), record.get("local_size", size),
                       len(name), len(record.get("local_extra", b""))) + name + record.get("local_extra", b"")


def archive(records, comment=b"", zip64=False, gap=b"", after=b"", **end):
    out, central = b"", b""
    for record in records:
        offset = record.get("offset", len(out))
        if not record.get("hidden", False):
            out += local_header(record) + record.data + record.get("gap", b"")
        size, crc = len(record.data), zlib.crc32(record.data)
        extra = record.get("extra", b"")
        central += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, record.get("flags", 0), record.get("method", 0), 0, 0,
                               record.get("crc", crc), record.get("stored", size), record.get("size", size), len(record.name), len(extra),
                               0, record.get("disk", 0), 0, 0, offset) + record.name + extra
    out += gap
    begin, count = len(out), len(records)
    out += central
    if zip64:
        where = end.get("end64_offset", len(out))
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, end.get("end64_size", 44), 45, 45, 0, 0, count, end.get("end64_count", count),
                           end.get("end64_bytes", len(central)), end.get("end64_begin", begin))
        out += struct.pack("<IIQI", 0x07064B50, 0, where, 1)
    out += struct.pack("<IHHHHIIH", 0x06054B50, end.get("disk", 0), 0, end.get("count", count), end.get("count", count),
                       end.get("bytes", len(central)), end.get("begin", begin), len(comment))
    return out + comment + after


FLOATS = struct.pack("<4f", 1, 2, 3, 4)


def torch_zip(body, *more, data=FLOATS, **options):
    return archive([Record("archive/data.pkl", body), Record("archive/data/0", data), *more], **options)


OUT.mkdir(parents=True, exist_ok=True)
GOOD = state(entry(tensor()))
(OUT.parent / "good.bin").write_bytes(torch_zip(GOOD, Record("archive/version", b"3\n"), Record("archive/byteorder", b"little"), zip64=True))




def wide(name, data):
    """A record as torch writes those beyond 4 GiB: nothing in the local header but a zip64 field, and a descriptor of 24 bytes."""
    size = len(data)
    return Record(name, data, flags=8, local_crc=0, local_stored=0, local_size=0, local_extra=struct.pack("<HHQQQ", 1, 24, size, size, 0),
                  stored=0xFFFFFFFF, size=0xFFFFFFFF, extra=struct.pack("<HHQQ", 1, 16, size, size),
                  gap=struct.pack("<IIQQ", 0x08074B50, zlib.crc32(data), size, size))


(OUT.parent / "good_zip64.bin").write_bytes(archive([wide("archive/data.pkl", GOOD), wide("archive/data/0", FLOATS), wide("archive/version", b"3\n")],
                                                    zip64=True, count=0xFFFF, bytes=0xFFFFFFFF, begin=0xFFFFFFFF))

# --- programs: each would run something, were it loaded by pickle.load ---------------------------------------------

class Runs:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


import os

put("reduce_system", torch_zip(pickle.dumps({"weight": Runs(os.system, "id")}, protocol=2)), "asks for \"posix.system\"")
put("global_eval", torch_zip(program(call("__builtin__", "eval", text("1")))), "asks for \"__builtin__.eval\"")
put("global_builtins_exec", torch_zip(program(call("builtins", "exec", text("1")))), "asks for \"builtins.exec\"")
put("global_only", torch_zip(program(name_of("subprocess", "Popen"))), "asks for \"subprocess.Popen\"")
put("global_getattr", torch_zip(program(call("builtins", "getattr", name_of("torch", "FloatStorage"), text("x")))), "asks for \"builtins.getattr\"")
put("load_from_bytes", torch_zip(program(call("torch.storage", "_load_from_bytes", text("x")))), "asks for \"torch.storage._load_from_bytes\"")
put("hidden_in_metadata", torch_zip(program(call("collections", "OrderedDict") + b"}" + entry(call("os", "system", text("id")), "_metadata") + b"b")), "asks for \"os.system\"")
put("hidden_in_state", torch_zip(state(entry(tensor(source=call("os", "system", text("id")))))), "asks for \"os.system\"")
put("similar_name", torch_zip(program(call("torch._utils", "_rebuild_tensor_v2x"))), "asks for \"torch._utils._rebuild_tensor_v2x\"")
put("similar_module", torch_zip(program(name_of("torch._utils._rebuild_tensor_v2", ""))), "asks for \"torch._utils._rebuild_tensor_v2.\"")
put("name_with_escapes", torch_zip(program(name_of("\x1b[2Jos", "system"))), "asks for \"\\x1b[2Jos.system\"")
put("name_too_long", torch_zip(program(b"c" + b"a" * 5000 + b"\nb\n")), "a name of more than")
put("inst", torch_zip(program(b"(" + text("id") + b"ios\nsystem\n")), "opcode INST")
put("obj", torch_zip(program(b"(" + name_of("collections", "OrderedDict") + text("id") + b"o")), "opcode OBJ")
put("newobj", torch_zip(program(name_of("collections", "OrderedDict") + b")\x81")), "opcode NEWOBJ")
put("newobj_ex", torch_zip(program(name_of("collections", "OrderedDict") + b")}\x92")), "opcode NEWOBJ_EX")
put("stack_global", torch_zip(program(text("os") + text("system") + b"\x93")), "opcode STACK_GLOBAL")
put("ext1", torch_zip(program(b"\x82\x01")), "opcode EXT1")
put("ext2", torch_zip(program(b"\x83\x01\x00")), "opcode EXT2")
put("ext4", torch_zip(program(b"\x84\x01\x00\x00\x00")), "opcode EXT4")
put("build_on_tensor", torch_zip(state(text("weight") + tensor() + b"}" + entry(text("x"), "__class__") + b"bs")), "sets the state")
put("build_on_name", torch_zip(program(name_of("collections", "OrderedDict") + b"}b")), "sets the state")
put("build_with_slots", torch_zip(program(call("collections", "OrderedDict") + tuple_of(b"N", b"}") + b"b")), "sets the state")
put("call_of_storage_type", torch_zip(program(call("torch", "FloatStorage", number(1 << 30)))), "calls what is no function")
put("call_of_text", torch_zip(program(text("eval") + b")R")), "calls what is no function")
put("call_without_tuple", torch_zip(program(name_of("collections", "OrderedDict") + b"]R")), "without a tuple")
put("ordered_dict_of_dict", torch_zip(program(call("collections", "OrderedDict", b"}"))), "something else than pairs")
put("size_of_list", torch_zip(program(call("torch", "Size", b"]"))), "something else than a tuple")
put("protocol_0", torch_zip(pickle.dumps({"a": 1}, protocol=0)), "does not begin with PROTO")
put("protocol_4", torch_zip(pickle.dumps({"a": 1}, protocol=4)), "is of protocol 4")
put("protocol_255", torch_zip(b"\x80\xff."), "is of protocol 255")
put("second_proto", torch_zip(program(b"\x80\x02}")), "opcode 0x80")

# --- persistent ids -------------------------------------------------------------------------------------------------
put("persid", torch_zip(program(b"Px\n")), "opcode PERSID")
put("persistent_text", torch_zip(program(text("0") + b"Q")), "not described by a tuple")
put("persistent_empty", torch_zip(program(b")Q")), "described by 0 values")
put("persistent_module", torch_zip(program(storage(tag="module"))), "described as something else")
put("persistent_no_type", torch_zip(program(tuple_of(text("storage"), text("FloatStorage"), text("0"), text("cpu"), number(4)) + b"Q")), "has no type")
put("persistent_function_as_type", torch_zip(program(tuple_of(text("storage"), name_of("torch", "Size"), text("0"), text("cpu"), number(4)) + b"Q")), "has no type")
put("persistent_key_number", torch_zip(program(tuple_of(text("storage"), name_of("torch", "FloatStorage"), number(0), text("cpu"), number(4)) + b"Q")), "a storage's key is no text")
put("persistent_in_itself", torch_zip(program(storage() + b"\x85Q")), "described by 1 values")
put("storage_of_two_types", torch_zip(state(entry(tensor()), entry(tensor(storage(kind="IntStorage")), "b"))), "described in two ways")
put("storage_of_two_sizes", torch_zip(state(entry(tensor()), entry(tensor(storage(elements=3), size=(3,)), "b"))), "described in two ways")
put("storage_type_unknown", torch_zip(state(entry(tensor(storage(kind="ComplexFloatStorage"))))), "asks for \"torch.ComplexFloatStorage\"")
put("storage_on_meta", torch_zip(state(entry(tensor(storage(device="meta"))))), "on the device meta")
put("storage_missing", torch_zip(state(entry(tensor(storage(key="1"))))), "\"1\" is not in the archive")
put("storage_key_with_path", torch_zip(state(entry(tensor(storage(key="../data.pkl"))))), "\"../data.pkl\" is not in the archive")
put("storage_is_the_pickle", archive([Record("archive/data.pkl", GOOD)]), "\"0\" is not in the archive")
put("storage_larger_than_file", torch_zip(state(entry(tensor(storage(elements=1 << 40))))), "more than the file's")
put("storage_larger_than_record", torch_zip(state(entry(tensor(storage(elements=5))))), "20 bytes, but 16 are in the archive")
put("storage_smaller_than_record", torch_zip(state(entry(tensor(storage(elements=3), size=(3,))))), "12 bytes, but 16 are in the archive")
put("storage_negative", torch_zip(state(entry(tensor(storage(elements=-4))))), "no number of 0 or more")
put("storage_huge_number", torch_zip(state(entry(tensor(storage(elements=1 << 63))))), "no number of 0 or more")

# --- tensors --------------------------------------------------------------------------------------------------------
put("size_beyond_storage", torch_zip(state(entry(tensor(size=(5,))))), "an element at 4 in a storage of 4")
put("offset_beyond_storage", torch_zip(state(entry(tensor(offset=1)))), "an element at 4 in a storage of 4")
put("offset_huge", torch_zip(state(entry(tensor(offset=(1 << 63) - 1)))), "in a storage of 4")
put("offset_negative", torch_zip(state(entry(tensor(offset=-1)))), "no number of 0 or more")
put("size_negative", torch_zip(state(entry(tensor(size=(-4,))))), "no number of 0 or more")
put("stride_negative", torch_zip(state(entry(tensor(offset=3, stride=(-1,))))), "no number of 0 or more")
put("stride_huge", torch_zip(state(entry(tensor(size=(2,), stride=((1 << 63) - 1,))))), "in a storage of 4")
put("stride_overflow", torch_zip(state(entry(tensor(size=(3, 3), stride=((1 << 63) - 1, 2))))), "strides of 2^64")
put("size_overflow", torch_zip(state(entry(tensor(size=(1 << 40, 1 << 40), stride=(0, 0))))), "more than 2^62 elements")
put("expanded_bomb", torch_zip(state(entry(tensor(size=(1 << 40,), stride=(0,))))), "it was expanded")
put("empty_but_huge", torch_zip(state(entry(tensor(size=(0, 1 << 62, 2), stride=(1, 1, 1))))), "more than 2^62 elements")
put("more_sizes_than_strides", torch_zip(state(entry(tensor(size=(2, 2), stride=(1,))))), "2 dimensions and 1 strides")
put("many_dimensions", torch_zip(state(entry(tensor(size=(1,) * 64, stride=(1,) * 64)))), "more than 8 dimensions")
put("size_is_text", torch_zip(state(entry(call("torch._utils", "_rebuild_tensor_v2", storage(), number(0), text("4"), text("1"), b"\x89", b"N")))), "no tuple")
put("tensor_of_nothing", torch_zip(state(entry(call("torch._utils", "_rebuild_tensor_v2")))), "made of 0 values")
put("tensor_of_no_storage", torch_zip(state(entry(tensor(source=text("0"))))), "not made of a storage")
put("parameter_of_text", torch_zip(state(entry(call("torch._utils", "_rebuild_parameter", text("x"), b"\x88", b"N")))), "something else than a tensor")
put("parameter_of_parameter", torch_zip(state(entry(call("torch._utils", "_rebuild_parameter", call("torch._utils", "_rebuild_parameter", tensor()))))), "something else than a tensor")
put("key_twice", torch_zip(state(entry(tensor()), entry(tensor(size=(2,))))), "\"weight\" is there twice")
put("key_not_utf8", torch_zip(state(b"U\x02\xff\xfe" + tensor() + b"s")), "is not UTF-8")
put("key_is_number", torch_zip(state(number(1) + tensor() + b"s")), "name is no text")
put("nested_dictionary", torch_zip(state(entry(b"}" + entry(tensor()), "model"))), "a dictionary within the dictionary")
put("dictionary_in_itself", torch_zip(program(b"}q\x00" + text("a") + b"h\x00s")), "a dictionary within the dictionary")
put("root_is_list", torch_zip(program(b"](" + tensor() + b"e")), "neither a state dict nor a tensor")
put("root_is_none", torch_zip(program(b"N")), "neither a state dict nor a tensor")

# --- the machine's bounds -------------------------------------------------------------------------------------------
put("empty_pickle", torch_zip(b""), "is cut short")
put("no_stop", torch_zip(b"\x80\x02}"), "is cut short")
put("stop_on_empty_stack", torch_zip(program(b"")), "0 values on its stack")
put("two_values", torch_zip(program(b"}}")), "2 values on its stack")
put("open_mark", torch_zip(program(b"}(")), "on its stack")
put("after_stop", torch_zip(GOOD + b"cos\nsystem\n"), "11 bytes follow the pickle")
put("deep_marks", torch_zip(program(b"(" * 1000)), "nested deeper than 256")
put("deep_tuples", torch_zip(program(b")" + b"\x85" * 5000)), "neither a state dict nor a tensor")
put("tuple_without_mark", torch_zip(program(b"Nt")), "a mark that is not there")
put("items_without_mark", torch_zip(program(b"}u")), "a mark that is not there")
put("odd_items", torch_zip(program(b"}(Nu")), "a key without a value")
put("items_to_text", torch_zip(program(text("x") + b"NNs")), "not a dictionary")
put("append_to_dictionary", torch_zip(program(b"}Na")), "not a list")
put("pop_below_mark", torch_zip(program(b"N(\x85")), "empty stack")
put("memo_unset", torch_zip(program(b"h\x00")), "where nothing was put")
put("memo_far", torch_zip(program(b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff")), "where nothing was put")
put("memo_of_nothing", torch_zip(program(b"q\x00")), "empty stack")
put("laughs", torch_zip(program(b")q\x00" + b"".join(b"(" + b"h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 9 + b"tq" + bytes([i + 1]) for i in range(40)) + b"\x85" * 40)), "on its stack")
put("pairs_bomb", torch_zip(program(b"](" + b")" * 9 + b"e" + b"q\x00" + name_of("collections", "OrderedDict") + b"h\x00\x85R")), "something else than pairs")
put("long1_short", torch_zip(b"\x80\x02\x8a\xff\x01"), "is cut short")
put("long4_huge", torch_zip(program(b"\x8b\xff\xff\xff\x7f")), "opcode LONG4")
put("long4_negative", torch_zip(program(b"\x8b\xff\xff\xff\xff")), "opcode LONG4")
put("text_huge", torch_zip(program(b"X\xff\xff\xff\xff")), "is cut short")
put("bytes8_huge", torch_zip(program(b"\x8e" + b"\xff" * 8)), "opcode BINBYTES8")
put("frame_huge", torch_zip(program(b"\x95" + b"\xff" * 8)), "opcode FRAME")
put("opcode_unknown", torch_zip(program(b"\xfe")), "opcode 0xfe")
put("dup", torch_zip(program(b"}2")), "opcode DUP")
put("global_cut_short", torch_zip(b"\x80\x02cos\nsys"), "is cut short")

# --- archives -------------------------------------------------------------------------------------------------------
put("zip_truncated", torch_zip(GOOD)[:-1], "no end record")
put("zip_of_end_only", b"PK\x03\x04" + archive([]), "does not end at byte")
put("zip_start_only", b"PK\x03\x04", "cannot be a zip archive")
put("zip_comment", torch_zip(GOOD, comment=b"hello"), "no end record")
put("zip_comment_promised", torch_zip(GOOD, comment=b"x" * 65000)[:-65000], "a comment that is not there")
put("zip_trailing", torch_zip(GOOD, after=b"\0"), "no end record")
put("zip_leading", b"PK\x03\x04" + torch_zip(GOOD), "does not end at byte")
put("zip_two_disks", torch_zip(GOOD, disk=1), "several parts")
put("zip_record_on_disk", archive([Record("archive/data.pkl", GOOD, disk=2)]), "another part")
put("zip_count_low", torch_zip(GOOD, count=1), "belong to no record")
put("zip_count_high", torch_zip(GOOD, count=3), "cannot list 3 records")
put("zip_count_absurd", torch_zip(GOOD, count=0xFFFE), "cannot list 65534 records")
put("zip_directory_beyond_end", torch_zip(GOOD, begin=0xFFFFFF00), "does not end at byte")
put("zip_directory_gap", torch_zip(GOOD, gap=b"hidden"), "belong to none")
put("zip_gap_between", archive([Record("archive/data.pkl", GOOD, gap=b"hidden"), Record("archive/data/0", FLOATS)]), "belong to none")
put("zip_saturated_without_zip64", torch_zip(GOOD, count=0xFFFF, bytes=0xFFFFFFFF, begin=0xFFFFFFFF), "does not end at byte")
put("zip64_wrong_offset", torch_zip(GOOD, zip64=True, end64_offset=0), "zip64 end record is said to be at 0")
put("zip64_wrong_size", torch_zip(GOOD, zip64=True, end64_size=1 << 60), "no zip64 end record")
put("zip64_other_count", torch_zip(GOOD, zip64=True, end64_count=1), "several parts")
put("zip64_other_directory", torch_zip(GOOD, zip64=True, end64_begin=4), "say different things")
put("zip64_huge_directory", torch_zip(GOOD, zip64=True, bytes=0xFFFFFFFF, end64_bytes=(1 << 64) - 1), "does not end at byte")
put("zip64_field_short", archive([Record("archive/data.pkl", GOOD, size=0xFFFFFFFF, stored=0xFFFFFFFF, extra=struct.pack("<HHI", 1, 4, 1))]), "zip64 field")
put("zip64_field_long", archive([Record("archive/data.pkl", GOOD, extra=struct.pack("<HHQ", 1, 8, 1))]), "zip64 field")
put("zip64_field_missing", archive([Record("archive/data.pkl", GOOD, size=0xFFFFFFFF, stored=0xFFFFFFFF)]), "does not fit")
put("zip64_field_twice", archive([Record("archive/data.pkl", GOOD, extra=struct.pack("<HHHH", 1, 0, 1, 0))]), "two zip64 fields")
put("zip64_size_huge", archive([Record("archive/data.pkl", GOOD, size=0xFFFFFFFF, stored=0xFFFFFFFF, extra=struct.pack("<HHQQ", 1, 16, (1 << 64) - 1, (1 << 64) - 1))]), "does not fit")
put("zip_extra_cut", archive([Record("archive/data.pkl", GOOD, extra=b"FB\x10\x00")]), "extra field")
put("zip_local_extra_cut", archive([Record("archive/data.pkl", GOOD, local_extra=b"FB\x10")]), "extra field")
put("zip_deflated", archive([Record("archive/data.pkl", zlib.compress(GOOD)[2:-4], method=8, size=len(GOOD), local_size=len(GOOD))]), "compressed (method 8)")
put("zip_bomb_sizes", archive([Record("archive/data.pkl", GOOD, size=1 << 30)]), "bytes that take")
put("zip_encrypted", archive([Record("archive/data.pkl", GOOD, flags=1)]), "encrypted")
put("zip_same_bytes_twice", archive([Record("archive/data.pkl", GOOD), Record("archive/data/0", FLOATS), Record("archive/data/1", FLOATS, offset=len(GOOD) + 46, hidden=True)]), "overlaps")
put("zip_overlap", archive([Record("archive/data.pkl", GOOD, size=len(GOOD) + 20, stored=len(GOOD) + 20, local_size=len(GOOD) + 20, local_stored=len(GOOD) + 20), Record("archive/data/0", FLOATS)]), "overlaps")
put("zip_name_twice", archive([Record("archive/data.pkl", GOOD), Record("archive/data.pkl", GOOD)]), "is there twice")
put("zip_other_local_name", archive([Record("archive/data.pkl", GOOD, local_name=b"archive/evil.pkl")]), "something else than the directory")
put("zip_other_local_size", archive([Record("archive/data.pkl", GOOD, local_size=5)]), "something else than the directory")
put("zip_other_local_crc", archive([Record("archive/data.pkl", GOOD, local_crc=5)]), "something else than the directory")
put("zip_other_local_method", archive([Record("archive/data.pkl", GOOD, local_method=8)]), "something else than the directory")
put("zip_wrong_crc", archive([Record("archive/data.pkl", GOOD, crc=5, local_crc=5), Record("archive/data/0", FLOATS)]), "checksum")
put("zip_descriptor_missing", archive([Record("archive/data.pkl", GOOD, flags=8)]), "no descriptor")
put("zip_descriptor_wrong", archive([Record("archive/data.pkl", GOOD, flags=8, gap=struct.pack("<IIII", 0x08074B50, 1, 2, 3))]), "descriptor after the record")
for label, path in {"parent": "archive/../../etc/passwd", "root": "/etc/passwd", "backslash": "archive\\data.pkl", "nul": "archive/\0data.pkl",
                    "dot": "archive/./data.pkl", "empty": "", "double": "archive//data.pkl", "folder": "archive/"}.items():
    put(f"zip_path_{label}", torch_zip(GOOD, Record(path, b"x")), "no name within an archive")
put("zip_two_folders", torch_zip(GOOD, Record("other/data.pkl", GOOD)), "not within the folder")
put("zip_no_pickle", archive([Record("archive/data/0", FLOATS)]), "has no record \"data.pkl\"")
put("zip_empty", b"PK\x05\x06" + b"\0" * 18, "is no file that torch.save wrote")
put("byteorder_big", torch_zip(GOOD, Record("archive/byteorder", b"big")), "big-endian")
put("byteorder_odd", torch_zip(GOOD, Record("archive/byteorder", b"middle")), "byte order")
put("byteorder_long", torch_zip(GOOD, Record("archive/byteorder", b"little" * 100)), "at most 64 are read")
put("version_11", torch_zip(GOOD, Record("archive/version", b"11\n")), "of the version \"11\"")

# --- the older form --------------------------------------------------------------------------------------------------
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
VERSION = pickle.dumps(1001, protocol=2)
LITTLE = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, protocol=2)
BIG = pickle.dumps({"protocol_version": 1001, "little_endian": False}, protocol=2)


GOOD_LEGACY = state(entry(tensor(storage(more=[b"N"]))))


def legacy(body=GOOD_LEGACY, keys=("0",), counts=(4,), data=FLOATS, magic=MAGIC, version=VERSION, machine=LITTLE):
    out = magic + version + machine + body + pickle.dumps(list(keys), protocol=2)
    for count in counts:
        out += struct.pack("<q", count) + data
    return out


(OUT.parent / "good_legacy.bin").write_bytes(legacy())
put("legacy_other_pickle", pickle.dumps({"a": 1}, protocol=2), "not one that torch.save wrote")
put("legacy_system", pickle.dumps(Runs(os.system, "id"), protocol=2), "asks for \"posix.system\"")
put("legacy_system_later", legacy(body=pickle.dumps(Runs(os.system, "id"), protocol=2)), "asks for \"posix.system\"")
put("legacy_system_as_keys", MAGIC + VERSION + LITTLE + GOOD_LEGACY + pickle.dumps(Runs(os.system, "id"), protocol=2), "asks for \"posix.system\"")
put("legacy_version", legacy(version=pickle.dumps(1002, protocol=2)), "another version than 1001")
put("legacy_big_endian", legacy(machine=BIG), "big-endian")
put("legacy_machine_list", legacy(machine=pickle.dumps([], protocol=2)), "big-endian")
put("legacy_cut_short", legacy()[:-1], "beyond the end of the file")
put("legacy_cut_in_pickle", legacy()[:90], "is cut short")
put("legacy_count_lies", legacy(counts=(5,)), "4 elements in one place and 5 in another")
put("legacy_count_negative", legacy(counts=(-1,)), "in another")
put("legacy_trailing", legacy() + b"x", "1 bytes follow the last storage")
put("legacy_key_twice", legacy(keys=("0", "0"), counts=(4, 4)), "lists the storage \"0\" twice")
put("legacy_key_unknown", legacy(keys=("0", "1"), counts=(4, 4)), "\"1\", which no tensor has")
put("legacy_key_missing", legacy(keys=(), counts=()), "does not list the storage \"0\"")
put("legacy_keys_no_list", MAGIC + VERSION + LITTLE + GOOD_LEGACY + pickle.dumps("0", protocol=2), "no list of its storages")
put("legacy_view", legacy(body=state(entry(tensor(storage(more=[tuple_of(text("v"), number(0), number(2))]))))), "views of storages")
put("git_lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS")
put("tar", b"\0" * 257 + b"ustar\x00" + b"\0" * 249, "tar archive")
put("empty_file", b"", "is no file that torch.save wrote")

(HERE / "refused.json").write_text(json.dumps(REASONS, indent=1) + "\n")
