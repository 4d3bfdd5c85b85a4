"""schema.py, messages.py and atoll.cddl say the same: by text, and by what a validator takes."""

import re
from pathlib import Path

import cbor2
import pytest
from pycddl import Schema, ValidationError

from atoll.wire import gateways, schema
from atoll.wire.codec import encode
from atoll.wire.messages import Probe, StreamInfo
from atoll.wire.schema import (
    FIELDS,
    I64,
    MESSAGES,
    NUMBERS,
    U8,
    U16,
    U32,
    U64,
    Array,
    Bytes,
    Flag,
    Int,
    Real,
    Record,
    Text,
    Uint,
)

assert gateways.Lead in NUMBERS  # imported for its messages

CDDL = (Path(__file__).parents[2] / "wire" / "atoll.cddl").read_text()
MESSAGE_CLASSES = list(MESSAGES.values())
RECORD_CLASSES = [cls for cls in FIELDS if cls not in NUMBERS]


def by_name(cls):
    return cls.__name__


def rule_name(cls):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


def rendered(shape):
    """A shape as the CDDL file writes it."""
    widths = {U8: "u8", U16: "u16", U32: "u32", U64: "u64"}
    match shape:
        case Uint(most):
            return widths.get(most, f"0..{most}")
        case Int(least, most):
            return "i64" if (least, most) == (-I64, I64) else f"{least}..{most}"
        case Real():
            return "float"
        case Flag():
            return "bool"
        case Text(most):
            return {64: "name", 128: "key"}.get(most, f"tstr .size (0..{most})")
        case Bytes(most, least):
            return f"bstr .size {most}" if least == most else f"bstr .size ({least}..{most})"
        case Record(cls):
            return rule_name(cls)
        case Array(item, most):
            return f"[0*{most} {rendered(item)}]"
    raise AssertionError(shape)


def rule(name, brackets):
    """The lines of a rule's body."""
    found = re.search(rf"^{name} = \{brackets[0]}\n(.*?)^\{brackets[1]}$", CDDL, re.M | re.S)
    assert found, f"atoll.cddl has no rule {name}"
    return found.group(1).splitlines()


@pytest.mark.parametrize("cls", MESSAGE_CLASSES, ids=by_name)
def test_a_message_has_the_same_fields_in_the_cddl(cls):
    wanted = [f"0: {NUMBERS[cls]}, ; type"]
    wanted += [f"{n}: {rendered(s)}, ; {name}" for n, (name, s) in enumerate(FIELDS[cls], 1)]
    assert [" ".join(line.split()) for line in rule(rule_name(cls), "{}")] == wanted


@pytest.mark.parametrize("cls", RECORD_CLASSES, ids=by_name)
def test_a_record_has_the_same_fields_in_the_cddl(cls):
    wanted = [f"{name}: {rendered(shape)}," for name, shape in FIELDS[cls]]
    assert [line.strip() for line in rule(rule_name(cls), "[]")] == wanted


def test_the_cddl_has_no_other_rules():
    rules = re.findall(r"^([a-z0-9-]+) = ", CDDL, re.M)
    basic = {"message", "u8", "u16", "u32", "u64", "i64", "name", "key"}
    assert set(rules) == basic | {rule_name(cls) for cls in FIELDS}
    assert len(rules) == len(set(rules))
    choices = re.search(r"^message = (.*?)\n\n", CDDL, re.M | re.S).group(1)
    assert {name.strip() for name in choices.split("/")} == {
        rule_name(cls) for cls in MESSAGE_CLASSES
    }


@pytest.fixture(scope="module")
def validator():
    """pycddl on the root rule, and on one rule alone."""
    # What the validator cannot do is left to the comparison of texts: ranges below zero, counts of
    # arrays in an array, types of what has a `.size`. A record's member that is named as a rule is
    # (task) would be taken for it.
    cddl = re.sub(r"^  [a-z_]+: ", "  ", CDDL, flags=re.M)
    cddl = re.sub(r"(-\d+)\.\.\d+", r"int .ge \1", cddl)
    schemas = {"message": Schema(cddl)}

    def validate(data, name="message"):
        if name not in schemas:
            schemas[name] = Schema(f"root = {name}\n{cddl}")
        schemas[name].validate_cbor(data)

    return validate


@pytest.mark.parametrize("cls", MESSAGE_CLASSES, ids=by_name)
def test_what_is_encoded_is_valid(cls, maker, validator):
    for _ in range(25):
        data = encode(maker.make(cls))
        validator(data)
        validator(data, rule_name(cls))


def refuses(validator, data, name):
    try:
        validator(data, name)
    except ValidationError:
        return True
    return False


def breaks(shape):
    """Values just outside a shape."""
    match shape:
        case Uint(most):
            return [-1, most + 1, 1.5, "1"]
        case Int(least, most):
            return [least - 1, None]
        case Real():
            return ["1.0", True]
        case Flag():
            return [0, "true"]
        case Text(most):
            return ["x" * (most + 1), []]
        case Bytes(most, least):
            outside = [bytes(most + 1), []]
            return [*outside, bytes(least - 1)] if least else outside
        case Record(cls):
            return [[0] * (len(FIELDS[cls]) + 1), {}]
        case Array(Record(), _):
            return [{}, [[]]]
        case Array(item, most):
            return [[sample(item)] * (most + 1), {}]
    raise AssertionError(shape)


def sample(shape):
    """A small value within a shape."""
    match shape:
        case Uint() | Int():
            return 0
        case Real():
            return 0.5
        case Flag():
            return True
        case Text():
            return ""
        case Bytes(_, least):
            return bytes(least)
        case Record(cls):
            return [sample(inner) for _, inner in FIELDS[cls]]
        case Array():
            return []
    raise AssertionError(shape)


@pytest.mark.parametrize("cls", MESSAGE_CLASSES, ids=by_name)
def test_a_value_outside_its_bound_is_invalid(cls, validator):
    good = {0: NUMBERS[cls]} | {n: sample(shape) for n, (_, shape) in enumerate(FIELDS[cls], 1)}
    validator(cbor2.dumps(good, canonical=True))
    for number, (name, shape) in enumerate(FIELDS[cls], 1):
        for value in breaks(shape):
            data = cbor2.dumps(good | {number: value}, canonical=True)
            assert refuses(validator, data, rule_name(cls)), f"{name} = {value!r:.40} was taken"


def test_a_message_number_and_field_list_are_taken_once():
    with pytest.raises(TypeError, match="taken by Probe"):
        schema.message(NUMBERS[Probe], Probe)
    with pytest.raises(TypeError, match="schema fields"):
        schema.record(StreamInfo, dataset=Text(1))
