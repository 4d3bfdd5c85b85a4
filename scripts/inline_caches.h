/* Inline caches for what mypyc compiles: each place of the source that reads a global, an attribute
 * or a method by name keeps what it found, as long as what it looked in is as it was (CPython 3.11:
 * PEP 509 numbers every change of a dict, `tp_version_tag` every change of a type). Most of what a
 * simulated site executes was these look-ups: constants of modules, fields of NamedTuples.
 *
 * Included behind mypyc's headers by every file that it generates (compile_cores.py).
 */

#ifndef INLINE_CACHES_H
#define INLINE_CACHES_H

#if PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x030C0000
#error "inline_caches.h reads version numbers as CPython 3.11 keeps them"
#endif

/* A field of a NamedTuple, as _collections keeps it. */
typedef struct {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *doc;
} inline_field;

typedef struct {
    PyTypeObject *type; /* whose attributes were looked at, as of `version` */
    unsigned version;
    Py_ssize_t index;   /* of the NamedTuple's field; MODULE where a module's dict was looked at */
    uint64_t dict_version;
    PyObject *key, *value; /* `value` is held by the dict or the type */
} inline_cache;

#define INLINE_MODULE (-1)
#define INLINE_WAYS 4 /* types that one place sees, messages of several kinds most often */

/* Whether `name` was looked at in `type`, and it is still the same. */
static inline int inline_known(
    const inline_cache *cache, const PyTypeObject *type, const PyObject *name
) {
    return cache->type == type && cache->version == type->tp_version_tag && cache->key == name;
}

/* Keep `type` as it is now, and what was found by it; 0 where it has no version, nothing is kept. */
static int inline_learn(
    inline_cache *cache, PyTypeObject *type, PyObject *name, Py_ssize_t index, PyObject *value
) {
    if (!PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG)) return 0;
    PyTypeObject *before = cache->type;
    Py_XSETREF(cache->key, Py_NewRef(name)); /* held: no other name is at its address */
    cache->type = (PyTypeObject *)Py_NewRef(type);
    cache->version = type->tp_version_tag;
    cache->index = index;
    cache->value = value;
    Py_XDECREF(before);
    return 1;
}

/* A global that is looked up for the first time, or an item of any other dict. */
static __attribute__((noinline)) PyObject *inline_item_found(
    inline_cache *cache, PyObject *dict, PyObject *key
) {
    if (!PyDict_CheckExact(dict)) return PyObject_GetItem(dict, key);
    PyObject *found = PyDict_GetItemWithError(dict, key);
    if (found == NULL) {
        if (!PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, key);
        return NULL;
    }
    if (PyUnicode_CheckExact(key) && PyUnicode_CHECK_INTERNED(key)) { /* a name in the source */
        Py_XSETREF(cache->key, Py_NewRef(key));
        cache->value = found;
        cache->dict_version = ((PyDictObject *)dict)->ma_version_tag;
    }
    return Py_NewRef(found);
}

/* dict[key]; no two dicts, and no dict before and after a change, have the same version. */
static inline PyObject *inline_item(inline_cache *cache, PyObject *dict, PyObject *key) {
    if (key == cache->key && PyDict_CheckExact(dict) &&
        ((PyDictObject *)dict)->ma_version_tag == cache->dict_version)
        return Py_NewRef(cache->value);
    return inline_item_found(cache, dict, key);
}

/* A way that is free, or else the last. */
static inline_cache *inline_way(inline_cache *ways, PyTypeObject *type) {
    for (int i = 0; i < INLINE_WAYS - 1; i++)
        if (ways[i].type == NULL || ways[i].type == type) return &ways[i];
    return &ways[INLINE_WAYS - 1];
}

