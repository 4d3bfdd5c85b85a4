# cython: boundscheck=False, wraparound=False, cdivision=True
"""The schema's messages straight to CBOR and back, without a tree in between.

A `Form` takes what is right and nothing else: at the first value that is not as the schema wants it
the answer is None, and codec.py goes the long way by cbor2 and columns.py, which says what is wrong
(or takes a message of a newer version). Bytes are read only after the well-formedness pass; bounds
are looked at again all the same.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_FromDouble
from cpython.long cimport PyLong_FromLongLong, PyLong_FromUnsignedLongLong
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport INFINITY, fabs, isfinite
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    bint PyLong_CheckExact(object o)
    bint PyFloat_CheckExact(object o)
    bint PyUnicode_CheckExact(object o)
    bint PyBytes_CheckExact(object o)
    bint PyList_CheckExact(object o)
    bint PyTuple_CheckExact(object o)
    double PyFloat_AsDouble(object o) except? -1.0
    double PyLong_AsDouble(object o) except? -1.0
    long long PyLong_AsLongLongAndOverflow(object o, int *overflow) except? -1
    unsigned long long PyLong_AsUnsignedLongLong(object o) except? 0xFFFFFFFFFFFFFFFF
    const char *PyUnicode_AsUTF8AndSize(object o, Py_ssize_t *size) except NULL

cdef enum:
    UINT = 0
    INT = 1
    REAL = 2
    FLAG = 3
    TEXT = 4
    BYTES = 5
    RECORD = 6
    ARRAY = 7

cdef enum:
    BUFFER_FIRST = 512

cdef double TWO_TO_MINUS_24 = 5.9604644775390625e-08
cdef double SINGLE_MAX = 3.4028234663852886e38
cdef object NO = object()  # a value that is not as the schema wants it


cdef struct Out:
    uint8_t *start
    size_t size
    size_t room


cdef int grow(Out *out, size_t more) except -1:
    cdef size_t room = out.room * 2
    cdef uint8_t *bigger
    while room < out.size + more:
        room *= 2
    bigger = <uint8_t *>PyMem_Realloc(out.start, room)
    if bigger is NULL:
        raise MemoryError
    out.start, out.room = bigger, room
    return 0


cdef inline int reserve(Out *out, size_t more) except -1:
    if out.size + more > out.room:
        grow(out, more)
    return 0


cdef int put_head(Out *out, uint8_t major, uint64_t value) except -1:
    """A head in its shortest form; `major` is shifted already."""
    cdef int width, at
    reserve(out, 9)
    if value < 24:
        out.start[out.size] = major | <uint8_t>value
        out.size += 1
        return 0
    if value < 0x100:
        width = 1
        out.start[out.size] = major | 24
    elif value < 0x10000:
        width = 2
        out.start[out.size] = major | 25
    elif value < 0x100000000:
        width = 4
        out.start[out.size] = major | 26
    else:
        width = 8
        out.start[out.size] = major | 27
    for at in range(width):
        out.start[out.size + 1 + at] = <uint8_t>(value >> (8 * (width - 1 - at)))
    out.size += 1 + width
    return 0


cdef int put_bytes(Out *out, const char *data, size_t size) except -1:
    reserve(out, size)
    memcpy(out.start + out.size, data, size)
    out.size += size
    return 0


cdef inline void put_big(uint8_t *place, uint64_t bits, int size) noexcept:
    """`size` bytes, the highest first."""
    cdef int at
    for at in range(size):
        place[at] = <uint8_t>(bits >> (8 * (size - 1 - at)))


cdef inline uint64_t get_big(const uint8_t *place, int size) noexcept:
    """`size` bytes, the highest first."""
    cdef uint64_t bits = 0
    cdef int at
    for at in range(size):
        bits = bits << 8 | place[at]
    return bits


cdef inline bint half_of(uint32_t bits, uint16_t *half) noexcept:
    """IEEE 754 binary16 of the bits of a finite binary32; False if it would lose some of them."""
    cdef int exponent = <int>(bits >> 23 & 0xFF) - 127
    cdef uint32_t fraction = bits & 0x7FFFFF
    cdef uint32_t sign = bits >> 16 & 0x8000
    cdef int drop = 13
    if bits & 0x7FFFFFFF == 0:
        half[0] = <uint16_t>sign
        return True
    if exponent < -24 or exponent > 15:
        return False
    if exponent < -14:  # subnormal there: the leading bit is written, further down
        drop += -14 - exponent
        fraction |= 0x800000
    else:
        sign |= <uint32_t>(exponent + 15) << 10
    half[0] = <uint16_t>(sign | fraction >> drop)
    return fraction & ((<uint32_t>1 << drop) - 1) == 0


cdef inline double real_of_half(uint32_t half) noexcept:
    """The value of a binary16; infinity for all that is not finite."""
    cdef uint32_t exponent = half >> 10 & 0x1F
    cdef double size = half & 0x3FF
    if exponent == 31:
        return INFINITY
    if exponent == 0:
        size *= TWO_TO_MINUS_24
    else:
        size = (1024.0 + size) * (<double>(<uint64_t>1 << exponent)) * (TWO_TO_MINUS_24 / 2.0)
    return -size if half & 0x8000 else size


cdef int put_real(Out *out, double value) except -1:
    """The shortest float that keeps the value."""
    cdef uint8_t *place
    cdef float single = 0.0
    cdef uint32_t bits
    cdef uint64_t long_bits
    cdef uint16_t half = 0
    reserve(out, 9)
    place = <uint8_t *>out.start + out.size
    if fabs(value) <= SINGLE_MAX:
        single = <float>value
        if <double>single == value:
            memcpy(&bits, &single, 4)
            if half_of(bits, &half):
                place[0] = 0xF9
                put_big(place + 1, half, 2)
                out.size += 3
                return 0
            place[0] = 0xFA
            put_big(place + 1, bits, 4)
            out.size += 5
            return 0
    memcpy(&long_bits, &value, 8)
    place[0] = 0xFB
    put_big(place + 1, long_bits, 8)
    out.size += 9
    return 0


cdef inline double real_at(const uint8_t *place, int size) noexcept:
    """The float of 2, 4 or 8 bytes."""
    cdef uint64_t long_bits = get_big(place, size)
    cdef uint32_t bits = <uint32_t>long_bits
    cdef float single
    cdef double value
    if size == 2:
        return real_of_half(bits)
    if size == 4:
        memcpy(&single, &bits, 4)
        return single
    memcpy(&value, &long_bits, 8)
    return value



cdef struct In:
    const uint8_t *start
    size_t size
    size_t at


cdef inline bint take_head(In *data, uint8_t *first, uint64_t *value):
    """The next item's head: false where the bytes end."""
    cdef uint8_t info
    cdef size_t width, at
    if data.at >= data.size:
        return False
    first[0] = data.start[data.at]
    info = first[0] & 31
    data.at += 1
    if info < 24:
        value[0] = info
        return True
    if info > 27:
        return False
    width = <size_t>1 << (info - 24)
    if data.size - data.at < width:
        return False
    value[0] = 0
    for at in range(width):
        value[0] = value[0] << 8 | data.start[data.at + at]
    data.at += width
    return True


