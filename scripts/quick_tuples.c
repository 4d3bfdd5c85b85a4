/* NamedTuples made without Python: their constructor is a Python function, which no compiler of the
 * modules that use it takes away, and a simulated site makes five of them an event.
 *
 * `quicken(type)` gives the type a vector call that fills a tuple when every field is given by its
 * place; any other call goes the usual way. Names, defaults and errors stay as they are.
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

static inline PyObject *filled(
    PyObject *type, PyObject *const *args, size_t flags, PyObject *names, Py_ssize_t fields
) {
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (count != fields || names != NULL) return usual(type, args, count, names);
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

static PyObject *quicken(PyObject *module, PyObject *type) {
    (void)module;
    PyObject *fields = PyObject_GetAttrString(type, "_fields");
    if (fields == NULL) return NULL;
    Py_ssize_t count = PyTuple_Check(fields) ? PyTuple_GET_SIZE(fields) : 0;
    Py_DECREF(fields);
    if (count > 0 && count <= FIELDS_MAX && PyType_Check(type))
        ((PyTypeObject *)type)->tp_vectorcall = MAKERS[count];
    return Py_NewRef(type);
}

static PyMethodDef METHODS[] = {
    {"quicken", quicken, METH_O, "Let a NamedTuple be made without Python; gives the type."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "quick_tuples", NULL, -1, METHODS};

PyMODINIT_FUNC PyInit_quick_tuples(void) { return PyModule_Create(&MODULE); }