/* The first time, and where there is nothing to keep. */
static __attribute__((noinline)) PyObject *inline_attr_found(
    inline_cache *ways, PyObject *object, PyObject *name
) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject *found = PyObject_GetAttr(object, name);
    if (found == NULL) return NULL;
    if (PyTuple_Check(object)) {
        PyObject *described = _PyType_Lookup(type, name);
        if (described == NULL || strcmp(Py_TYPE(described)->tp_name, "collections._tuplegetter"))
            return found;
        Py_ssize_t index = ((inline_field *)described)->index;
        inline_learn(inline_way(ways, type), type, name, index, NULL);
    } else if (PyModule_CheckExact(object) && _PyType_Lookup(type, name) == NULL) {
        PyObject *dict = PyModule_GetDict(object); /* borrowed */
        if (PyDict_GetItemWithError(dict, name) != found) return found;
        inline_cache *cache = inline_way(ways, type);
        if (inline_learn(cache, type, name, INLINE_MODULE, found))
            cache->dict_version = ((PyDictObject *)dict)->ma_version_tag;
    }
    return found;
}

/* As the first way has it not: in another one, or of a module, whose dict a call gives. */
static __attribute__((noinline)) PyObject *inline_attr_else(
    inline_cache *ways, PyObject *object, PyObject *name
) {
    for (inline_cache *cache = ways; cache < ways + INLINE_WAYS && cache->type; cache++) {
        if (!inline_known(cache, Py_TYPE(object), name)) continue;
        if (cache->index != INLINE_MODULE) return Py_NewRef(PyTuple_GET_ITEM(object, cache->index));
        PyObject *dict = PyModule_GetDict(object);
        if (((PyDictObject *)dict)->ma_version_tag == cache->dict_version)
            return Py_NewRef(cache->value);
    }
    return inline_attr_found(ways, object, name);
}

/* object.name */
static inline PyObject *inline_attr(inline_cache *ways, PyObject *object, PyObject *name) {
    if (inline_known(ways, Py_TYPE(object), name) && ways->index != INLINE_MODULE)
        return Py_NewRef(PyTuple_GET_ITEM(object, ways->index));
    return inline_attr_else(ways, object, name);
}

/* args[0].name(...): methods of types whose objects have no attributes of their own. */
static __attribute__((noinline)) PyObject *inline_method(
    inline_cache *cache, PyObject *name, PyObject *const *args, size_t count, PyObject *names
) {
    PyTypeObject *type = Py_TYPE(args[0]);
    if (!inline_known(cache, type, name)) {
        if (type->tp_dictoffset != 0 || type->tp_getattro != PyObject_GenericGetAttr)
            return PyObject_VectorcallMethod(name, args, count, names);
        PyObject *method = _PyType_Lookup(type, name);
        if (method == NULL || !PyType_HasFeature(Py_TYPE(method), Py_TPFLAGS_METHOD_DESCRIPTOR))
            return PyObject_VectorcallMethod(name, args, count, names);
        if (!inline_learn(cache, type, name, 0, method))
            return PyObject_VectorcallMethod(name, args, count, names);
    }
    return PyObject_Vectorcall(cache->value, args, count & ~PY_VECTORCALL_ARGUMENTS_OFFSET, names);
}

#define INLINE_CACHED(what, ways, ...)       \
    ({                                       \
        static inline_cache cache_here[ways]; \
        what(cache_here, __VA_ARGS__);       \
    })
#define CPyDict_GetItem(dict, key) INLINE_CACHED(inline_item, 1, dict, key)
#undef CPyObject_GetAttr
#define CPyObject_GetAttr(object, name) INLINE_CACHED(inline_attr, INLINE_WAYS, object, name)
#define PyObject_VectorcallMethod(name, args, count, names) \
    INLINE_CACHED(inline_method, 1, name, args, count, names)

/* Errors: what leads to them is put elsewhere, so that what is executed lies close together. */
void CPy_AddTraceback(const char *, const char *, int, PyObject *) __attribute__((cold));
void CPy_TypeError(const char *, PyObject *) __attribute__((cold));
void CPy_TypeErrorTraceback(
    const char *, const char *, int, PyObject *, const char *, PyObject *
) __attribute__((cold));
void CPy_AttributeError(
    const char *, const char *, const char *, const char *, int, PyObject *
) __attribute__((cold));
void CPyError_OutOfMemory(void) __attribute__((cold));

#endif
