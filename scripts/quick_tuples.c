/* NamedTuples made without Python: their constructor and their `_replace` are Python functions, which
 * no compiler of the modules that use them takes away, and a simulated site makes five an event.
 *
 * `quicken(type)` gives the type a vector call that fills a tuple when every field is given, by its
 * place or by its name, or has a default, and a `_replace` that copies; what is given wrongly goes
 * the usual way. Names, defaults and errors stay as they are.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define FIELDS_MAX 20

/* The usual way: `type.__call__`, with the arguments as a tuple and a dict. */
static PyObject *usual(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *made = NULL, *named = NULL, *placed = PyTuple_New(count);
    if (placed == NULL) return NULL;
    for (Py_ssize_t i = 0; i < count; i++) PyTuple_SET_ITEM(placed, i, Py_NewRef(args[i]));
    if (names != NULL) {
        named = PyDict_New();
        if (named == NULL) goto end;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
            if (PyDict_SetItem(named, PyTuple_GET_ITEM(names, i), args[count + i]) < 0) goto end;
    }
    made = PyType_Type.tp_call(type, placed, named);
end:
    Py_XDECREF(named);
    Py_DECREF(placed);
    return made;
}

static PyObject *name_of_fields, *name_of_defaults, *name_of_replace;

/* The place of the field `name`, or -1. Names in sources are interned: most often it is itself. */
static Py_ssize_t place_of(PyObject *fields, PyObject *name) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); i++)
        if (PyTuple_GET_ITEM(fields, i) == name) return i;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); i++)
        if (PyUnicode_Compare(PyTuple_GET_ITEM(fields, i), name) == 0) return i;
    return -1;
}

/* Set fields of `made` by name; 0 where one is unknown or set already. */
static int set_named(PyObject *made, PyObject *fields, PyObject *names, PyObject *const *values) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); k++) {
        Py_ssize_t i = place_of(fields, PyTuple_GET_ITEM(names, k));
        if (i < 0 || PyTuple_GET_ITEM(made, i) != NULL) return 0;
        PyTuple_SET_ITEM(made, i, Py_NewRef(values[k]));
    }
    return 1;
}

/* Set what is not yet set to its default; 0 where there is none. */
static int set_defaults(PyObject *made, PyObject *fields, PyObject *defaults) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); i++) {
        if (PyTuple_GET_ITEM(made, i) != NULL) continue;
        PyObject *value = PyDict_GetItemWithError(defaults, PyTuple_GET_ITEM(fields, i));
        if (value == NULL) return 0;
        PyTuple_SET_ITEM(made, i, Py_NewRef(value));
    }
    return 1;
}

/* Fields by place, then by name, then defaults. */
static PyObject *mixed(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *fields = PyObject_GetAttr(type, name_of_fields);
    PyObject *defaults = fields ? PyObject_GetAttr(type, name_of_defaults) : NULL;
    PyObject *made = NULL;
    if (defaults == NULL || count > PyTuple_GET_SIZE(fields)) goto end;
    made = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, PyTuple_GET_SIZE(fields));
    if (made == NULL) goto end;
    for (Py_ssize_t i = 0; i < count; i++) PyTuple_SET_ITEM(made, i, Py_NewRef(args[i]));
    if ((names != NULL && !set_named(made, fields, names, args + count)) ||
        !set_defaults(made, fields, defaults))
        Py_CLEAR(made);
end:
    Py_XDECREF(fields);
    Py_XDECREF(defaults);
    return made != NULL || PyErr_Occurred() ? made : usual(type, args, count, names);
}

static inline PyObject *filled(
    PyObject *type, PyObject *const *args, size_t flags, PyObject *names, Py_ssize_t fields
) {
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (count != fields || names != NULL) return mixed(type, args, count, names);
    PyObject *made = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, fields);
    if (made == NULL) return NULL;
    for (Py_ssize_t i = 0; i < fields; i++) PyTuple_SET_ITEM(made, i, Py_NewRef(args[i]));
    return made;
}

/* A function for each number of fields, as a type has no room to keep it for one. */
#define MAKER(n)                                                                             \
    static PyObject *make_##n(PyObject *t, PyObject *const *a, size_t f, PyObject *k) {      \
        return filled(t, a, f, k, n);                                                        \
    }
#define ALL(X)                                                                               \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)   \
    X(17) X(18) X(19) X(20)
ALL(MAKER)
#define NAME(n) make_##n,
static const vectorcallfunc MAKERS[FIELDS_MAX + 1] = {NULL, ALL(NAME)};

static PyObject *replace(
    PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names
) {
    PyTypeObject *type = Py_TYPE(self);
    if (count > 0) {
        PyErr_SetString(PyExc_TypeError, "_replace() takes fields by their names only");
        return NULL;
    }
    PyObject *fields = PyObject_GetAttr((PyObject *)type, name_of_fields);
    PyObject *made = fields ? type->tp_alloc(type, PyTuple_GET_SIZE(fields)) : NULL;
    if (made == NULL) goto end;
    if (names != NULL && !set_named(made, fields, names, args)) {
        PyErr_Format(PyExc_ValueError, "Got unexpected field names: %R", names);
        Py_CLEAR(made);
        goto end;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); i++)
        if (PyTuple_GET_ITEM(made, i) == NULL)
            PyTuple_SET_ITEM(made, i, Py_NewRef(PyTuple_GET_ITEM(self, i)));
end:
    Py_XDECREF(fields);
    return made;
}

static PyMethodDef REPLACE = {
    "_replace", (PyCFunction)(void (*)(void))replace, METH_FASTCALL | METH_KEYWORDS,
    "A tuple like this one, with other values for the fields named.",
};

static PyObject *quicken(PyObject *module, PyObject *type) {
    (void)module;
    PyObject *fields = PyObject_GetAttr(type, name_of_fields);
    if (fields == NULL) return NULL;
    Py_ssize_t count = PyTuple_Check(fields) ? PyTuple_GET_SIZE(fields) : 0;
    Py_DECREF(fields);
    if (count == 0 || count > FIELDS_MAX || !PyType_Check(type)) return Py_NewRef(type);
    PyObject *method = PyDescr_NewMethod((PyTypeObject *)type, &REPLACE);
    if (method == NULL || PyObject_SetAttr(type, name_of_replace, method) < 0) {
        Py_XDECREF(method);
        return NULL;
    }
    Py_DECREF(method);
    ((PyTypeObject *)type)->tp_vectorcall = MAKERS[count];
    return Py_NewRef(type);
}

static PyMethodDef METHODS[] = {
    {"quicken", quicken, METH_O, "Let a NamedTuple be made without Python; gives the type."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "quick_tuples", NULL, -1, METHODS};

PyMODINIT_FUNC PyInit_quick_tuples(void) {
    name_of_fields = PyUnicode_InternFromString("_fields");
    name_of_defaults = PyUnicode_InternFromString("_field_defaults");
    name_of_replace = PyUnicode_InternFromString("_replace");
    if (name_of_fields == NULL || name_of_defaults == NULL || name_of_replace == NULL) return NULL;
    return PyModule_Create(&MODULE);
}