cdef object new_record(object cls, tuple fields):
    """`tuple.__new__(cls, fields)`: a NamedTuple, which checks nothing."""
    return tuple.__new__(cls, fields)


cdef class Shape:
    """What a field may be."""

    cdef int kind
    cdef uint64_t most
    cdef int64_t least, most_signed
    cdef size_t least_size
    cdef object cls
    cdef tuple fields
    cdef Shape item

    def __init__(self, int kind, least=0, most=0, cls=None, fields=(), Shape item=None):
        self.kind = kind
        if kind == INT:
            self.least, self.most_signed = least, most
        else:
            self.least_size, self.most = least, most
        self.cls = cls
        self.fields = tuple(fields)
        self.item = item

    cdef int put(self, Out *out, object value) except -1:
        """Write a value; 0 if it is not as it shall be."""
        cdef int overflow = 0
        cdef long long small
        cdef unsigned long long plain
        cdef double real
        cdef const char *text
        cdef Py_ssize_t size
        if self.kind == UINT or self.kind == INT:
            if not PyLong_CheckExact(value):
                return 0
            small = PyLong_AsLongLongAndOverflow(value, &overflow)
            if self.kind == INT:
                if overflow or small < self.least or small > self.most_signed:
                    return 0
                if small < 0:
                    put_head(out, 0x20, <uint64_t>(-1 - small))
                else:
                    put_head(out, 0x00, <uint64_t>small)
                return 1
            if overflow < 0 or (overflow == 0 and small < 0):
                return 0
            if overflow:
                try:
                    plain = PyLong_AsUnsignedLongLong(value)
                except OverflowError:
                    return 0
            else:
                plain = <unsigned long long>small
            if plain > self.most:
                return 0
            put_head(out, 0x00, plain)
            return 1
        if self.kind == BYTES:
            if not PyBytes_CheckExact(value):
                return 0
            size = PyBytes_GET_SIZE(value)
            if <size_t>size < self.least_size or <uint64_t>size > self.most:
                return 0
            put_head(out, 0x40, <uint64_t>size)
            put_bytes(out, PyBytes_AS_STRING(value), <size_t>size)
            return 1
        if self.kind == TEXT:
            if not PyUnicode_CheckExact(value):
                return 0
            try:
                text = PyUnicode_AsUTF8AndSize(value, &size)
            except UnicodeEncodeError:
                return 0
            if <uint64_t>size > self.most:
                return 0
            put_head(out, 0x60, <uint64_t>size)
            put_bytes(out, text, <size_t>size)
            return 1
        if self.kind == FLAG:
            if value is not True and value is not False:
                return 0
            reserve(out, 1)
            out.start[out.size] = 0xF5 if value is True else 0xF4
            out.size += 1
            return 1
        if self.kind == REAL:
            if PyFloat_CheckExact(value):
                real = PyFloat_AsDouble(value)
            elif PyLong_CheckExact(value):
                try:
                    real = PyLong_AsDouble(value)
                except OverflowError:
                    return 0
            else:
                return 0
            if not isfinite(real):
                return 0
            put_real(out, real)
            return 1
        if self.kind == RECORD:
            if type(value) is not self.cls or PyTuple_GET_SIZE(value) != len(self.fields):
                return 0
            put_head(out, 0x80, <uint64_t>len(self.fields))
            return put_fields(out, self.fields, value)
        return self.put_array(out, value)

    cdef int put_array(self, Out *out, object value) except -1:
        if not PyList_CheckExact(value) and not PyTuple_CheckExact(value):
            return 0
        cdef uint64_t count = <uint64_t>len(value)
        if count > self.most:
            return 0
        put_head(out, 0x80, count)
        for one in value:
            if not self.item.put(out, one):
                return 0
        return 1

    cdef object take(self, In *data):
        """Read a value; NO if it is not as it shall be."""
        cdef uint8_t first
        cdef uint64_t value
        cdef double real
        cdef const char *here
        if not take_head(data, &first, &value):
            return NO
        here = <const char *>data.start + data.at
        if self.kind == UINT:
            if first >> 5 != 0 or value > self.most:
                return NO
            return PyLong_FromUnsignedLongLong(value)
        if self.kind == INT:
            if first >> 5 > 1 or value > <uint64_t>0x7FFFFFFFFFFFFFFF:
                return NO
            if first >> 5 == 0:
                if <int64_t>value > self.most_signed:
                    return NO
                return PyLong_FromLongLong(<int64_t>value)
            if -1 - <int64_t>value < self.least:
                return NO
            return PyLong_FromLongLong(-1 - <int64_t>value)
        if self.kind == BYTES or self.kind == TEXT:
            if first >> 5 != (2 if self.kind == BYTES else 3):
                return NO
            if value < self.least_size or value > self.most or value > data.size - data.at:
                return NO
            data.at += value
            if self.kind == BYTES:
                return PyBytes_FromStringAndSize(here, <Py_ssize_t>value)
            try:
                return PyUnicode_DecodeUTF8(here, <Py_ssize_t>value, NULL)
            except UnicodeDecodeError:
                return NO
        if self.kind == FLAG:
            if first == 0xF5:
                return True
            return False if first == 0xF4 else NO
        if self.kind == REAL:
            if first == 0xF9:
                real = real_at(<const uint8_t *>here - 2, 2)
            elif first == 0xFA:
                real = real_at(<const uint8_t *>here - 4, 4)
            elif first == 0xFB:
                real = real_at(<const uint8_t *>here - 8, 8)
            else:
                return NO
            return PyFloat_FromDouble(real) if isfinite(real) else NO
        if first >> 5 != 4:
            return NO
        if self.kind == RECORD:
            if value != <uint64_t>len(self.fields):
                return NO
            fields = take_fields(data, self.fields, False)
            return NO if fields is NO else new_record(self.cls, <tuple>fields)
        return self.take_array(data, value)

    cdef object take_array(self, In *data, uint64_t count):
        cdef uint64_t at
        # An item is a byte at least: no more room is taken than the bytes can fill.
        if count > self.most or count > data.size - data.at:
            return NO
        found = []
        for at in range(count):
            one = self.item.take(data)
            if one is NO:
                return NO
            found.append(one)
        return found


cdef int put_fields(Out *out, tuple shapes, object record) except -1:
    cdef Py_ssize_t at
    for at in range(len(shapes)):
        if not (<Shape>shapes[at]).put(out, <object>PyTuple_GET_ITEM(record, at)):
            return 0
    return 1


cdef object take_fields(In *data, tuple shapes, bint keyed):
    """The values of a record, or of a message's map, whose keys then are 1, 2, ..."""
    cdef Py_ssize_t at
    cdef uint8_t first
    cdef uint64_t key
    found = []
    for at in range(len(shapes)):
        if keyed:
            if not take_head(data, &first, &key) or first >> 5 != 0 or key != <uint64_t>at + 1:
                return NO
        one = (<Shape>shapes[at]).take(data)
        if one is NO:
            return NO
        found.append(one)
    return tuple(found)


cdef class Form:
    """A message: its number, its class and the shapes of its fields in their order."""

    cdef uint64_t number
    cdef object cls
    cdef tuple shapes

    def __init__(self, number, cls, shapes):
        self.number = number
        self.cls = cls
        self.shapes = tuple(shapes)

    def encode(self, message):
        """The bytes of a message of this class; None if a value is not as the schema wants it."""
        cdef Out out
        cdef Py_ssize_t at
        if type(message) is not self.cls or PyTuple_GET_SIZE(message) != len(self.shapes):
            return None
        out.size, out.room = 0, BUFFER_FIRST
        out.start = <uint8_t *>PyMem_Malloc(BUFFER_FIRST)
        if out.start is NULL:
            raise MemoryError
        try:
            put_head(&out, 0xA0, <uint64_t>len(self.shapes) + 1)
            put_head(&out, 0x00, 0)
            put_head(&out, 0x00, self.number)
            for at in range(len(self.shapes)):
                put_head(&out, 0x00, <uint64_t>at + 1)
                if not (<Shape>self.shapes[at]).put(&out, <object>PyTuple_GET_ITEM(message, at)):
                    return None
            return PyBytes_FromStringAndSize(<const char *>out.start, <Py_ssize_t>out.size)
        finally:
            PyMem_Free(out.start)

    def decode(self, bytes data not None):
        """The message in checked bytes; None if it is not exactly one of this class."""
        cdef In given
        cdef uint8_t first
        cdef uint64_t value
        given.start = <const uint8_t *>PyBytes_AS_STRING(data)
        given.size, given.at = <size_t>PyBytes_GET_SIZE(data), 0
        if not take_head(&given, &first, &value) or first >> 5 != 5:
            return None
        if value != <uint64_t>len(self.shapes) + 1:
            return None
        if not take_head(&given, &first, &value) or first != 0:
            return None
        if not take_head(&given, &first, &value) or first >> 5 != 0 or value != self.number:
            return None
        fields = take_fields(&given, self.shapes, True)
        if fields is NO or given.at != given.size:
            return None
        return new_record(self.cls, <tuple>fields)
